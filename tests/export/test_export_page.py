"""The lines that the page on export shows for using an exported loss are run."""

import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from exported import make_run

import metadisco
from metadisco.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how_to" / "export.md").read_text().partition("## Check the result\n")[0]
BLOCKS = dict(
    zip(
        ("torch", "sb3", "jax", "python", "numpy"),
        re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S),
        strict=True,
    )
)
SIZE = 6
COEFFICIENTS = {"value_coef": 0.5, "entropy_coef": 0.01}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Work in a folder with the run of a learned drift, and modules of its own."""
    make_run(tmp_path / "runs" / "first", "lpo_from_ppo")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(ROOT / "examples"), *sys.path])
    yield tmp_path
    for name in ("discovered", "stable_baselines3_ppo"):
        sys.modules.pop(name, None)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    names = ("log_prob", "old_log_prob", "advantage", "value", "old_value", "target")
    fields = {name: rng.normal(0, 0.3, SIZE).astype(np.float32) for name in names}
    return fields | {"entropy": np.float32(0.7)}


@pytest.fixture
def expected(home, arrays):
    """Return the loss that the original gives, and its slopes."""
    objective = metadisco.load_objective("runs/first")
    policy_loss, value_loss = metadisco.as_policy_loss(objective), metadisco.as_value_loss(objective)

    def loss(log_prob, value):
        policy = policy_loss(log_prob, arrays["old_log_prob"], arrays["advantage"])
        return (policy + 0.5 * value_loss(value, arrays["old_value"], arrays["target"])).mean() - 0.01 * arrays[
            "entropy"
        ]

    return jax.value_and_grad(loss, (0, 1))(jnp.asarray(arrays["log_prob"]), jnp.asarray(arrays["value"]))


def export(language):
    words = ["export", "runs/first", "--to", language, "--output", "discovered.py", "--quiet"]
    assert main(words) == 0


def run(name, **given):
    assert len(BLOCKS[name].replace("\n\n", "\n").splitlines()) <= 6
    namespace = {**COEFFICIENTS, **given}
    exec(BLOCKS[name], namespace)
    return namespace


def test_a_jax_loop(arrays, expected):
    export("jax")
    loss = run("jax")["loss"]
    given = {name: jnp.asarray(x) for name, x in arrays.items()}
    value, slopes = jax.value_and_grad(
        lambda log_prob, value: loss(**{**given, "log_prob": log_prob, "value": value}), (0, 1)
    )(given["log_prob"], given["value"])
    np.testing.assert_allclose(value, expected[0], rtol=1e-5)
    for ours, theirs in zip(slopes, expected[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_a_loop_that_loads_the_objective(arrays, expected):
    given = {name: jnp.asarray(x) for name, x in arrays.items()}
    np.testing.assert_allclose(run("python", metadisco=metadisco, **given)["loss"], expected[0], rtol=1e-5)


def test_a_loop_in_numpy(arrays, expected):
    export("numpy")
    found = run("numpy", **arrays)
    for name, slope, coefficient in (("log_prob", expected[1][0], 1), ("value", expected[1][1], 0.5)):
        np.testing.assert_allclose(coefficient * found[f"gradient_of_{name}"] / SIZE, slope, rtol=1e-4, atol=1e-7)


@pytest.mark.export
def test_a_pytorch_loop(arrays, expected):
    torch = pytest.importorskip("torch")
    export("torch")
    given = {name: torch.tensor(x, requires_grad=name in ("log_prob", "value")) for name, x in arrays.items()}
    loss = run("torch", **given)["loss"]
    np.testing.assert_allclose(loss.item(), expected[0], rtol=1e-5)
    loss.backward()
    for name, slope in zip(("log_prob", "value"), expected[1], strict=True):
        np.testing.assert_allclose(given[name].grad, slope, rtol=1e-5, atol=1e-7)


@pytest.mark.export
@pytest.mark.filterwarnings("default")
def test_stable_baselines3(home, monkeypatch):
    pytest.importorskip("stable_baselines3")
    export("torch")
    assert "100_000" in BLOCKS["sb3"]
    monkeypatch.setitem(BLOCKS, "sb3", BLOCKS["sb3"].replace("100_000", "2048"))
    assert run("sb3")["agent"].num_timesteps == 2048
