"""A trained policy: the part of a train state that is needed to act. Axes: E episodes, D distribution parameters."""

from typing import Any, NamedTuple

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


def network_input(statistics: RunningStatistics, obs: Float[Array, "..."], config: PPOConfig) -> Float[Array, "..."]:
    """Return the network's inputs: observations, standardised if enabled."""
    if not config.normalise_observations:
        return obs
    return standardise(statistics, obs, config.observation_clip)


def outputs(
    policy: Policy, obs: Float[Array, "..."], agent: Agent
) -> tuple[Float[Array, "... D"], Float[Array, "..."]]:
    """Return distribution parameters and values for raw observations [..., *obs_shape]."""
    return agent.apply(policy.params, network_input(policy.observation_statistics, obs, agent.config))


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
