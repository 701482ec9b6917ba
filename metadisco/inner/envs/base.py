"""The interface of an environment: pure functions for a single environment (no batch) with auto-reset.

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
"""A pytree of arrays, defined by the environment."""


class Discrete(NamedTuple):
    """Actions 0, …, num_actions − 1, as an int32 scalar."""

    num_actions: int
    masked: bool = False
    """Whether the last `num_actions` entries of an observation say which actions are legal: 1 legal, 0 illegal."""

    def __repr__(self) -> str:
        """Return the text for messages."""
        return f"Discrete(num_actions={self.num_actions}{', masked=True' if self.masked else ''})"


class MultiDiscrete(NamedTuple):
    """Simultaneous choices, choice i one of 0, …, nums[i] − 1; an int32 vector with an entry for each choice."""

    nums: tuple[int, ...]
    """Number of actions of each choice."""
    masked: bool = False
    """Whether the last Σ nums entries of an observation say which actions of each choice are legal, choice by choice.

    If what is legal for one choice depends on another one, use a `Discrete` of all combinations instead.
    """

    def __repr__(self) -> str:
        """Return the text for messages."""
        return f"MultiDiscrete(nums={self.nums}{', masked=True' if self.masked else ''})"


class Box(NamedTuple):
    """Actions in an axis-aligned box, as a float32 vector."""

    low: np.ndarray
    high: np.ndarray


ActionSpace: TypeAlias = Discrete | MultiDiscrete | Box
Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Half-open ranges (start, stop) of indices."""


class Interface(NamedTuple):
    """Observation and action space of an environment, from which an agent is created; `Env` has the same fields."""

    obs_shape: tuple[int, ...]
    """Shape of an observation, which is float32; one axis if the action space is masked."""
    action_space: ActionSpace
    """The action space."""
    indicators: Ranges = ()
    """Entries of the flattened observation that are 0 or 1, such as one-hot codes; they are not standardised."""


class TimeStep(NamedTuple):
    """Result of one step of an environment."""

    obs: Float[Array, "..."]
    """The next observation, after auto-reset: if the episode ended, the first one of a new episode."""
    reward: Float[Array, ""]
    """Reward of the step."""
    terminated: Bool[Array, ""]
    """Whether the episode reached a terminal state, whose value is zero."""
    truncated: Bool[Array, ""]
    """Whether a time limit cut off the episode; the final state then has a value. Can be true with `terminated`."""
    final_obs: Float[Array, "..."]
    """The next observation, before auto-reset."""


class Env(NamedTuple):
    """An environment as pure functions; safe under `jit` and `vmap`."""

    reset: Callable[[Key], tuple[EnvState, Array]]
    """(key) -> (state, obs): the start of an episode."""
    step: Callable[[Key, EnvState, Array], tuple[EnvState, TimeStep]]
    """(key, state, action) -> (state, time_step); starts a new episode after one has ended."""
    obs_shape: tuple[int, ...]
    """Shape of an observation, which is float32; one axis if the action space is masked."""
    action_space: ActionSpace
    """The action space."""
    episode_length: int
    """Maximum length of an episode in steps; evaluation episodes stop there."""
    indicators: Ranges = ()
    """Entries of the flattened observation that are 0 or 1, such as one-hot codes; they are not standardised."""


def auto_reset(
    reset: Callable[[Key], tuple[EnvState, Array]],
    step: Callable[[Key, EnvState, Array], tuple[EnvState, Array, Array, Array]],
    *,
    obs_shape: tuple[int, ...],
    action_space: ActionSpace,
    episode_length: int,
    indicators: Ranges = (),
) -> Env:
    """Create an Env from plain dynamics by adding a time limit, auto-reset and the final observation.

    Every episode starts with a new call of `reset`.

    Args:
        reset: (key) -> (state, obs).
        step: (key, state, action) -> (state, obs, reward, terminated), without a time limit.
        obs_shape: shape of an observation.
        action_space: the action space.
        episode_length: time limit in steps.
        indicators: entries of the observation that are 0 or 1.
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

    return Env(timed_reset, timed_step, obs_shape, action_space, episode_length, indicators)
