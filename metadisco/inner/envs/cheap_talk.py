"""A message beside the observation: an environment that tells its learner something, and changes nothing else.

Lu, Willi, Letcher, Foerster, "Adversarial Cheap Talk" (ICML 2023). Axes: N channels, G features of a goal.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.inner.envs.base import ActionSpace, Env, EnvState, TimeStep
from metadisco.inner.envs.goals import Goal
from metadisco.inner.envs.legal_actions import split_mask
from metadisco.types import Key, Message, Steer

Memory: TypeAlias = Any


class Talker(NamedTuple):
    """The source of messages to the learner; it may draw random numbers and have a memory of the episode."""

    begin: Callable[[Key, Array], Memory]
    """(key, first observation) -> memory of an episode; an empty tuple for none."""
    speak: Callable[[Key, Array, Memory], Float[Array, "N"]]
    """(key, observation, memory) -> message."""


def memoryless(message: Message) -> Talker:
    """Return the talker whose message depends on the observation alone, as a learned message does."""
    return Talker(lambda key, obs: (), lambda key, obs, memory: message(obs))


def cheap_talk(env: Env, talker: Talker, num_channels: int) -> Env:
    """Append a message to the observation and to the final observation of an environment.

    States, rewards and flags are those of the plain environment for the same keys and actions. Observations are
    flattened; the message follows them, but precedes the mask of legal actions.

    Args:
        env: the plain environment.
        talker: who speaks.
        num_channels: length of a message.
    """
    space = env.action_space

    def reset(key: Key) -> tuple[EnvState, Array]:
        state, obs = env.reset(key)
        key_begin, key_speak = jax.random.split(_own_key(key))
        memory = talker.begin(key_begin, obs)
        return (state, memory), _with_message(obs, talker.speak(key_speak, obs, memory), space)

    def step(key: Key, told_state: EnvState, action: Array) -> tuple[EnvState, TimeStep]:
        state, memory = told_state
        state, time_step = env.step(key, state, action)
        key_begin, key_speak, key_final = jax.random.split(_own_key(key), 3)
        done = time_step.terminated | time_step.truncated
        last = talker.speak(key_final, time_step.final_obs, memory)
        begun = talker.begin(key_begin, time_step.obs)
        memory = jax.tree.map(lambda new, old: jnp.where(done, new, old), begun, memory)
        message = talker.speak(key_speak, time_step.obs, memory)
        obs = _with_message(time_step.obs, message, space)
        # Within an episode both observations are the same, and so are their messages if they are drawn at random.
        final_obs = _with_message(time_step.final_obs, jnp.where(done, last, message), space)
        return (state, memory), time_step._replace(obs=obs, final_obs=final_obs)

    return env._replace(reset=reset, step=step, obs_shape=told_shape(env, num_channels))


def steered(env: Env, steer: Steer, num_channels: int, goal: Goal) -> Env:
    """Append a message that depends on a goal, too, and pay by the goal instead of by the environment.

    The learner does not see the goal. A new one is drawn for each episode. The reward depends on the final
    observation of a step and on its reward, never on the state after a reset.

    Args:
        env: the plain environment.
        steer: (observation, features of the goal) -> message.
        num_channels: length of a message.
        goal: the goal that pays the rewards.
    """
    space = env.action_space

    def reset(key: Key) -> tuple[EnvState, Array]:
        state, obs = env.reset(key)
        goal_state = goal.draw(_own_key(key))
        return (state, goal_state), _with_message(obs, steer(obs, goal.features(goal_state)), space)

    def step(key: Key, steered_state: EnvState, action: Array) -> tuple[EnvState, TimeStep]:
        state, goal_state = steered_state
        state, time_step = env.step(key, state, action)
        goal_state, reward = goal.pay(goal_state, time_step.final_obs, time_step.reward)
        final_obs = _with_message(time_step.final_obs, steer(time_step.final_obs, goal.features(goal_state)), space)
        done = time_step.terminated | time_step.truncated
        goal_state = jax.tree.map(lambda new, old: jnp.where(done, new, old), goal.draw(_own_key(key)), goal_state)
        obs = _with_message(time_step.obs, steer(time_step.obs, goal.features(goal_state)), space)
        return (state, goal_state), time_step._replace(obs=obs, final_obs=final_obs, reward=reward)

    return env._replace(reset=reset, step=step, obs_shape=told_shape(env, num_channels))


def told_shape(env: Env, num_channels: int) -> tuple[int]:
    """Return the shape of an observation with its message: one axis."""
    return (obs_size(env) + num_channels,)


def obs_size(env: Env) -> int:
    """Return how many numbers an observation of an environment has."""
    size = 1
    for length in env.obs_shape:
        size *= length
    return size


def _own_key(key: Key) -> Key:
    """Return a key that the plain environment does not use; XLA drops it where nobody draws with it."""
    return jax.random.fold_in(key, 1_000_003)


def _with_message(obs: Float[Array, "..."], message: Float[Array, "N"], space: ActionSpace) -> Float[Array, "D"]:
    observed, legal = split_mask(obs.ravel(), space)
    return jnp.concatenate([observed, message, legal])
