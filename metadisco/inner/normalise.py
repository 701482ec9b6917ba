"""Running statistics of observations and of the discounted return, stored in the train state.

Observation statistics are fixed while a rollout is collected and learned from, so that log-probabilities are recomputed
on the same network inputs. Return statistics are updated with the whole rollout before its rewards are scaled.
Axes: T steps, N environments.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

EPSILON = 1e-8


class RunningStatistics(NamedTuple):
    """Running mean and variance, updated batch by batch (Chan, Golub and LeVeque, 1979).

    The count is a float32, so it stops growing after about 2²⁴ batches. From then on every new batch has weight 2⁻²⁴;
    an integer count would overflow.
    """

    num_samples: Float[Array, ""]
    mean: Float[Array, "..."]
    variance: Float[Array, "..."]


def init_statistics(shape: tuple[int, ...]) -> RunningStatistics:
    """Return initial statistics with mean 0 and variance 1, with which normalisation has no effect."""
    return RunningStatistics(jnp.zeros(()), jnp.zeros(shape), jnp.ones(shape))


def update_statistics(statistics: RunningStatistics, batch: Float[Array, "T N ..."]) -> RunningStatistics:
    """Update the statistics with a batch, whose first two axes are samples."""
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
    """Return rewards / std of the discounted return, clipped to ±bound; the mean is not subtracted."""
    return jnp.clip(rewards / jnp.sqrt(statistics.variance + EPSILON), -bound, bound)


def discounted_returns(
    rewards: Float[Array, "T N"],
    done: Bool[Array, "T N"],
    carry: Float[Array, "N"],
    gamma: Float[Array, ""] | float,
) -> tuple[Float[Array, "N"], Float[Array, "T N"]]:
    """Accumulate R ← γR + r forward in time, reset at the end of each episode.

    The last step belongs to the episode that it ends: rewards 1, 1, 10 | 1 with γ = 0.99 give 1, 1.99, 11.97 | 1.
    (The wrappers of Gym and PureJaxRL reset one step early and give 10 | 10.9 for the last two.)

    Args:
        rewards: raw rewards.
        done: whether the step terminated or truncated its episode.
        carry: the accumulated return before the first step.
        gamma: discount factor per step.

    Returns:
        The carry after the last step, and the accumulated return at every step.
    """

    def step(total: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        reward, ended = inputs
        total = gamma * total + reward
        return jnp.where(ended, 0.0, total), total

    return jax.lax.scan(step, carry, (rewards, done))
