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
    Learner,
    LossMetrics,
    Observe,
    observe_nothing,
    optimise,
    standardise_advantages,
)
from metadisco.inner.policy import Policy, network_input, outputs
from metadisco.inner.rollout import Decision, Returns, RolloutState, Transitions, init_rollout, rollout
from metadisco.objectives.arithmetic import gives_nan, in_float32
from metadisco.types import Key, Objective

OFTEN = 4  # truncated episodes per rollout above which it is cheaper to evaluate all final observations


class TrainState(NamedTuple):
    """The complete state of training between two updates."""

    params: Any
    optimiser_state: AdamState
    rollout: RolloutState
    observation_statistics: RunningStatistics
    return_statistics: RunningStatistics
    discounted_return: Float[Array, "N"]
    num_updates: Int[Array, ""]


@in_float32
def init(key: Key, env: Env, config: PPOConfig) -> TrainState:
    """Return the initial state: a new network, and a new episode in every environment."""
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
    """Return the policy of a train state."""
    return Policy(state.params, state.observation_statistics)


def decide(key: Key, obs: Float[Array, "N ..."], policy: Policy, agent: Agent) -> Decision:
    """Sample actions for a batch of raw observations."""
    parameters, _ = outputs(policy, obs, agent)
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
    observe: Observe = observe_nothing,
) -> tuple[TrainState, Returns, LossMetrics]:
    """Collect one rollout and learn from it.

    Pure; `config`, `env` and `objective` are static, everything else may be traced.

    Args:
        key: consumed.
        state: from `init` or the previous update.
        env: the environment.
        config: static settings.
        objective: elementwise losses of policy and value.
        hyperparameters: settings that may be traced.
        observe: minibatch statistics to collect.

    Returns:
        The new state, the returns of episodes, and metrics of the gradient steps.
    """
    return learn(key, state, env, Learner(make_agent(env, config), objective, hyperparameters, observe))


def learn(key: Key, state: TrainState, env: Env, learner: Learner) -> tuple[TrainState, Returns, LossMetrics]:
    """Perform one update; see `update`."""
    key_rollout, key_optimise = jax.random.split(key)
    config = learner.config
    act = partial(decide, policy=policy_of(state), agent=learner.agent)
    rollout_state, transitions, returns = rollout(key_rollout, state.rollout, env, act, config.num_steps)
    state, batch = prepare(state._replace(rollout=rollout_state), transitions, env, learner)
    progress = state.num_updates / config.num_updates
    params, optimiser_state, metrics = optimise(
        key_optimise, state.params, state.optimiser_state, batch, progress, learner
    )
    if config.normalise_observations:
        statistics = update_statistics(state.observation_statistics, transitions.obs)
        state = state._replace(observation_statistics=statistics)
    state = state._replace(params=params, optimiser_state=optimiser_state, num_updates=state.num_updates + 1)
    return state, returns, metrics


def prepare(state: TrainState, transitions: Transitions, env: Env, learner: Learner) -> tuple[TrainState, Batch]:
    """Return the batch of a rollout, and the state with updated statistics for reward normalisation.

    Args:
        state: before the update, but with the environments after the rollout.
        transitions: the rollout.
        env: the environment.
        learner: the agent and its settings.
    """
    agent, config, hyperparameters = learner.agent, learner.config, learner.hyperparameters
    inputs = network_input(state.observation_statistics, transitions.obs, agent)
    _, values = agent.apply(state.params, inputs)
    next_values = _next_values(transitions, values, state, agent, env.episode_length)
    state, rewards = _scaled_rewards(state, transitions, learner)
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
        obs=inputs,
        action=transitions.action,
        log_prob=log_prob,
        value=values,
        advantage=standardise_advantages(advantage) if config.normalise_advantages == "batch" else advantage,
        target=advantage + values,
    )
    return state, jax.tree.map(lambda x: x.reshape((config.batch_size, *x.shape[2:])), batch)


def _next_values(
    transitions: Transitions, values: Float[Array, "T N"], state: TrainState, agent: Agent, episode_length: int
) -> Float[Array, "T N"]:
    """Return the value of the observation after each step, before any reset."""
    policy, config = policy_of(state), agent.config
    _, last_value = outputs(policy, state.rollout.obs, agent)
    following = jnp.concatenate([values[1:], last_value[None]])
    if not config.bootstrap_on_truncation:
        return following
    cut = transitions.truncated & ~transitions.terminated
    if episode_length * OFTEN < config.num_steps:
        return jnp.where(cut, outputs(policy, transitions.final_obs, agent)[1], following)
    envs = jnp.arange(config.num_envs)

    def is_left(carry: tuple[Array, Array]) -> Array:
        return carry[0].any()

    def bootstrap(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        left, values = carry
        step = jnp.argmax(left, 0)  # the first remaining step of each environment
        _, final_value = outputs(policy, transitions.final_obs[step, envs], agent)
        values = values.at[step, envs].set(jnp.where(left[step, envs], final_value, values[step, envs]))
        return left.at[step, envs].set(False), values

    # The next observation differs from the final one only where an episode was truncated, which is rare. So V is
    # computed for one truncated step of each environment at a time until none remains, instead of for all steps.
    _, values = jax.lax.while_loop(is_left, bootstrap, (cut, following))
    return values


def _scaled_rewards(
    state: TrainState, transitions: Transitions, learner: Learner
) -> tuple[TrainState, Float[Array, "T N"]]:
    """Return the state with updated return statistics, and the scaled rewards."""
    config = learner.config
    rewards = config.reward_scale * transitions.reward
    if not config.normalise_rewards:
        return state, rewards
    done = transitions.terminated | transitions.truncated
    carry, accumulated = discounted_returns(rewards, done, state.discounted_return, learner.hyperparameters.gamma)
    # Unlike observations, rewards do not affect the probability ratio, so statistics may include the current batch.
    statistics = update_statistics(state.return_statistics, accumulated)
    state = state._replace(return_statistics=statistics, discounted_return=carry)
    return state, scale_rewards(statistics, rewards, config.reward_clip)
