"""Probe environments: so small that the solution that PPO must learn is known in closed form.

Each adds one difficulty to the one before, so that the first failure tells where to look (the ladder of Andy Jones,
"Debugging Reinforcement Learning Systems", 2021).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco.inner.envs import Box, Discrete, Env, auto_reset

ONE_STEP = 8  # a time limit that one-step episodes never reach
TARGET_ACTION = 0.5  # where the reward of the continuous probe is highest
NO_ACTIONS = Discrete(2)  # the value probes ignore actions
END = jnp.ones((), bool)


def constant_reward() -> Env:
    """One step with constant reward 1: V = 1. Tests the value loss and the optimiser."""
    obs = jnp.ones(1)

    def reset(key: Array) -> tuple[Array, Array]:
        return obs, obs

    def step(key: Array, state: Array, action: Array) -> tuple[Array, Array, Array, Array]:
        return state, obs, jnp.ones(()), END

    return auto_reset(reset, step, obs_shape=(1,), action_space=NO_ACTIONS, episode_length=ONE_STEP)


def observed_reward() -> Env:
    """One step, the reward is the observation, ±1: V(obs) = obs. Tests that the value network sees the observation."""

    def step(key: Array, state: Array, action: Array) -> tuple[Array, Array, Array, Array]:
        return state, state, state[0], END

    return auto_reset(_random_sign, step, obs_shape=(1,), action_space=NO_ACTIONS, episode_length=ONE_STEP)


def delayed_reward() -> Env:
    """Two steps, observations 0 then 1, reward 1 at the end: V(0) = γ, V(1) = 1. Tests discounting."""

    def reset(key: Array) -> tuple[Array, Array]:
        return jnp.zeros(1), jnp.zeros(1)

    def step(key: Array, state: Array, action: Array) -> tuple[Array, Array, Array, Array]:
        return state + 1, state + 1, state[0], state[0] > 0

    return auto_reset(reset, step, obs_shape=(1,), action_space=NO_ACTIONS, episode_length=ONE_STEP)


def rewarded_action() -> Env:
    """One step, reward 1 for action 1 and −1 for action 0. Tests the sign of the policy gradient."""
    obs = jnp.ones(1)

    def reset(key: Array) -> tuple[Array, Array]:
        return obs, obs

    def step(key: Array, state: Array, action: Array) -> tuple[Array, Array, Array, Array]:
        return state, obs, _sign(action), END

    return auto_reset(reset, step, obs_shape=(1,), action_space=Discrete(2), episode_length=ONE_STEP)


def matching_action() -> Env:
    """One step, reward 1 if the action (0, 1) matches the observation (−1, 1), else −1. Tests the policy network."""

    def step(key: Array, state: Array, action: Array) -> tuple[Array, Array, Array, Array]:
        return state, state, state[0] * _sign(action), END

    return auto_reset(_random_sign, step, obs_shape=(1,), action_space=Discrete(2), episode_length=ONE_STEP)


def target_action() -> Env:
    """One step, reward −(action − ½)² in the box [−1, 2]. Tests continuous policies."""
    obs = jnp.ones(1)

    def reset(key: Array) -> tuple[Array, Array]:
        return obs, obs

    def step(key: Array, state: Array, action: Array) -> tuple[Array, Array, Array, Array]:
        return state, obs, -jnp.square(action[0] - TARGET_ACTION), END

    box = Box(np.full(1, -1, np.float32), np.full(1, 2, np.float32))
    return auto_reset(reset, step, obs_shape=(1,), action_space=box, episode_length=ONE_STEP)


def time_limit() -> Env:
    """Never ends by itself; observation −1 at the start (reward 0), 1 for ever after (reward 1); cut after two steps.

    V(1) = 1/(1 − γ) and V(−1) = γ/(1 − γ). With truncation taken for termination they are 1 and γ; with a bootstrap
    from the first observation of the next episode V(1) would be 1/(1 − γ²).
    """

    def reset(key: Array) -> tuple[Array, Array]:
        return -jnp.ones(1), -jnp.ones(1)

    def step(key: Array, state: Array, action: Array) -> tuple[Array, Array, Array, Array]:
        return jnp.ones(1), jnp.ones(1), jnp.maximum(state[0], 0.0), ~END

    return auto_reset(reset, step, obs_shape=(1,), action_space=NO_ACTIONS, episode_length=2)


def one_of(index: Array, envs: Sequence[Env]) -> Env:
    """The environment number `index`, which may be traced, so that one compiled program trains on any of them."""
    return envs[0]._replace(
        reset=lambda key: jax.lax.switch(index, [env.reset for env in envs], key),
        step=lambda key, state, action: jax.lax.switch(index, [env.step for env in envs], key, state, action),
        episode_length=max(env.episode_length for env in envs),
    )


def _sign(action: Array) -> Array:
    return 2 * action.astype(jnp.float32) - 1


def _random_sign(key: Array) -> tuple[Array, Array]:
    obs = jax.random.rademacher(key, (1,), jnp.float32)
    return obs, obs
