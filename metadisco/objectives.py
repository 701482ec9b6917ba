"""Closed-form objectives, elementwise, built from the same parts as the learned ones.

In mirror learning (Kuba et al., "Mirror Learning", ICML 2022) a policy maximises r·A − D(r, A), where r is the
probability ratio, A the advantage and D a drift: D ≥ 0, and D = 0 with ∂D/∂r = 0 at r = 1. PPO's clipping is one.
"""

import jax
import jax.numpy as jnp
from jax import Array

from metadisco.types import Loss, Objective, Sample

MAX_LOG_RATIO = 40.0  # e⁴⁰ = 2·10¹⁷, beyond which float32 would come to inf − inf in r·A − D


def probability_ratio(sample: Sample) -> Array:
    """Return r = exp(log r), held at exp(40), so that a policy run wild gives large numbers and not NaN."""
    return jnp.exp(jnp.minimum(sample.log_ratio, MAX_LOG_RATIO))


def clip_drift(clip_eps: float) -> Loss:
    """Return PPO-clip's drift, D = relu((r − clip(r, 1 − ε, 1 + ε))·A).

    r·A − D equals min(r·A, clip(r)·A), the surrogate of Schulman et al., "Proximal Policy Optimization Algorithms"
    (2017), eq. 7; as a drift it is given by Lu et al., "Discovered Policy Optimisation" (2022).

    Args:
        clip_eps: half-width ε of the interval in which the ratio is unclipped.
    """

    def drift(sample: Sample) -> Array:
        ratio = probability_ratio(sample)
        clipped = jnp.clip(ratio, 1 - clip_eps, 1 + clip_eps)
        return jax.nn.relu((ratio - clipped) * sample.advantage)

    return drift


def mirror(drift: Loss) -> Loss:
    """Return the policy loss −(r·A − D) of a drift D, to be minimised.

    Args:
        drift: elementwise drift of a sample; may look at everything in it.
    """

    def policy_loss(sample: Sample) -> Array:
        return drift(sample) - probability_ratio(sample) * sample.advantage

    return policy_loss


def squared_error() -> Loss:
    """Return the value loss ½(V − target)²."""

    def value_loss(sample: Sample) -> Array:
        return 0.5 * jnp.square(sample.value - sample.target)

    return value_loss


def clipped_squared_error(value_clip_eps: float) -> Loss:
    """Return PPO's clipped value loss, ½ max((V − G)², (clip(V, V_old ± ε) − G)²) with target G.

    As in the reference code of PPO (openai/baselines, ppo2); it is in no paper.

    Args:
        value_clip_eps: half-width ε of the interval around the old value.
    """

    def value_loss(sample: Sample) -> Array:
        step = jnp.clip(sample.value - sample.old_value, -value_clip_eps, value_clip_eps)
        clipped = sample.old_value + step
        return 0.5 * jnp.maximum(jnp.square(sample.value - sample.target), jnp.square(clipped - sample.target))

    return value_loss


def ppo(clip_eps: float = 0.2, value_clip_eps: float | None = 0.2) -> Objective:
    """Return the objective of PPO.

    Args:
        clip_eps: clipping of the probability ratio.
        value_clip_eps: clipping of the value around the old one; None for the plain squared error.
    """
    value_loss = squared_error() if value_clip_eps is None else clipped_squared_error(value_clip_eps)
    return Objective(policy_loss=mirror(clip_drift(clip_eps)), value_loss=value_loss)


OBJECTIVES = {"ppo": ppo}
"""Closed objectives by name; their settings are in `metadisco.config.OBJECTIVE_SETTINGS`."""
