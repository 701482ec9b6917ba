"""Artefacts that version 1 wrote: every later version must load them, with the same outputs.

They are runs with random weights, exported once, from the root of the repository:

    PYTHONPATH=tests:tests/export python -c "
    import pathlib, exported
    for name in ('lpo_drift', 'value_loss'):
        exported.LEARNED[name] = {'name': name, 'hidden_sizes': [4]}
        exported.make_run(pathlib.Path('runs/golden') / name, name)"
    metadisco export runs/golden/lpo_drift --to artefact --output tests/export/golden/lpo_drift
    metadisco export runs/golden/value_loss --to artefact --output tests/export/golden/value_loss.zip

losses.json holds the results of `in_numpy` below for SAMPLES, which uses neither JAX nor metadisco:

    PYTHONPATH=tests:tests/export python -c "import test_golden_artefact as t; t.write_losses()"
"""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metadisco import Sample, load_objective
from metadisco.cli import main

GOLDEN = Path(__file__).parent / "golden"
PATHS = {"lpo_drift": GOLDEN / "lpo_drift", "value_loss": GOLDEN / "value_loss.zip"}
OUTPUTS = ("policy_loss", "policy_gradient", "value_loss", "value_gradient")
SAMPLES = {
    "log_ratio": (-1.7, -0.6, -0.25, -0.04, 0.0, 0.07, 0.3, 0.55, 1.4, 2.6),
    "advantage": (0.9, -1.6, 2.1, -0.3, 1.2, -2.4, 0.5, -0.8, 1.9, -0.2),
    "value": (0.4, -7.0, 3.0, 0.15, 20.0, -0.9, 1.3, -2.2, 0.05, 6.5),
    "old_value": (0.3, -6.1, 3.9, 0.2, 19.0, -1.3, 1.25, -2.9, 0.3, 6.4),
    "target": (1.2, -6.4, 2.1, -0.2, 21.5, -0.1, 1.1, -2.0, 0.6, 7.7),
    "progress": 0.4,
}
FIELDS = {name: np.asarray(values) for name, values in SAMPLES.items()}
EPSILON, VALUE_EPSILON, MARGIN = 0.2, 0.2, 1e-4  # of both runs


def files_of(name):
    """Return the files of a golden artefact."""
    path = PATHS[name]
    if path.is_dir():
        return {file.name: file.read_bytes() for file in path.iterdir()}
    with zipfile.ZipFile(path) as archive:
        return {each: archive.read(each) for each in archive.namelist()}


def layers_of(name):
    """Return the arrays of a golden artefact, in double precision."""
    with np.load(io.BytesIO(files_of(name)["arrays.npz"]), allow_pickle=False) as arrays:
        return {each: arrays[each].astype(np.float64) for each in arrays.files}


def ppo_policy_loss(log_ratio, advantage):
    ratio = np.exp(log_ratio)
    return -np.minimum(ratio * advantage, np.clip(ratio, 1 - EPSILON, 1 + EPSILON) * advantage)


def ppo_value_loss(value, old_value, target):
    near = old_value + np.clip(value - old_value, -VALUE_EPSILON, VALUE_EPSILON)
    return 0.5 * np.maximum((value - target) ** 2, (near - target) ** 2)


def lpo_policy_loss(layers, log_ratio, advantage):
    """Lu et al., "Discovered Policy Optimisation" (2022), with PPO's drift added to the network."""
    ratio = np.exp(log_ratio)
    gap = 1 - ratio
    base = [log_ratio, log_ratio**2, gap, gap**2]
    features = np.stack([*base, *(advantage * each for each in base)], -1)
    network = (np.tanh(features @ layers["Dense_0/kernel"]) @ layers["output/kernel"])[..., 0]
    start = ratio * advantage + ppo_policy_loss(log_ratio, advantage)
    return np.maximum(start + network - MARGIN, 0) - ratio * advantage


def learned_value_loss(layers, value, target):
    error = value - target
    hidden = np.tanh(error[..., None] @ layers["Dense_0/kernel"] + layers["Dense_0/bias"])
    return 0.5 * error**2 + (hidden @ layers["output/kernel"] + layers["output/bias"])[..., 0]


def slope(function, x, step=1e-6):
    return (function(x + step) - function(x - step)) / (2 * step)


def in_numpy(name):
    """Return losses and slopes of SAMPLES, by output."""
    layers = layers_of(name)
    log_ratio, advantage, value, old_value, target, _ = FIELDS.values()

    def policy_loss(x):
        return lpo_policy_loss(layers, x, advantage) if name == "lpo_drift" else ppo_policy_loss(x, advantage)

    def value_loss(x):
        return ppo_value_loss(x, old_value, target) if name == "lpo_drift" else learned_value_loss(layers, x, target)

    given = (policy_loss(log_ratio), slope(policy_loss, log_ratio), value_loss(value), slope(value_loss, value))
    return dict(zip(OUTPUTS, given, strict=True))


