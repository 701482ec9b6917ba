"""Closed-form objectives, elementwise, built from the same parts as the learned ones.

In mirror learning (Kuba et al., "Mirror Learning", ICML 2022) a policy maximises r·A − D(r, A), where r is the
probability ratio, A the advantage and D a drift: D ≥ 0, and D = 0 with ∂D/∂r = 0 at r = 1. PPO's clipping is a drift.
A function that violates these conditions is called a penalty here. It can replace a drift, without the guarantees.
"""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.types import Loss, Objective, Sample

Constant: TypeAlias = Float[Array, ""] | float
"""A constant of an objective. It may be traced, so that one compiled program serves many values."""

LOG_RATIO_CLIP = 40.0  # e⁴⁰ = 2·10¹⁷; beyond it r·A − D could become inf − inf in float32


def probability_ratio(sample: Sample) -> Array:
    """Return r = exp(log r), clipped at exp(40), so that a diverging policy gives large numbers instead of NaN."""
    return jnp.exp(jnp.minimum(sample.log_ratio, LOG_RATIO_CLIP))


def clip_drift(clip_eps: Constant = 0.2) -> Loss:
    """Return PPO-clip's drift, D = relu((r − clip(r, 1 − ε, 1 + ε))·A).

    r·A − D equals min(r·A, clip(r)·A), the surrogate of Schulman et al., "Proximal Policy Optimization Algorithms"
    (2017), eq. 7; as a drift it is given by Lu et al., "Discovered Policy Optimisation" (2022).

    Args:
        clip_eps: clipping range ε.
    """

    def drift(sample: Sample) -> Array:
        ratio = probability_ratio(sample)
        clipped = jnp.clip(ratio, 1 - clip_eps, 1 + clip_eps)
        return jax.nn.relu((ratio - clipped) * sample.advantage)

    return drift


def dpo_drift(alpha: Constant = 2.0, beta: Constant = 0.6) -> Loss:
    """Return the drift of Discovered Policy Optimisation.

    D = relu((r − 1)A − α·tanh((r − 1)A/α)) where A ≥ 0, and relu(A·log r − β·tanh(A·log r/β)) where A < 0: the closed
    form that Lu et al., "Discovered Policy Optimisation" (2022), derived from the drift found by evolution.

    Args:
        alpha: α > 0, the scale at which the surrogate saturates for positive advantages.
        beta: β > 0, the scale at which the surrogate saturates for negative advantages.
    """

    def drift(sample: Sample) -> Array:
        gain = (probability_ratio(sample) - 1) * sample.advantage
        loss = sample.log_ratio * sample.advantage
        return jnp.where(
            sample.advantage < 0,
            jax.nn.relu(loss - beta * jnp.tanh(loss / beta)),
            jax.nn.relu(gain - alpha * jnp.tanh(gain / alpha)),
        )

    return drift


def kl_drift(coef: Constant = 1.0) -> Loss:
    """Return the drift D = c·((r − 1) − log r), which does not depend on A.

    Its expectation under the old policy is c·KL(π_old ‖ π_θ), the penalty of Schulman et al., "Proximal Policy
    Optimization Algorithms" (2017), eq. 8, with a constant coefficient; elementwise it is the estimator "k3" of
    Schulman, "Approximating KL Divergence" (2020).

    Args:
        coef: coefficient c > 0.
    """

    def drift(sample: Sample) -> Array:
        log_ratio = jnp.minimum(sample.log_ratio, LOG_RATIO_CLIP)
        return coef * jax.nn.relu(jnp.expm1(log_ratio) - log_ratio)  # accurate near r = 1, where r − 1 is not

    return drift


def quadratic_drift(coef: Constant = 1.0) -> Loss:
    """Return the drift D = c·(r − 1)², whose expectation is c times Pearson's χ² divergence.

    Args:
        coef: coefficient c > 0.
    """

    def drift(sample: Sample) -> Array:
        return coef * jnp.square(probability_ratio(sample) - 1)

    return drift


def no_drift() -> Loss:
    """Return D = 0: the surrogate is then r·A, the importance-weighted policy gradient."""

    def drift(sample: Sample) -> Array:
        return jnp.zeros_like(sample.log_ratio)

    return drift


