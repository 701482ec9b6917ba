"""The losses of an objective for your own training loop in JAX."""

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

    Minimise its mean over a minibatch. `log_prob` is the log-probability of the action under the current policy, and is
    differentiated; `old_log_prob` is that under the policy that collected the data. `advantage` is the advantage as in
    PPO, usually standardised per minibatch. `progress` is the elapsed fraction of training, in [0, 1), for time-aware
    drifts.

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
        zero = jnp.zeros_like(log_ratio)
        return objective.policy_loss(Sample(*map(jnp.asarray, (log_ratio, advantage, zero, zero, zero, progress))))

    return policy_loss


def as_value_loss(objective: Objective) -> Elementwise:
    """Return `value_loss(value, old_value, target, progress=0.0)`: one loss per sample, to be minimised.

    Minimise its mean over a minibatch, times a value coefficient. `value` is differentiated. `old_value` is the value
    predicted when the transition was collected, `target` the λ-return: the unstandardised advantage plus `old_value`.
    Do not clip values yourself; the loss includes any clipping.

    Args:
        objective: as from `load_objective`.
    """

    def value_loss(
        value: Numbers,
        old_value: Numbers,
        target: Numbers,
        progress: float | Float[Array, ""] = 0.0,
    ) -> Float[Array, "..."]:
        zero = jnp.zeros_like(value)
        return objective.value_loss(Sample(*map(jnp.asarray, (zero, zero, value, old_value, target, progress))))

    return value_loss
