"""Objectives that are exported, the files that come of it, and how far they are from the original."""

import importlib.util
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metadisco import Sample
from metadisco.cli import main
from metadisco.config import parse_config
from metadisco.export.arrays import to_arrays
from metadisco.parametrisations import make_parametrisation
from metadisco.runs import RunDirectory
from metadisco.types import Objective

LEARNED: dict[str, dict[str, Any]] = {
    "value_loss": {"name": "value_loss", "hidden_sizes": [8, 8], "start": "random"},
    "value_loss_of_all_inputs": {
        "name": "value_loss", "hidden_sizes": [8], "inputs": ["old_value", "error", "target"], "output_scale": 0.5,
    },
    "lpo": {"name": "lpo_drift", "hidden_sizes": [16], "start": "random", "ppo_init": False},
    "lpo_from_ppo": {"name": "lpo_drift", "hidden_sizes": [8, 8], "start": "random", "clip_eps": 0.3},
    "time_aware_lpo": {
        "name": "lpo_drift", "hidden_sizes": [8], "start": "random", "time_aware": True, "feature_clip": 3.0,
    },
    "both": {
        "name": "policy_and_value",
        "policy": {"hidden_sizes": [8], "start": "random", "output_scale": 0.5},
        "value": {"hidden_sizes": [8]},
    },
}  # fmt: skip
CLOSED = ("ppo", "dpo", "kl", "quadratic", "total_variation", "policy_gradient")


def make_run(path: Path, name: str) -> str:
    """Make the run of a learned objective whose weights are all random."""
    section = LEARNED[name]
    run = RunDirectory(path)
    run.create(parse_config({"parametrisation": section}))
    params = make_parametrisation(section).init(jax.random.key(0))
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noisy = [leaf + 0.3 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    run.write_centre(7, to_arrays(jax.tree.unflatten(tree, noisy)))
    return str(run.path)


def exported(name: str, language: str, path: Path) -> Any:
    """Export an objective and return the module."""
    assert main(["export", name, "--to", language, "--output", str(path), "--quiet"]) == 0
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def samples(dtype: Any) -> dict[str, np.ndarray]:
    """Return a grid, random samples, and extreme ones."""
    rng = np.random.default_rng(0)
    ratio, advantage = (x.ravel() for x in np.meshgrid(np.linspace(-1.5, 1.5, 60), np.linspace(-4, 4, 41)))
    extreme = (0.0, 1e-6, -1e-6, 5.0, -5.0, 20.0, -20.0, 39.0, 41.0, -41.0, 90.0, -90.0, 1e4, -1e4)
    wild, strong = (x.ravel() for x in np.meshgrid(extreme, (-30.0, -1.1, -1e-3, 0.0, 1e-3, 1.1, 30.0)))
    log_ratio = np.concatenate([ratio, rng.normal(0, 0.3, 3000), wild])
    size = len(log_ratio)
    value, old_value, target = (scale * rng.normal(size=(size, 1))[:, 0] for scale in (5.0, 5.0, 5.0))
    near = rng.random(size) < 0.5
    old_value = np.where(near, value + 0.3 * rng.normal(size=size), old_value)
    scale = np.where(np.arange(size) % 17 == 0, 1e4, 1.0)
    fields = {
        "log_ratio": log_ratio,
        "advantage": np.concatenate([advantage, rng.normal(0, 1, 3000), strong]),
        "value": scale * value,
        "old_value": scale * old_value,
        "target": scale * target,
        "progress": np.asarray(0.37),
    }
    return {name: np.asarray(x, dtype) for name, x in fields.items()}


def original(objective: Objective, fields: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return policy loss, its derivative by log ratio, value loss, its derivative by value."""
    with jax.enable_x64(fields["value"].dtype == np.float64):
        sample = Sample(**{name: jnp.asarray(x) for name, x in fields.items()})
        results = []
        for loss, by in ((objective.policy_loss, "log_ratio"), (objective.value_loss, "value")):
            values, pull = jax.vjp(lambda x, loss=loss, by=by: loss(sample._replace(**{by: x})), getattr(sample, by))
            results += [values, *pull(jnp.ones_like(values))]
        return [np.asarray(x) for x in results]


def near_kink(objective: Objective, fields: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return for each result of `original` whether it is within 1e-5 of a kink: where the slope jumps nearby."""
    flags = []
    for by, first in (("log_ratio", 0), ("value", 2)):
        reach = 1e-5 * np.maximum(1, np.abs(fields[by].astype(np.float64)))
        sides = []
        for direction in (-1, 1):
            moved = {name: x.astype(np.float64) for name, x in fields.items()}
            moved[by] = moved[by] + direction * reach
            sides.append(original(objective, moved)[first + 1])
        jump = np.abs(sides[0] - sides[1])
        flags += [jump > 1e-3 * np.maximum(1, np.abs(sides[0]))] * 2
    return flags


def assert_equal(
    found: list[np.ndarray], objective: Objective, fields: dict[str, np.ndarray], tolerance: float
) -> None:
    """Compare values and slopes: equal patterns of NaN and infinity, and close where there is no kink.

    Close means to the original in the same precision, or in double precision where the original itself rounds badly.
    """
    expected, kinks = original(objective, fields), near_kink(objective, fields)
    exact = original(objective, {name: x.astype(np.float64) for name, x in fields.items()})
    for ours, theirs, truth, kink in zip(found, expected, exact, kinks, strict=True):
        assert ours.dtype == theirs.dtype
        assert kink.mean() < 0.01
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
        np.testing.assert_array_equal(np.isinf(ours), np.isinf(theirs))
        compared = ~kink & np.isfinite(theirs)
        error = np.minimum(*(relative_error(ours, each)[compared] for each in (theirs, truth)))
        assert error.max() <= tolerance


def relative_error(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the error relative to what is expected, or to 1 where that is less."""
    return np.abs(found - expected) / np.maximum(1, np.abs(expected))