def write_losses():
    """Write losses.json; never again."""
    losses = {name: {output: list(map(float, x)) for output, x in in_numpy(name).items()} for name in PATHS}
    (GOLDEN / "losses.json").write_text(json.dumps(losses, indent=1) + "\n", encoding="utf-8")


def losses_and_slopes(objective, sample):
    results = []
    for loss, by in ((objective.policy_loss, "log_ratio"), (objective.value_loss, "value")):
        values, pull = jax.vjp(lambda x, loss=loss, by=by: loss(sample._replace(**{by: x})), getattr(sample, by))
        results += [values, *pull(jnp.ones_like(values))]
    return results


@pytest.fixture(params=PATHS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def objectives():
    return {name: load_objective(path) for name, path in PATHS.items()}


@pytest.fixture
def stored(name):
    return json.loads((GOLDEN / "losses.json").read_text(encoding="utf-8"))[name]


def test_stored_losses_are_those_of_the_arrays(name, stored):
    for output, values in in_numpy(name).items():
        np.testing.assert_allclose(stored[output], values, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-4), (np.float64, 1e-7)])
def test_what_is_loaded_gives_the_stored_losses(objectives, name, stored, dtype, tolerance):
    with jax.enable_x64(dtype == np.float64):
        sample = Sample(**{field: jnp.asarray(x, dtype) for field, x in FIELDS.items()})
        found = jax.jit(lambda sample: losses_and_slopes(objectives[name], sample))(sample)
        for output, values in zip(OUTPUTS, found, strict=True):
            assert values.dtype == dtype
            np.testing.assert_allclose(values, stored[output], rtol=tolerance, atol=tolerance)


def test_the_learned_part_is_not_ppo(name, stored):
    part = "policy_loss" if name == "lpo_drift" else "value_loss"
    log_ratio, advantage, value, _, target, _ = FIELDS.values()
    ppo = ppo_policy_loss(log_ratio, advantage) if part == "policy_loss" else 0.5 * (value - target) ** 2
    assert np.abs(stored[part] - ppo).max() > 0.1


def test_the_checksums_are_those_of_the_format(name):
    files = files_of(name)
    data = json.loads(files["artefact.json"])
    assert data["arrays_sha256"] == hashlib.sha256(files["arrays.npz"]).hexdigest()
    stated = data.pop("sha256")
    assert stated == hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def test_it_is_of_version_1_and_says_all_that_matters(name):
    data = json.loads(files_of(name)["artefact.json"])
    assert (data["format"], data["version"]) == ("metadisco objective", 1)
    assert data["objective"]["kind"] == "learned"
    assert data["objective"]["feature_version"] == 1
    common = {"name": name, "hidden_sizes": [4], "clip_eps": EPSILON, "output_scale": 1.0}
    own = {
        "lpo_drift": {"ppo_init": True, "margin": MARGIN, "feature_clip": None, "time_aware": False,
                      "start": "zero_output", "value_clip_eps": VALUE_EPSILON},
        "value_loss": {"inputs": ["error"], "start": "squared_error"},
    }  # fmt: skip
    assert data["objective"]["parametrisation"] == common | own[name]
    assert data["trained_on"]["envs"] == ["gymnax/CartPole-v1"]


def test_it_is_written_again_as_it_is(name, tmp_path):
    """But for the version, and the problem that was the only one in version 1."""
    path = tmp_path / "again"
    assert main(["export", str(PATHS[name]), "--to", "artefact", "--output", str(path), "--quiet"]) == 0
    before, after = files_of(name), {file.name: file.read_bytes() for file in path.iterdir()}
    old, new = (json.loads(files.pop("artefact.json")) for files in (before, after))
    assert after == before
    assert (new.pop("version"), new.pop("problem")) == (2, {"name": "objective_discovery"})
    assert old.pop("version") == 1
    assert {**new, "sha256": ""} == {**old, "sha256": ""}


@jax.custom_jvp
def rounded(x):
    """Return single precision with the ten bits of mantissa of TensorFloat-32."""
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32) + jnp.uint32(0x1000)
    return jax.lax.bitcast_convert_type(bits & jnp.uint32(0xFFFFE000), jnp.float32)


rounded.defjvp(lambda x, tangents: (rounded(*x), *tangents))


def test_it_loads_where_matrices_are_multiplied_roughly_unless_asked_otherwise(name, monkeypatch):
    """As recent GPUs do by default, on which a search may run that another machine takes up."""
    exact, calls = jax.lax.dot_general, []

    def rough(one, two, *arguments, precision=None, **options):
        if precision is None and jax.config.jax_default_matmul_precision is None:
            one, two = rounded(one), rounded(two)
        calls.append(one)
        return exact(one, two, *arguments, precision=precision, **options)

    monkeypatch.setattr(jax.lax, "dot_general", rough)
    load_objective(PATHS[name])
    assert calls
