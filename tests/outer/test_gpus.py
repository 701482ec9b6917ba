"""GPUs that JAX does not use are spoken of."""

import pytest

from metadisco.outer import gpus


@pytest.mark.parametrize(
    ("variables", "has_plugin", "told"),
    [
        ({"JAX_PLATFORMS": "cpu"}, True, "JAX_PLATFORMS is cpu"),
        ({"JAX_PLATFORMS": "cuda,cpu"}, False, "metadisco[cuda]"),
        ({}, False, "metadisco[cuda]"),
        ({"CUDA_VISIBLE_DEVICES": ""}, True, "CUDA_VISIBLE_DEVICES is ''"),
        ({}, True, "JAX_PLATFORMS=cuda"),
    ],
)
def test_the_reason_is_named(variables, has_plugin, told):
    assert told in gpus.reason(variables, has_plugin)


@pytest.mark.parametrize(
    ("platform", "present", "told"), [("cpu", True, True), ("cpu", False, False), ("gpu", True, False)]
)
def test_it_is_spoken_of_where_there_is_one_that_is_not_used(platform, present, told, tmp_path, monkeypatch):
    (tmp_path / "nvidiactl").touch()
    if present:
        (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(gpus, "DRIVERS", (f"{tmp_path}/nvidia[0-9]*",))
    assert bool(gpus.unused_gpu(platform)) == told
