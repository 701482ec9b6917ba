"""The contract of an environment: pure functions of one environment, no batch, auto-reset inside.

A wrapper is a function from Env to Env.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from metadisco.types import Key

EnvState: TypeAlias = Any
"""A pytree of arrays, whatever the environment needs."""


class Discrete(NamedTuple):
    """Actions 0, …, num_actions − 1, as an int32 scalar."""

    num_actions: int


class Box(NamedTuple):
    """Actions in an axis-aligned box, as a float32 vector."""

    low: np.ndarray
    high: np.ndarray


class Interface(NamedTuple):
    """What an agent must know of an environment; an `Env` has the same two fields."""

    obs_shape: tuple[int, ...]
    """Shape of an observation, which is float32."""
    action_space: Discrete | Box
    """What actions there are."""


class TimeStep(NamedTuple):
    """What one step of an environment gives."""

    obs: Float[Array, "..."]
    """Observation to act on next: the first of a new episode where the old one ended."""
    reward: Float[Array, ""]
    """Reward of the step."""
    terminated: Bool[Array, ""]
    """The episode ended for a reason of its own; the value beyond is zero."""
    truncated: Bool[Array, ""]
    """The episode was cut by a time limit; the value beyond is not zero. May be true together with `terminated`."""
    final_obs: Float[Array, "..."]
    """The observation before auto-reset: what the step really led to."""


class Env(NamedTuple):
    """An environment as pure functions; safe under `jit` and `vmap`."""

    reset: Callable[[Key], tuple[EnvState, Array]]
    """(key) -> (state, obs): the start of an episode."""
    step: Callable[[Key, EnvState, Array], tuple[EnvState, TimeStep]]
    """(key, state, action) -> (state, time_step); starts a new episode where one ended."""
    obs_shape: tuple[int, ...]
    """Shape of an observation, which is float32."""
    action_space: Discrete | Box
    """What actions there are."""
    episode_length: int
    """Steps after which an episode has ended at the latest; evaluation stops there."""


def auto_reset(
    reset: Callable[[Key], tuple[EnvState, Array]],
    step: Callable[[Key, EnvState, Array], tuple[EnvState, Array, Array, Array]],
    *,
    obs_shape: tuple[int, ...],
    action_space: Discrete | Box,
    episode_length: int,
) -> Env:
    """Make an Env of plain dynamics: adds the time limit, the auto-reset and the final observation.

    Every episode starts from a fresh call of `reset`.

    Args:
        reset: (key) -> (state, obs).
        step: (key, state, action) -> (state, obs, reward, terminated), which knows of no time limit.
        obs_shape: shape of an observation.
        action_space: what actions there are.
        episode_length: time limit in steps.
    """

    def timed_reset(key: Key) -> tuple[EnvState, Array]:
        state, obs = reset(key)
        return (state, jnp.zeros((), jnp.int32)), obs

    def timed_step(key: Key, timed_state: EnvState, action: Array) -> tuple[EnvState, TimeStep]:
        key_step, key_reset = jax.random.split(key)
        state, obs, reward, terminated = step(key_step, timed_state[0], action)
        time: Int[Array, ""] = timed_state[1] + 1
        truncated = time >= episode_length
        fresh = timed_reset(key_reset)
        done = terminated | truncated
        next_state, next_obs = jax.tree.map(lambda new, old: jnp.where(done, new, old), fresh, ((state, time), obs))
        return next_state, TimeStep(
            obs=next_obs, reward=reward, terminated=terminated, truncated=truncated, final_obs=obs
        )

    return Env(timed_reset, timed_step, obs_shape, action_space, episode_length)