def total_variation_penalty(coef: Constant = 1.0) -> Loss:
    """Return D = c·|r − 1|, a penalty and *not* a drift: its one-sided derivatives at r = 1 are ±c (JAX returns 0).

    Its expectation under the old policy is 2c times the total variation distance.

    Args:
        coef: coefficient c > 0.
    """

    def penalty(sample: Sample) -> Array:
        gap = probability_ratio(sample) - 1
        return coef * gap * jnp.sign(jax.lax.stop_gradient(gap))  # JAX's own derivative of |x| is 1 at 0

    return penalty


def mirror(drift: Loss) -> Loss:
    """Return the policy loss −(r·A − D) of a drift D, to be minimised.

    Args:
        drift: elementwise drift of a sample; may use all of its fields.
    """

    def policy_loss(sample: Sample) -> Array:
        return drift(sample) - probability_ratio(sample) * sample.advantage

    return policy_loss


def squared_error() -> Loss:
    """Return the value loss ½(V − target)²."""

    def loss(sample: Sample) -> Array:
        return 0.5 * jnp.square(sample.value - sample.target)

    return loss


def clipped_squared_error(value_clip_eps: Constant) -> Loss:
    """Return PPO's clipped value loss, ½ max((V − G)², (clip(V, V_old ± ε) − G)²) with target G.

    It comes from the reference implementation of PPO (openai/baselines, ppo2) and is not in the paper.

    Args:
        value_clip_eps: clipping range ε around the old value.
    """

    def loss(sample: Sample) -> Array:
        step = jnp.clip(sample.value - sample.old_value, -value_clip_eps, value_clip_eps)
        clipped = sample.old_value + step
        return 0.5 * jnp.maximum(jnp.square(sample.value - sample.target), jnp.square(clipped - sample.target))

    return loss


def value_loss(value_clip_eps: Constant | None) -> Loss:
    """Return PPO's clipped value loss, or the plain squared error if `value_clip_eps` is None."""
    return squared_error() if value_clip_eps is None else clipped_squared_error(value_clip_eps)


def ppo(clip_eps: Constant = 0.2, value_clip_eps: Constant | None = 0.2) -> Objective:
    """Return the objective of PPO.

    Args:
        clip_eps: clipping range of the probability ratio.
        value_clip_eps: clipping range of the value around the old value; None for the plain squared error.
    """
    return Objective(mirror(clip_drift(clip_eps)), value_loss(value_clip_eps))


def dpo(alpha: Constant = 2.0, beta: Constant = 0.6, value_clip_eps: Constant | None = 0.2) -> Objective:
    """Return the objective of Discovered Policy Optimisation (Lu et al., 2022): its drift, and PPO's value loss.

    Args:
        alpha: constant of the drift for positive advantages.
        beta: constant of the drift for negative advantages.
        value_clip_eps: clipping range of the value around the old value; None for the plain squared error.
    """
    return Objective(mirror(dpo_drift(alpha, beta)), value_loss(value_clip_eps))


DRIFTS: dict[str, Callable[..., Loss]] = {
    "ppo": clip_drift,
    "dpo": dpo_drift,
    "kl": kl_drift,
    "quadratic": quadratic_drift,
    "policy_gradient": no_drift,
}
"""Drifts by the names of their objectives; all of them satisfy the conditions of mirror learning."""

PENALTIES: dict[str, Callable[..., Loss]] = {"total_variation": total_variation_penalty}
"""Penalties by the names of their objectives; these are not drifts."""


def _objective(drift: Callable[..., Loss]) -> Callable[..., Objective]:
    """Return a function that maps the constants of a drift to its objective with PPO's value loss."""

    def objective(value_clip_eps: Constant | None = 0.2, **constants: Constant) -> Objective:
        return Objective(mirror(drift(**constants)), value_loss(value_clip_eps))

    return objective


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    name: _objective(drift) for name, drift in {**DRIFTS, **PENALTIES}.items()
}
"""Closed-form objectives by name; their settings are in `metadisco.config.OBJECTIVE_SETTINGS`."""
