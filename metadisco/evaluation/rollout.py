"""Rollouts of trained agents, in suites of this package or in Gymnasium. Axes: A agents, E episodes."""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metadisco._version import __version__
from metadisco.discoveries.agents import TrainedAgents, load_agents, policy_at
from metadisco.discoveries.environments import make as make_env
from metadisco.errors import UserError
from metadisco.evaluation import gymnasium_play
from metadisco.inner import envs, policy
from metadisco.inner.networks import make_agent
from metadisco.inner.policy import Policy
from metadisco.outer.devices import start_jax
from metadisco.storage.files import with_nulls


class Rollout(NamedTuple):
    """Returns of a rollout of trained agents."""

    objective: str
    """Objective of their training."""
    chosen: list[int]
    """Indices of the agents in their package."""
    env: str
    """Environment, in words."""
    seed: int
    deterministic: bool
    final_return: np.ndarray
    """[A] at the end of their training."""
    returns: np.ndarray
    """[A, E] undiscounted."""


def rollout(
    path: Path,
    num_episodes: int,
    *,
    agent: int | None = None,
    env: str | None = None,
    gymnasium: str | None = None,
    deterministic: bool = False,
    seed: int = 0,
) -> Rollout:
    """Roll out trained agents.

    Args:
        path: of the agents.
        num_episodes: E, per agent.
        agent: index of one agent; all by default.
        env: suite/name; the training environment by default.
        gymnasium: name of a Gymnasium environment, used instead of `env`.
        deterministic: take the most likely action instead of sampling.
        seed: for environments and actions.

    Raises:
        UserError: for agents or an environment that cannot be used.
    """
    start_jax(None)
    agents = load_agents(path)
    chosen = list(range(len(agents.final_return))) if agent is None else [agent]
    policies = [policy_at(agents, each) for each in chosen]
    if gymnasium is not None:
        where = f"Gymnasium's {gymnasium}"
        returns = _play_in_gymnasium(gymnasium, agents, policies, seed, num_episodes, deterministic)
    else:
        where = env or agents.env
        returns = _play_here(env, agents, policies, seed, num_episodes, deterministic)
    return Rollout(agents.objective, chosen, where, seed, deterministic, agents.final_return[chosen], returns)


def as_json(played: Rollout) -> dict[str, Any]:
    """Return a rollout as plain data."""
    return {
        "metadisco": __version__,
        "agents": played.chosen,
        "env": played.env,
        "seed": played.seed,
        "deterministic": played.deterministic,
        "final_return": with_nulls(played.final_return),
        "returns": with_nulls(played.returns),
    }


def _play_here(
    env: str | None,
    agents: TrainedAgents,
    policies: list[Policy],
    seed: int,
    num_episodes: int,
    deterministic: bool,
) -> np.ndarray:
    """Return the return of every episode of every agent."""
    if env is None and "/" not in agents.env:
        raise UserError(f"env: missing; these agents learned in {agents.env!r}, to be named if you trust its code")
    same = env in (None, agents.env)
    made = make_env(env or agents.env, **(agents.env_settings if same else {}))
    if (made.obs_shape, repr(made.action_space)) != (agents.interface.obs_shape, repr(agents.interface.action_space)):
        raise UserError(
            f"env: {env or agents.env} has observations {made.obs_shape} and actions {made.action_space}, "
            f"allowed: {agents.interface.obs_shape} and {agents.interface.action_space}, as in training"
        )
    made = made._replace(indicators=agents.interface.indicators)  # observations are standardised as in training
    envs.check_episode_length(made, 1, agents.ppo.num_updates * agents.ppo.num_steps)

    @jax.jit
    @jax.vmap
    def play(key: Any, each: Any) -> Any:
        return policy.play(key, each, made, agents.ppo, num_episodes, deterministic=deterministic)

    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), jnp.arange(len(policies)))
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *policies)
    return np.asarray(play(keys, stacked))


def _play_in_gymnasium(
    name: str,
    agents: TrainedAgents,
    policies: list[Policy],
    seed: int,
    num_episodes: int,
    deterministic: bool,
) -> np.ndarray:
    """Return the return of every episode of every agent."""
    network = make_agent(agents.interface, agents.ppo)

    @jax.jit
    def act(each: Any, key: Any, obs: Any) -> Any:
        return policy.choose(key, each, obs, network, deterministic=deterministic)

    return np.stack(
        [
            gymnasium_play.play(name, agents.interface, functools.partial(act, each), seed, num_episodes)
            for each in policies
        ]
    )
