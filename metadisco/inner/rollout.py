"""Collecting rollouts, and playing whole episodes. Axes: T steps, N environments, E episodes, D parameters."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from metadisco.inner.cpu.threefry import plain_key
from metadisco.inner.envs.base import Env, EnvState
from metadisco.types import Key


class Decision(NamedTuple):
    """Actions of a policy for a batch of observations.

    Log-probabilities and values are computed after the rollout, which is cheaper for all steps together.
    """

    action: Array
    """Raw actions, as sampled from the distribution."""
    env_action: Array
    """Actions for the environments."""
    parameters: Float[Array, "N D"]
    """Parameters of the action distribution."""


Act = Callable[[Key, Array], Decision]
"""(key, obs[N, *obs_shape]) -> decision."""


class RolloutState(NamedTuple):
    """State of the environments of one agent."""

    env_state: EnvState
    obs: Float[Array, "N ..."]
    episode_return: Float[Array, "N"]
    """Return of the running episode so far."""
    episode_length: Int[Array, "N"]
    """Steps of the running episode so far."""
    longest: Int[Array, ""]
    """Length of the longest episode that has ended so far; 0 if none has."""


class Returns(NamedTuple):
    """Episode returns in a rollout."""

    ended: Float[Array, ""]
    """Mean return of the episodes that ended in the rollout; NaN if there is none."""
    running: Float[Array, ""]
    """Mean return so far of the episodes running at the end of the rollout, if these are longer, on average, than any
    episode that has ended; else NaN. A comparison with the last episode alone would favour agents whose episodes vary
    in length."""


class Transitions(NamedTuple):
    """One rollout; the first two axes are T and N."""

    obs: Float[Array, "T N ..."]
    """Raw observations."""
    action: Array
    """Raw actions, as sampled."""
    parameters: Float[Array, "T N D"]
    """Parameters of the action distributions."""
    reward: Float[Array, "T N"]
    terminated: Bool[Array, "T N"]
    truncated: Bool[Array, "T N"]
    final_obs: Float[Array, "T N ..."]


def init_rollout(key: Key, env: Env, num_envs: int) -> RolloutState:
    """Start an episode in each of `num_envs` new environments."""
    env_state, obs = jax.vmap(env.reset)(plain_key(jax.random.split(key, num_envs)))
    return RolloutState(env_state, obs, jnp.zeros(num_envs), jnp.zeros(num_envs, jnp.int32), jnp.zeros((), jnp.int32))


def rollout(
    key: Key, state: RolloutState, env: Env, act: Act, num_steps: int
) -> tuple[RolloutState, Transitions, Returns]:
    """Step all environments `num_steps` times; return the new state, the transitions, and the episode returns."""
    num_envs = state.obs.shape[0]

    def step(
        carry: tuple[RolloutState, Array, Array], keys: tuple[Key, Array]
    ) -> tuple[tuple[RolloutState, Array, Array], Transitions]:
        state, sum_returns, num_episodes = carry
        key_act, keys_env = keys
        decision = act(key_act, state.obs)
        env_state, time_step = jax.vmap(env.step)(keys_env, state.env_state, decision.env_action)
        done = time_step.terminated | time_step.truncated
        episode_return = state.episode_return + time_step.reward
        transition = Transitions(
            obs=state.obs,
            action=decision.action,
            parameters=decision.parameters,
            reward=time_step.reward,
            terminated=time_step.terminated,
            truncated=time_step.truncated,
            final_obs=time_step.final_obs,
        )
        length = state.episode_length + 1
        state = RolloutState(
            env_state=env_state,
            obs=time_step.obs,
            episode_return=jnp.where(done, 0.0, episode_return),
            episode_length=jnp.where(done, 0, length),
            longest=jnp.maximum(state.longest, jnp.where(done, length, 0).max()),
        )
        sum_returns += jnp.where(done, episode_return, 0.0).sum()
        return (state, sum_returns, num_episodes + done.sum()), transition

    start = (state, jnp.zeros(()), jnp.zeros((), jnp.int32))
    # Split all keys together: on CPU a split inside the loop costs as much as a step of a small environment.
    key_act, key_env = jax.random.split(key)
    keys_env = plain_key(jax.random.split(key_env, (num_steps, num_envs)))
    keys = jax.random.split(key_act, num_steps), keys_env
    (state, sum_returns, num_episodes), transitions = jax.lax.scan(step, start, keys)
    ended = jnp.where(num_episodes > 0, sum_returns / jnp.maximum(num_episodes, 1), jnp.nan)
    outlasted = (state.longest > 0) & (state.episode_length.mean() > state.longest)
    return state, transitions, Returns(ended, jnp.where(outlasted, state.episode_return.mean(), jnp.nan))


def play_episodes(key: Key, env: Env, act: Callable[[Key, Array], Array], num_episodes: int) -> Float[Array, "E"]:
    """Play one full episode in each of `num_episodes` fresh environments.

    An episode that has not ended after `env.episode_length` steps is cut off there.

    Args:
        key: consumed.
        env: the environment.
        act: (key, obs[E, *obs_shape]) -> actions for the environments.
        num_episodes: number of episodes, each in an environment of its own.

    Returns:
        The undiscounted return of each episode.
    """
    key_reset, key_steps = jax.random.split(key)
    state = init_rollout(key_reset, env, num_episodes)

    def unfinished(carry: tuple[Array, RolloutState, Array]) -> Array:
        time, _, over = carry
        return (time < env.episode_length) & ~over.all()

    def step(carry: tuple[Array, RolloutState, Array]) -> tuple[Array, RolloutState, Array]:
        time, state, over = carry
        key_act, key_env = jax.random.split(jax.random.fold_in(key_steps, time))
        actions = act(key_act, state.obs)
        keys_env = plain_key(jax.random.split(key_env, num_episodes))
        env_state, time_step = jax.vmap(env.step)(keys_env, state.env_state, actions)
        episode_return = state.episode_return + jnp.where(over, 0.0, time_step.reward)
        over = over | time_step.terminated | time_step.truncated
        return time + 1, state._replace(env_state=env_state, obs=time_step.obs, episode_return=episode_return), over

    start = (jnp.zeros((), jnp.int32), state, jnp.zeros(num_episodes, bool))
    _, state, _ = jax.lax.while_loop(unfinished, step, start)
    return state.episode_return
