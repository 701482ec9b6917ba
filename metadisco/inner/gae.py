"""Generalised advantage estimation. Axes: T steps, N environments."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float


def gae(
    rewards: Float[Array, "T N"],
    values: Float[Array, "T N"],
    next_values: Float[Array, "T N"],
    terminated: Bool[Array, "T N"],
    truncated: Bool[Array, "T N"],
    gamma: Float[Array, ""] | float,
    gae_lambda: Float[Array, ""] | float,
) -> Float[Array, "T N"]:
    """Return the advantages of Schulman et al., "High-Dimensional Continuous Control Using GAE" (2016), eq. 16.

    δ_t = r_t + γ·(1 − terminated_t)·V(s'_t) − V(s_t) and A_t = δ_t + γλ·(1 − done_t)·A_{t+1}, where s'_t is the next
    state before any reset, and done = terminated or truncated. Only termination disables bootstrapping, also where an
    episode is both terminated and truncated; either of them stops the recursion. PureJaxRL and CleanRL treat truncation
    as termination.

    Args:
        rewards: rewards of the steps.
        values: V(s_t).
        next_values: V(s'_t), of the observation before auto-reset.
        terminated: whether the step ended its episode in a terminal state.
        truncated: whether the episode was cut off by a time limit.
        gamma: discount factor per step.
        gae_lambda: λ.

    Returns:
        Advantages; the λ-returns are these plus `values`.
    """
    deltas = rewards + gamma * jnp.where(terminated, 0.0, next_values) - values
    decay = gamma * gae_lambda * jnp.where(terminated | truncated, 0.0, 1.0)

    def step(later: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        delta, kept = inputs
        advantage = delta + kept * later
        return advantage, advantage

    _, advantages = jax.lax.scan(step, jnp.zeros_like(deltas[0]), (deltas, decay), reverse=True)
    return advantages
