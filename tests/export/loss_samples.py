"""Samples of all fields at which losses are compared, in segments. Axes: N samples."""

import functools
import itertools
from typing import Any

import numpy as np

FIELDS = ("log_ratio", "advantage", "value", "old_value", "target")
EXTREMES = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-30, -1e-30, 1e30, -1e30, 3e38, -3e38, 1.0, -1.0)


def samples(dtype: Any) -> dict[str, np.ndarray]:
    """Return all segments, one after the other."""
    segments = _segments().values()
    with np.errstate(over="ignore"):
        fields = {name: np.concatenate([each[name] for each in segments]).astype(dtype) for name in FIELDS}
    return {**fields, "progress": np.asarray(0.37, dtype)}


def rows(segment: str) -> slice:
    """Return where a segment is."""
    sizes = {name: len(each["value"]) for name, each in _segments().items()}
    start = sum(size for name, size in sizes.items() if list(sizes).index(name) < list(sizes).index(segment))
    return slice(start, start + sizes[segment])


@functools.cache
def _segments() -> dict[str, dict[str, np.ndarray]]:
    return {"ordinary": _ordinary(), "nan": _nan(), "atoms": _atoms(), "extremes": _extremes()}


def _ordinary() -> dict[str, np.ndarray]:
    """Return a grid, random samples, and large ones."""
    rng = np.random.default_rng(0)
    ratio, advantage = (x.ravel() for x in np.meshgrid(np.linspace(-1.5, 1.5, 60), np.linspace(-4, 4, 41)))
    extreme = (0.0, 1e-6, -1e-6, 5.0, -5.0, 20.0, -20.0, 39.0, 41.0, -41.0, 90.0, -90.0, 1e4, -1e4)
    extreme_ratios, strong = (x.ravel() for x in np.meshgrid(extreme, (-30.0, -1.1, -1e-3, 0.0, 1e-3, 1.1, 30.0)))
    log_ratio = np.concatenate([ratio, rng.normal(0, 0.3, 3000), extreme_ratios])
    size = len(log_ratio)
    value, old_value, target = 5.0 * rng.normal(size=(3, size))
    near = rng.random(size) < 0.5
    old_value = np.where(near, value + 0.3 * rng.normal(size=size), old_value)
    scale = np.where(np.arange(size) % 17 == 0, 1e4, 1.0)
    return {
        "log_ratio": log_ratio,
        "advantage": np.concatenate([advantage, rng.normal(0, 1, 3000), strong]),
        "value": scale * value,
        "old_value": scale * old_value,
        "target": scale * target,
    }


def _nan() -> dict[str, np.ndarray]:
    """Return samples of which one field is NaN, each field in its turn."""
    fields = dict(zip(FIELDS, np.random.default_rng(1).normal(size=(len(FIELDS), 200)), strict=True))
    for turn, field in enumerate(fields.values()):
        field[turn :: len(FIELDS)] = np.nan
    return fields


def _atoms() -> dict[str, np.ndarray]:
    """Return samples at r = 1 where the value is the old one, the target, or both, as PPO's first update meets them."""
    fields = dict(zip(FIELDS, np.random.default_rng(2).normal(size=(len(FIELDS), 200)), strict=True))
    case, value = np.arange(200) % 3, fields["value"].astype(np.float32).astype(float)
    fields |= {
        "log_ratio": np.where(case == 0, -0.0, 0.0),
        "value": value,
        "old_value": np.where(case == 1, fields["old_value"], value),
        "target": np.where(case == 0, fields["target"], value),
    }
    fields["advantage"][:6] = 0.0
    return fields


def _extremes() -> dict[str, np.ndarray]:
    """Return all combinations of extreme inputs."""
    values = np.array(list(itertools.product(EXTREMES, repeat=3)))
    policies = np.resize(np.array(list(itertools.product(EXTREMES, repeat=2))), (len(values), 2))
    return dict(zip(FIELDS, [*policies.T, *values.T], strict=True))
