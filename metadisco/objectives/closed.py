"""Closed-form objectives, elementwise, built from the same parts as the learned ones.

In mirror learning (Kuba et al., "Mirror Learning", ICML 2022) a policy maximises r·A − D(r, A), where r is the
probability ratio, A the advantage and D a drift: D ≥ 0, and D = 0 with ∂D/∂r = 0 at r = 1. PPO's clipping is one.
What does not meet these conditions is called a penalty here; it can be put in a drift's place, without the guarantees.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from metadisco.types import Loss, Objective, Sample

MAX_LOG_RATIO = 40.0  # e⁴⁰ = 2·10¹⁷, beyond which float32 would come to inf − inf in r·A − D


def probability_ratio(sample: Sample) -> Array:
    """Return r = exp(log r), held at exp(40), so that a policy run wild gives large numbers and not NaN."""
    return jnp.exp(jnp.minimum(sample.log_ratio, MAX_LOG_RATIO))


def clip_drift(clip_eps: float = 0.2) -> Loss:
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


def dpo_drift(alpha: float = 2.0, beta: float = 0.6) -> Loss:
    """Return the drift of Discovered Policy Optimisation.

    D = relu((r − 1)A − α·tanh((r − 1)A/α)) where A ≥ 0, and relu(A·log r − β·tanh(A·log r/β)) where A < 0: the closed
    form that Lu et al., "Discovered Policy Optimisation" (2022), read off the drift that evolution had found.

    Args:
        alpha: α > 0, how far the ratio may profit from a positive advantage before the surrogate levels off.
        beta: β > 0, how soon a ratio that fell at a negative advantage is pushed back up.
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


def kl_drift(coef: float = 1.0) -> Loss:
    """Return the drift D = c·((r − 1) − log r), which does not depend on A.

    Its expectation under the old policy is c·KL(π_old ‖ π_θ), the penalty of Schulman et al., "Proximal Policy
    Optimization Algorithms" (2017), eq. 8, with a constant coefficient; elementwise it is the estimator "k3" of
    Schulman, "Approximating KL Divergence" (2020).

    Args:
        coef: weight c > 0.
    """

    def drift(sample: Sample) -> Array:
        log_ratio = jnp.minimum(sample.log_ratio, MAX_LOG_RATIO)
        return coef * jax.nn.relu(jnp.expm1(log_ratio) - log_ratio)  # accurate near r = 1, where r − 1 is not

    return drift


def quadratic_drift(coef: float = 1.0) -> Loss:
    """Return the drift D = c·(r − 1)², the simplest there is; its expectation is c times Pearson's χ² divergence.

    Args:
        coef: weight c > 0.
    """

    def drift(sample: Sample) -> Array:
        return coef * jnp.square(probability_ratio(sample) - 1)

    return drift


def no_drift() -> Loss:
    """Return D = 0: the surrogate is then r·A, the importance-weighted policy gradient."""

    def drift(sample: Sample) -> Array:
        return jnp.zeros_like(sample.log_ratio)

    return drift


def total_variation_penalty(coef: float = 1.0) -> Loss:
    """Return D = c·|r − 1|, a penalty and *not* a drift: at r = 1 its slopes are ±c (JAX gets 0, in their middle).

    Its expectation under the old policy is 2c times the total variation distance.

    Args:
        coef: weight c > 0.
    """

    def penalty(sample: Sample) -> Array:
        gap = probability_ratio(sample) - 1
        return coef * gap * jnp.sign(jax.lax.stop_gradient(gap))  # JAX's own derivative of |x| is 1 at 0

    return penalty


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

    def loss(sample: Sample) -> Array:
        return 0.5 * jnp.square(sample.value - sample.target)

    return loss


def clipped_squared_error(value_clip_eps: float) -> Loss:
    """Return PPO's clipped value loss, ½ max((V − G)², (clip(V, V_old ± ε) − G)²) with target G.

    As in the reference code of PPO (openai/baselines, ppo2); it is in no paper.

    Args:
        value_clip_eps: half-width ε of the interval around the old value.
    """

    def loss(sample: Sample) -> Array:
        step = jnp.clip(sample.value - sample.old_value, -value_clip_eps, value_clip_eps)
        clipped = sample.old_value + step
        return 0.5 * jnp.maximum(jnp.square(sample.value - sample.target), jnp.square(clipped - sample.target))

    return loss


def value_loss(value_clip_eps: float | None) -> Loss:
    """Return PPO's clipped value loss, or the plain squared error where the constant is None."""
    return squared_error() if value_clip_eps is None else clipped_squared_error(value_clip_eps)


def ppo(clip_eps: float = 0.2, value_clip_eps: float | None = 0.2) -> Objective:
    """Return the objective of PPO.

    Args:
        clip_eps: clipping of the probability ratio.
        value_clip_eps: clipping of the value around the old one; None for the plain squared error.
    """
    return Objective(mirror(clip_drift(clip_eps)), value_loss(value_clip_eps))


def dpo(alpha: float = 2.0, beta: float = 0.6, value_clip_eps: float | None = 0.2) -> Objective:
    """Return the objective of Discovered Policy Optimisation (Lu et al., 2022): its drift, and PPO's value loss.

    Args:
        alpha: constant of the drift where the advantage is positive.
        beta: constant of the drift where it is negative.
        value_clip_eps: clipping of the value around the old one; None for the plain squared error.
    """
    return Objective(mirror(dpo_drift(alpha, beta)), value_loss(value_clip_eps))


DRIFTS: dict[str, Callable[..., Loss]] = {
    "ppo": clip_drift,
    "dpo": dpo_drift,
    "kl": kl_drift,
    "quadratic": quadratic_drift,
    "policy_gradient": no_drift,
}
"""Drifts by the name of the objective that they make; they meet the conditions of mirror learning."""

PENALTIES: dict[str, Callable[..., Loss]] = {"total_variation": total_variation_penalty}
"""What is subtracted like a drift without being one."""


def _objective(drift: Callable[..., Loss]) -> Callable[..., Objective]:
    """Return the function from a drift's constants to its objective, with PPO's value loss."""

    def objective(value_clip_eps: float | None = 0.2, **constants: float) -> Objective:
        return Objective(mirror(drift(**constants)), value_loss(value_clip_eps))

    return objective


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    name: _objective(drift) for name, drift in {**DRIFTS, **PENALTIES}.items()
}
"""Closed objectives by name; their settings are in `metadisco.config.OBJECTIVE_SETTINGS`."""
