"""`metadisco rollout`: trained agents play, here or in Gymnasium's own environment."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metadisco._version import __version__
from metadisco.config import check_env_name
from metadisco.errors import MachineError, UserError
from metadisco.storage.files import nulls
from metadisco.storage.outputs import check_apart, check_file, write_all, write_output
from metadisco.storage.package import AGENTS, files_of
from metadisco.storage.rows import format_number

if TYPE_CHECKING:
    from metadisco.discoveries.agents import TrainedAgents
    from metadisco.inner.policy import Policy

MAX_EPISODES = 100_000


def rollout(
    path: Path,
    agent: int | None,
    num_episodes: int,
    env: str | None,
    gymnasium: str | None,
    deterministic: bool,
    seed: int,
    output: Path | None,
    force: bool,
    quiet: bool,
) -> int:
    """Let trained agents play; print their returns, write JSON; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    _check(num_episodes, env, gymnasium, seed)
    if output is not None:
        for file in files_of(path, AGENTS):
            check_apart(output, "--output", file, "the agents")
        check_file(output, "--output", force)
    from metadisco.outer.devices import start_jax

    start_jax(None)

    from metadisco.discoveries.agents import load_agents, policy_at

    agents = load_agents(path)
    chosen = range(len(agents.final_return)) if agent is None else [agent]
    policies = [policy_at(agents, each) for each in chosen]
    where = env or agents.env if gymnasium is None else f"Gymnasium's {gymnasium}"
    if gymnasium is not None:
        returns = _play_in_gymnasium(gymnasium, agents, policies, seed, num_episodes, deterministic)
    else:
        returns = _play_here(env, agents, policies, seed, num_episodes, deterministic)
    writes = []
    if output is not None:
        result = {
            "metadisco": __version__,
            "agents": list(chosen),
            "env": where,
            "seed": seed,
            "deterministic": deterministic,
            "final_return": nulls(agents.final_return[list(chosen)]),
            "returns": nulls(returns),
        }
        writes.append(partial(write_output, output, json.dumps(result, allow_nan=False) + "\n", force))
    troubles = write_all(writes)
    if not quiet:
        _print_table(agents, list(chosen), where, returns)
    if troubles:
        raise MachineError("; ".join(troubles))
    return 0


def _check(num_episodes: int, env: str | None, gymnasium: str | None, seed: int) -> None:
    """Refuse options that cannot be used, before JAX starts."""
    if not 1 <= num_episodes <= MAX_EPISODES:
        raise UserError(f"--episodes: got {num_episodes}, allowed: 1 to {MAX_EPISODES}")
    if not 0 <= seed < 2**31:
        raise UserError(f"--seed: got {seed}, allowed: 0 to {2**31 - 1}")
    if env is not None and gymnasium is not None:
        raise UserError(f"--gymnasium: got {gymnasium!r} beside --env {env}, allowed: one of the two")
    if env is not None:
        check_env_name(env, key="--env")
    if gymnasium is not None:
        module, colon, name = gymnasium.rpartition(":")
        if not name or (colon and (":" in module or not all(module.split(".")))):
            raise UserError(
                f"--gymnasium: got {gymnasium!r}, allowed: Gymnasium's name of an environment, such as CartPole-v1, or "
                "package.module:NAME where importing the module registers it"
            )


def _play_here(
    env: str | None,
    agents: "TrainedAgents",
    policies: "list[Policy]",
    seed: int,
    num_episodes: int,
    deterministic: bool,
) -> np.ndarray:
    """Return the return of every episode of every agent."""
    import jax
    import jax.numpy as jnp

    from metadisco.inner import envs, policy

    if env is None and "/" not in agents.env:
        raise UserError(f"--env: missing; these agents learned in {agents.env!r}, to be named if you trust its code")
    same = env in (None, agents.env)
    made = envs.make(env or agents.env, **(agents.env_settings if same else {}))
    if (made.obs_shape, repr(made.action_space)) != (
        agents.interface.obs_shape,
        repr(agents.interface.action_space),
    ):
        raise UserError(
            f"--env: {env or agents.env} has observations {made.obs_shape} and actions {made.action_space}, "
            f"allowed: {agents.interface.obs_shape} and {agents.interface.action_space}, as in training"
        )

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
    agents: "TrainedAgents",
    policies: "list[Policy]",
    seed: int,
    num_episodes: int,
    deterministic: bool,
) -> np.ndarray:
    import functools

    import jax

    from metadisco.evaluation import gymnasium_play
    from metadisco.inner.networks import make_agent
    from metadisco.inner.policy import choose

    network = make_agent(agents.interface, agents.ppo)

    @jax.jit
    def act(policy: Any, key: Any, obs: Any) -> Any:
        return choose(key, policy, obs, network, deterministic=deterministic)

    return np.stack(
        [
            gymnasium_play.play(name, agents.interface, functools.partial(act, policy), seed, num_episodes)
            for policy in policies
        ]
    )


def _print_table(agents: "TrainedAgents", chosen: list[int], where: str, returns: np.ndarray) -> None:
    from rich.console import Console
    from rich.table import Table

    title = f"{agents.objective} on {where}, {returns.shape[1]} episodes each"
    table = Table(title=title, title_justify="left")
    for name in ("agent", "return", "± std over episodes", "at the end of training"):
        table.add_column(name, justify="right")
    for each, row in zip(chosen, returns, strict=True):
        table.add_row(
            str(each), *map(format_number, (float(row.mean()), float(row.std()), float(agents.final_return[each])))
        )
    Console(highlight=False).print(table)
