"""Running statistics of observations and of the discounted return, carried in the train state.

Those of observations are frozen while a rollout is collected and learned from, so that log-probabilities are recomputed
from what the agent acted on; those of returns take in the rollout before its rewards are scaled, once for all of it.
Axes: T steps, N environments.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

EPSILON = 1e-8


class RunningStatistics(NamedTuple):
    """Mean and variance of a stream, merged batch by batch (Chan, Golub and LeVeque, 1979).

    The count is a float32, so it stops growing after about 2²⁴ batches; from there on the newest batch keeps a
    weight of 2⁻²⁴, where an integer count would overflow.
    """

    num_samples: Float[Array, ""]
    mean: Float[Array, "..."]
    variance: Float[Array, "..."]


def init_statistics(shape: tuple[int, ...]) -> RunningStatistics:
    """Return the statistics of nothing: mean 0, variance 1, so that normalising changes nothing yet."""
    return RunningStatistics(jnp.zeros(()), jnp.zeros(shape), jnp.ones(shape))


def update_statistics(statistics: RunningStatistics, batch: Float[Array, "T N ..."]) -> RunningStatistics:
    """Merge a batch, whose first two axes are samples, into the statistics."""
    num = batch.shape[0] * batch.shape[1]
    total = statistics.num_samples + num
    weight = num / total
    delta = batch.mean((0, 1)) - statistics.mean
    spread = (1 - weight) * statistics.variance + weight * batch.var((0, 1))
    return RunningStatistics(
        num_samples=total,
        mean=statistics.mean + weight * delta,
        variance=spread + weight * (1 - weight) * jnp.square(delta),
    )


def standardise(statistics: RunningStatistics, x: Float[Array, "..."], bound: float) -> Float[Array, "..."]:
    """Return (x − mean) / std, clipped to ±bound."""
    return jnp.clip((x - statistics.mean) / jnp.sqrt(statistics.variance + EPSILON), -bound, bound)


def scale_rewards(statistics: RunningStatistics, rewards: Float[Array, "T N"], bound: float) -> Float[Array, "T N"]:
    """Return rewards / std of the discounted return, clipped to ±bound; the mean is kept."""
    return jnp.clip(rewards / jnp.sqrt(statistics.variance + EPSILON), -bound, bound)


def discounted_returns(
    rewards: Float[Array, "T N"],
    done: Bool[Array, "T N"],
    carry: Float[Array, "N"],
    gamma: Float[Array, ""] | float,
) -> tuple[Float[Array, "N"], Float[Array, "T N"]]:
    """Accumulate R ← γR + r forward in time, starting anew after an episode's end.

    The terminal step belongs to the episode that it ends: rewards 1, 1, 10 | 1 with γ = 0.99 give 1, 1.99, 11.97 | 1.
    (Gym's and PureJaxRL's wrappers reset one step early and give 10 | 10.9 for the last two.)

    Args:
        rewards: raw rewards.
        done: whether the step ended its episode, in either way.
        carry: the accumulated return before the first step.
        gamma: discount per step.

    Returns:
        The carry after the last step, and the accumulated return at every step.
    """

    def step(total: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        reward, ended = inputs
        total = gamma * total + reward
        return jnp.where(ended, 0.0, total), total

    return jax.lax.scan(step, carry, (rewards, done))
