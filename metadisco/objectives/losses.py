"""The losses of an objective as what source is written from: expressions, alone or around a network."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from metadisco.objectives.expressions import Expression, add, apply, multiply


class Network(NamedTuple):
    """A learned drift or value loss, with a network of tanh layers inside."""

    loss: Expression
    """The loss, in `network`, the network's output, and the variables that a loss without one may name (see Losses)."""
    features: tuple[Expression, ...]
    """What the network sees, in the same variables; but `log_ratio` is here as the sample has it, not held at 40."""
    layers: list[tuple[np.ndarray, np.ndarray | None]]
    """Kernel and bias of each layer, the output last."""
    bound: float | None = None
    """Of the absolute value of each feature; None for none."""
    timed: bool = False
    """Whether the network sees all features, bounded, once more, times `progress`."""


class Losses(NamedTuple):
    """Both losses of an objective."""

    policy: "Expression | Network"
    """The drift D of the policy loss −(r·A − D); an expression of `r`, `log_ratio`, `A` and `progress`.

    What takes back all of r·A, as PPO's drift where it clips, should come first in a sum: so it does to the last digit.
    """
    value: "Expression | Network"
    """An expression of `error` (V − target), `target`, `old_value`, `value` and `progress`."""


def ppo_drift(clip_eps: Expression) -> Expression:
    """Return relu((r − clip(r, 1 ± clip_eps))·A), the drift of PPO's clipped policy loss."""
    low, high = apply("subtract", 1, clip_eps), add(1, clip_eps)
    clipped = apply("minimum", apply("maximum", "r", low), high)
    return apply("relu", multiply(apply("subtract", "r", clipped), "A"))


def ppo_value_loss(value_clip_eps: float | None) -> Expression:
    """Return PPO's value loss, clipped or not, in the `value` itself too, so that no digit is lost."""
    half_square = multiply(0.5, apply("square", "error"))
    if value_clip_eps is None:
        return half_square
    move = apply("subtract", "value", "old_value")
    held = apply("minimum", apply("maximum", move, -value_clip_eps), value_clip_eps)
    clipped = apply("subtract", add("old_value", held), "target")
    return multiply(0.5, apply("maximum", apply("square", "error"), apply("square", clipped)))


def layers_of(params: Mapping[str, Any]) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Return the layers of a network of Flax from its parameters: `Dense_0`, `Dense_1` and so on, then `output`."""
    layers = [params[name] for name in sorted(params, key=_order)]
    return [(np.asarray(each["kernel"]), np.asarray(each["bias"]) if "bias" in each else None) for each in layers]


def _order(layer: str) -> tuple[bool, int]:
    return layer == "output", int(layer.rpartition("_")[2]) if layer != "output" else 0
