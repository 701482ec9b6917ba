"""Environments by name, with saved agents as opponents. Axes: S agents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco.discoveries.agents import load_agents, policy_at
from metadisco.errors import UserError
from metadisco.inner import envs
from metadisco.inner.envs import Env
from metadisco.inner.envs.opponents import OPPONENTS, Memory, Opponent
from metadisco.inner.networks import make_agent
from metadisco.inner.policy import choose
from metadisco.storage.package import as_list, is_one_agent
from metadisco.types import Key

KEY = "inner.env_settings.opponent"


def make(name: str, **settings: Any) -> Env:
    """Create an environment by its full name.

    Args:
        name: `suite/name`, such as "gymnax/CartPole-v1", or `package.module:make_env` for a user-defined function that
            takes the keyword arguments and returns an Env.
        **settings: parameters of the environment, under its own names. As `opponent` of a game of Pgx, the path of
            agents that `metadisco train --save` wrote means all of them, of which one is drawn for each episode;
            {"agents": path, "agent": index} means one; a list may mix these with opponents by name.

    Raises:
        UserError: for an unknown suite, environment or parameter, an invalid environment, or agents that cannot play.
    """
    if name.startswith("pgx/") and "opponent" in settings:
        loaded = [_loaded(each, name) for each in as_list(settings["opponent"])]
        settings = {**settings, "opponent": loaded}
    return envs.make(name, **settings)


def _loaded(opponent: Any, env: str) -> Any:
    """Return an opponent, read from its package if it is a path of one."""
    if is_one_agent(opponent):
        index = opponent["agent"]
        if not isinstance(opponent["agents"], str) or isinstance(index, bool) or not isinstance(index, int):
            raise UserError(f"{KEY}: got {dict(opponent)}, allowed: a path as agents and a whole number as agent")
        return saved_opponent(opponent["agents"], env, index)
    if isinstance(opponent, Mapping):
        raise UserError(f"{KEY}: got {dict(opponent)}, allowed: {{agents: PATH, agent: INDEX}} for one saved agent")
    if isinstance(opponent, str) and opponent not in OPPONENTS and _exists(opponent):
        return saved_opponent(opponent, env)
    return opponent


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # too long for a file
        return False


def saved_opponent(path: str, env: str, agent: int | None = None) -> Opponent:
    """Return saved agents as an opponent, which samples its actions as in training.

    Args:
        path: the folder or zip file that `metadisco train --save` wrote.
        env: full name of the game that is to be played.
        agent: index of one agent; None draws one for each episode from those whose training did not fail.

    Raises:
        UserError: for agents of another environment, or none that can play.
    """
    agents = load_agents(path)
    if agents.env != env:
        raise UserError(f"{KEY}: got {path!r} with agents of {agents.env}, allowed: agents of {env}")
    policies = jax.tree.map(jnp.asarray, agents.policies)
    if agent is None:
        able = np.flatnonzero(np.isfinite(agents.final_return))
        if not able.size:
            raise UserError(f"{KEY}: got {path!r}, where the training of all agents failed, allowed: one that did not")
        policies = jax.tree.map(lambda leaf: leaf[able], policies)
        num_agents = able.size
    else:
        policies = jax.tree.map(lambda leaf: leaf[None], policy_at(agents, agent))
        num_agents = 1
    network = make_agent(agents.interface, agents.ppo)

    def begin(key: Key) -> Memory:
        return jax.random.randint(key, (), 0, num_agents)

    def act(key: Key, state: Any, obs: Array, which: Memory) -> Array:
        policy = jax.tree.map(lambda leaf: leaf[which], policies)
        return choose(key, policy, obs, network, deterministic=False)

    return Opponent(begin, act, agents.interface)
