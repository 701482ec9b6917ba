"""The losses of an objective in symbolic form, for exporting source: expressions, possibly with a network inside."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from metadisco.objectives.expressions import Expression, add, apply, multiply


class Network(NamedTuple):
    """A learned drift or value loss that contains a tanh network."""

    loss: Expression
    """The loss as an expression of `network`, the network's output, and the variables listed in `Losses`."""
    features: tuple[Expression, ...]
    """Inputs of the network, in the same variables; but here `log_ratio` is not clipped."""
    layers: list[tuple[np.ndarray, np.ndarray | None]]
    """Kernel and bias of each layer, the output layer last."""
    bound: float | None = None
    """Each feature is clipped to ± this value; None for no clipping."""
    timed: bool = False
    """Whether the network also receives all features, after clipping, times `progress`."""


class Losses(NamedTuple):
    """Both losses of an objective."""

    policy: "Expression | Network"
    """The drift D of the policy loss −(r·A − D); an expression of `r`, `log_ratio`, `A` and `progress`.

    A term that cancels r·A, such as PPO's drift where it clips, should come first in a sum, so that it cancels exactly.
    """
    value: "Expression | Network"
    """An expression of `error` (V − target), `target`, `old_value`, `value` and `progress`."""


def ppo_drift(clip_eps: Expression) -> Expression:
    """Return relu((r − clip(r, 1 ± clip_eps))·A), the drift of PPO's clipped policy loss."""
    low, high = apply("subtract", 1, clip_eps), add(1, clip_eps)
    clipped = apply("minimum", apply("maximum", "r", low), high)
    return apply("relu", multiply(apply("subtract", "r", clipped), "A"))


def ppo_value_loss(value_clip_eps: float | None) -> Expression:
    """Return PPO's value loss, clipped or not; the clipped one also uses `value`, to avoid cancellation errors."""
    half_square = multiply(0.5, apply("square", "error"))
    if value_clip_eps is None:
        return half_square
    change = apply("subtract", "value", "old_value")
    clipped_change = apply("minimum", apply("maximum", change, -value_clip_eps), value_clip_eps)
    clipped_error = apply("subtract", add("old_value", clipped_change), "target")
    return multiply(0.5, apply("maximum", apply("square", "error"), apply("square", clipped_error)))


def layers_of(params: Mapping[str, Any]) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Return the layers of a Flax network from its parameters: `Dense_0`, `Dense_1` and so on, then `output`."""
    layers = [params[name] for name in sorted(params, key=_order)]
    return [(np.asarray(each["kernel"]), np.asarray(each["bias"]) if "bias" in each else None) for each in layers]


def _order(layer: str) -> tuple[bool, int]:
    return layer == "output", int(layer.rpartition("_")[2]) if layer != "output" else 0
