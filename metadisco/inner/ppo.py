"""One update of PPO with any objective. Axes: T steps, N environments, B samples of a minibatch."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from metadisco.config import PPOConfig
from metadisco.inner.cpu.adam import AdamState, init_adam
from metadisco.inner.envs.base import Env
from metadisco.inner.gae import gae
from metadisco.inner.networks import Agent, make_agent
from metadisco.inner.normalise import (
    RunningStatistics,
    discounted_returns,
    init_statistics,
    scale_rewards,
    update_statistics,
)
from metadisco.inner.optimise import (
    Batch,
    Hyperparameters,
    LossMetrics,
    Observe,
    nothing,
    optimise,
    standardise_advantages,
)
from metadisco.inner.policy import Policy, network_input
from metadisco.inner.rollout import Decision, Returns, RolloutState, Transitions, init_rollout, rollout
from metadisco.objectives.arithmetic import gives_nan, in_float32
from metadisco.types import Key, Objective

OFTEN = 4  # episodes cut within a rollout, from which on it is cheaper to treat all its steps alike


class TrainState(NamedTuple):
    """Everything that the next update needs."""

    params: Any
    optimiser_state: AdamState
    rollout: RolloutState
    observation_statistics: RunningStatistics
    return_statistics: RunningStatistics
    discounted_return: Float[Array, "N"]
    num_updates: Int[Array, ""]


@in_float32
def init(key: Key, env: Env, config: PPOConfig) -> TrainState:
    """Return the state at the start of a life: a fresh network and an episode begun in every environment."""
    key_params, key_envs = jax.random.split(key)
    params = make_agent(env, config).init(key_params)
    return TrainState(
        params=params,
        optimiser_state=init_adam(params),
        rollout=init_rollout(key_envs, env, config.num_envs),
        observation_statistics=init_statistics(env.obs_shape),
        return_statistics=init_statistics(()),
        discounted_return=jnp.zeros(config.num_envs),
        num_updates=jnp.zeros((), jnp.int32),
    )


def policy_of(state: TrainState) -> Policy:
    """Return what acting takes."""
    return Policy(state.params, state.observation_statistics)


def decide(
    key: Key,
    obs: Float[Array, "N ..."],
    agent: Agent,
    params: Any,
    statistics: RunningStatistics,
    config: PPOConfig,
) -> Decision:
    """Sample actions for a batch of raw observations."""
    parameters, _ = agent.apply(params, network_input(statistics, obs, config))
    action = agent.distribution.sample(key, parameters)
    return Decision(action=action, env_action=agent.distribution.to_env(action), parameters=parameters)


@gives_nan
@in_float32
def update(
    key: Key,
    state: TrainState,
    env: Env,
    config: PPOConfig,
    objective: Objective,
    hyperparameters: Hyperparameters,
    observe: Observe = nothing,
) -> tuple[TrainState, Returns, LossMetrics]:
    """Collect one rollout and learn from it.

    Pure; `config`, `env` and `objective` are static, everything else may be traced.

    Args:
        key: consumed.
        state: from `init` or the update before.
        env: the environment.
        config: sizes and switches.
        objective: elementwise losses of policy and value.
        hyperparameters: traced scalars.
        observe: what to keep of the minibatches.

    Returns:
        The new state, what episodes got, and metrics of the learning.
    """
    key_rollout, key_optimise = jax.random.split(key)
    agent = make_agent(env, config)
    act = partial(decide, agent=agent, params=state.params, statistics=state.observation_statistics, config=config)
    rollout_state, transitions, returns = rollout(key_rollout, state.rollout, env, act, config.num_steps)
    state = state._replace(rollout=rollout_state)
    seen = network_input(state.observation_statistics, transitions.obs, config)
    _, values = agent.apply(state.params, seen)
    next_values = _next_values(transitions, values, state, agent, config, env.episode_length)
    rewards, return_statistics, discounted_return = _scaled_rewards(transitions, state, config, hyperparameters)
    terminated = transitions.terminated
    if not config.bootstrap_on_truncation:
        terminated = terminated | transitions.truncated
    advantage = gae(
        rewards,
        values,
        next_values,
        terminated,
        transitions.truncated,
        hyperparameters.gamma,
        hyperparameters.gae_lambda,
    )
    log_prob = agent.distribution.log_prob(transitions.parameters, transitions.action)
    batch = Batch(
        obs=seen,
        action=transitions.action,
        log_prob=log_prob,
        value=values,
        advantage=standardise_advantages(advantage) if config.normalise_advantages == "batch" else advantage,
        target=advantage + values,
    )
    batch = jax.tree.map(lambda x: x.reshape((config.batch_size, *x.shape[2:])), batch)
    params, optimiser_state, metrics = optimise(
        key_optimise,
        state.params,
        state.optimiser_state,
        batch,
        state.num_updates / config.num_updates,
        agent,
        config,
        objective,
        hyperparameters,
        observe,
    )
    if config.normalise_observations:
        statistics = update_statistics(state.observation_statistics, transitions.obs)
        state = state._replace(observation_statistics=statistics)
    state = state._replace(
        params=params,
        optimiser_state=optimiser_state,
        return_statistics=return_statistics,
        discounted_return=discounted_return,
        num_updates=state.num_updates + 1,
    )
    return state, returns, metrics


def _next_values(
    transitions: Transitions,
    values: Float[Array, "T N"],
    state: TrainState,
    agent: Agent,
    config: PPOConfig,
    episode_length: int,
) -> Float[Array, "T N"]:
    """Return V of the observation that each step led to, before any reset."""
    last_obs = network_input(state.observation_statistics, state.rollout.obs, config)
    _, last_value = agent.apply(state.params, last_obs)
    following = jnp.concatenate([values[1:], last_value[None]])
    if not config.bootstrap_on_truncation:
        return following
    cut = transitions.truncated & ~transitions.terminated
    if episode_length * OFTEN < config.num_steps:
        final_obs = network_input(state.observation_statistics, transitions.final_obs, config)
        return jnp.where(cut, agent.apply(state.params, final_obs)[1], following)
    envs = jnp.arange(config.num_envs)

    def is_left(carry: tuple[Array, Array]) -> Array:
        return carry[0].any()

    def bootstrap(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        left, values = carry
        step = jnp.argmax(left, 0)  # in each environment the first that is left
        final_obs = network_input(state.observation_statistics, transitions.final_obs[step, envs], config)
        _, final_value = agent.apply(state.params, final_obs)
        values = values.at[step, envs].set(jnp.where(left[step, envs], final_value, values[step, envs]))
        return left.at[step, envs].set(False), values

    # Only where an episode was cut is the next observation not the one the step led to, which is seldom: rather than
    # for all steps V is computed for one of each environment at a time, until none is left.
    _, values = jax.lax.while_loop(is_left, bootstrap, (cut, following))
    return values


def _scaled_rewards(
    transitions: Transitions, state: TrainState, config: PPOConfig, hyperparameters: Hyperparameters
) -> tuple[Float[Array, "T N"], RunningStatistics, Float[Array, "N"]]:
    """Return rewards to learn from, and the state of their normalisation."""
    rewards = config.reward_scale * transitions.reward
    if not config.normalise_rewards:
        return rewards, state.return_statistics, state.discounted_return
    done = transitions.terminated | transitions.truncated
    carry, accumulated = discounted_returns(rewards, done, state.discounted_return, hyperparameters.gamma)
    # Unlike observations, rewards do not enter the ratio: their own batch may count already.
    statistics = update_statistics(state.return_statistics, accumulated)
    return scale_rewards(statistics, rewards, config.reward_clip), statistics, carry
