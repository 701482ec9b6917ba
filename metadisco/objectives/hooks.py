"""The losses of an objective for a training loop of one's own, in JAX."""

from collections.abc import Callable
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from metadisco.types import Objective, Sample

Numbers: TypeAlias = Float[Array, "..."] | Float[np.ndarray, "..."]
Elementwise: TypeAlias = Callable[..., Float[Array, "..."]]


def as_policy_loss(objective: Objective) -> Elementwise:
    """Return `policy_loss(log_prob, old_log_prob, advantage, progress=0.0)`: one loss per sample, to be minimised.

    Take its mean over a minibatch. The gradient flows through `log_prob`, that of the action under the policy that is
    trained; `old_log_prob` is under the policy that chose it. `advantage` is what PPO uses, usually standardised per
    minibatch. `progress` is the elapsed fraction of the training, in [0, 1), which time-aware drifts look at.

    Args:
        objective: as from `load_objective`.
    """

    def policy_loss(
        log_prob: Numbers,
        old_log_prob: Numbers,
        advantage: Numbers,
        progress: float | Float[Array, ""] = 0.0,
    ) -> Float[Array, "..."]:
        log_ratio = log_prob - old_log_prob
        none = jnp.zeros_like(log_ratio)
        return objective.policy_loss(Sample(*map(jnp.asarray, (log_ratio, advantage, none, none, none, progress))))

    return policy_loss


def as_value_loss(objective: Objective) -> Elementwise:
    """Return `value_loss(value, old_value, target, progress=0.0)`: one loss per sample, to be minimised.

    Take its mean over a minibatch, times a value coefficient. The gradient flows through `value`. `old_value` is what
    the network gave when the transition was collected, `target` the λ-return: the advantage before it is standardised,
    plus `old_value`. Clip no value beside it; clipping, if there is any, is inside.

    Args:
        objective: as from `load_objective`.
    """

    def value_loss(
        value: Numbers,
        old_value: Numbers,
        target: Numbers,
        progress: float | Float[Array, ""] = 0.0,
    ) -> Float[Array, "..."]:
        none = jnp.zeros_like(value)
        return objective.value_loss(Sample(*map(jnp.asarray, (none, none, value, old_value, target, progress))))

    return value_loss
