"""Ranges from which each inner training draws settings of PPO: the section `inner.randomise`."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from metadisco.errors import nearest, shown

from .fields import MAX_FLOAT

LIMITS: dict[str, tuple[float, float]] = {
    "learning_rate": (0.0, MAX_FLOAT),
    "gamma": (0.0, 1.0),
    "gae_lambda": (0.0, 1.0),
    "value_coef": (0.0, MAX_FLOAT),
    "entropy_coef": (-MAX_FLOAT, MAX_FLOAT),
    "max_grad_norm": (0.0, MAX_FLOAT),
}
"""Settings that may be drawn, those of `Hyperparameters`, with the limits that they have in `PPOConfig`."""
SCALES = ("linear", "log")


class Range(NamedTuple):
    """The range from which a setting is drawn."""

    name: str
    """The setting of PPO."""
    low: float
    high: float
    log: bool
    """Whether its logarithm is uniform, instead of the setting itself."""


def ranges_of(randomise: Mapping[str, Any]) -> tuple[Range, ...]:
    """Return the ranges of a section `randomise`, in a fixed order; a setting that is null is not drawn.

    Args:
        randomise: such as `{learning_rate: {log: [2.5e-4, 1e-2]}, gamma: {linear: [0.95, 0.999]}}`.

    Raises:
        ValueError: in one sentence, for a setting that cannot be drawn or a range that is none.
    """
    for name in randomise:
        if name not in LIMITS:
            raise ValueError(
                f"randomise.{name}: cannot be drawn{nearest(name, LIMITS)}; allowed: {', '.join(LIMITS)}, as other "
                "settings change the compiled program"
            )
    return tuple(_range(name, randomise[name]) for name in LIMITS if randomise.get(name) is not None)


def _range(name: str, given: Any) -> Range:
    """Return the range of one setting."""
    where = f"randomise.{name}"
    if not isinstance(given, Mapping) or len(given) != 1 or next(iter(given)) not in SCALES:
        raise ValueError(f"{where}: got {shown(given)}, allowed: {{linear: [LOW, HIGH]}} or {{log: [LOW, HIGH]}}")
    scale, ends = next(iter(given.items()))
    where = f"{where}.{scale}"
    if not isinstance(ends, list | tuple) or len(ends) != 2 or not all(type(end) in (int, float) for end in ends):
        raise ValueError(f"{where}: got {shown(ends)}, allowed: two numbers, [LOW, HIGH]")
    low, high = map(float, ends)
    if not low < high:
        raise ValueError(f"{where}: got {shown(ends)}, allowed: two increasing numbers")
    if scale == "log" and low <= 0:
        raise ValueError(f"{where}: got {shown(ends)}, allowed: numbers above 0, as their logarithm is drawn")
    least, greatest = LIMITS[name]
    if not (least <= low and high <= greatest) or (name == "max_grad_norm" and low <= 0):
        above = "above" if name == "max_grad_norm" else "from"
        raise ValueError(f"{where}: got {shown(ends)}, allowed: numbers {above} {least:g} to {greatest:g}")
    return Range(name, low, high, scale == "log")
