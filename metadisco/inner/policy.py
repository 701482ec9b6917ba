"""A trained policy: the part of a train state that is needed to act. Axes: E episodes, D distribution parameters."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.config import PPOConfig
from metadisco.inner.envs.base import Env
from metadisco.inner.networks import Agent, make_agent
from metadisco.inner.normalise import RunningStatistics, standardise
from metadisco.inner.rollout import play_episodes
from metadisco.types import Key


class Policy(NamedTuple):
    """Parameters of a policy; a pytree."""

    params: Any
    """Parameters of actor and critic."""
    observation_statistics: RunningStatistics
    """Statistics for standardising observations, if enabled."""


def network_input(statistics: RunningStatistics, obs: Float[Array, "..."], agent: Agent) -> Float[Array, "..."]:
    """Return the inputs of `agent.apply`: observations, standardised if enabled, except for mask and indicators."""
    if not agent.config.normalise_observations:
        return obs
    standard = standardise(statistics, obs, agent.config.observation_clip)
    return standard if agent.not_standardised is None else jnp.where(agent.not_standardised, obs, standard)


def outputs(
    policy: Policy, obs: Float[Array, "..."], agent: Agent
) -> tuple[Float[Array, "... D"], Float[Array, "..."]]:
    """Return distribution parameters and values for raw observations [..., *obs_shape]."""
    return agent.apply(policy.params, network_input(policy.observation_statistics, obs, agent))


def choose(key: Key, policy: Policy, obs: Float[Array, "..."], agent: Agent, *, deterministic: bool) -> Array:
    """Return actions for raw observations [..., *obs_shape]: sampled, or the most likely ones if `deterministic`."""
    parameters, _ = outputs(policy, obs, agent)
    distribution = agent.distribution
    raw = distribution.mode(parameters) if deterministic else distribution.sample(key, parameters)
    return distribution.to_env(raw)


def play(
    key: Key, policy: Policy, env: Env, config: PPOConfig, num_episodes: int, *, deterministic: bool
) -> Float[Array, "E"]:
    """Return the returns of one full episode in each of `num_episodes` fresh environments, with fixed statistics."""
    agent = make_agent(env, config)

    def act(key: Key, obs: Array) -> Array:
        return choose(key, policy, obs, agent, deterministic=deterministic)

    return play_episodes(key, env, act, num_episodes)
