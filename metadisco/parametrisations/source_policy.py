"""A meta-policy in the form from which source is written, returned by a parametrisation's `source_policy`.

Axes: F features, H width of a memory, N states of a policy.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float


class Unit(NamedTuple):
    """A gated recurrent unit; the formula is at `recurrent_policy.gated`."""

    input: Float[np.ndarray, "F 3*H"]
    """Weights of the features, for reset, update and candidate."""
    memory: Float[np.ndarray, "H 3*H"]
    """Those of the memory."""
    bias: Float[np.ndarray, "3*H"]


class SourcePolicy(NamedTuple):
    """logits = scale · network(features), or with a unit scale · network(memory), after the features updated it.

    Features are 2p − 1 of the meta-state if `sees_policies`, and then t / time_scale if there is one, t being the
    number of decisions so far. A policy without features has one layer, whose kernel has no rows.
    """

    layers: Sequence[tuple[np.ndarray, np.ndarray]]
    """Kernel [in, out] and bias [out] of each layer; tanh after all but the last."""
    scale: float = 1.0
    """Factor from the output of the network to logits."""
    sees_policies: bool = True
    """Whether the meta-state is among the features."""
    time_scale: float | None = None
    """Divisor of the time; None where time is not a feature."""
    unit: Unit | None = None
    """Below the network; only where time is not a feature."""

    def num_features(self, num_states: int) -> int:
        """Return how many numbers it sees in a game with so many states."""
        return 2 * num_states * self.sees_policies + (self.time_scale is not None)


def layers_of(params: Mapping[str, Any]) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return the layers of a Flax network: `Dense_0`, `Dense_1` and so on, and `output`."""
    names = [*(f"Dense_{number}" for number in range(len(params) - 1)), "output"]
    return tuple((np.asarray(params[name]["kernel"]), np.asarray(params[name]["bias"])) for name in names)
