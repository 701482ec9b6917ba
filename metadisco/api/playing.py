"""Trained agents play, from Python."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from metadisco.api.inputs import path_of
from metadisco.api.written import Made
from metadisco.config import check_env_name
from metadisco.errors import UserError
from metadisco.storage.files import Name
from metadisco.storage.outputs import check_apart, check_file, write_all, write_output
from metadisco.storage.package import AGENTS, files_of

if TYPE_CHECKING:
    from metadisco.evaluation.rollout import Rollout

MAX_EPISODES = 100_000


def rollout(
    agents: Name,
    num_episodes: int = 16,
    *,
    agent: int | None = None,
    env: str | None = None,
    gymnasium: str | None = None,
    deterministic: bool = False,
    seed: int = 0,
    output: Name | None = None,
    force: bool = False,
) -> "Rollout":
    """Let trained agents play, here or in Gymnasium's own environment, with the numbers of `metadisco rollout`.

    Args:
        agents: folder or zip file that `train_agents` wrote to `save`.
        num_episodes: E, for each agent.
        agent: which of them, from 0; all if left out.
        env: suite/name; where they were trained if left out.
        gymnasium: name of an environment of Gymnasium's own to play in instead; none if left out.
        deterministic: take the most likely action instead of sampling.
        seed: of environments and actions.
        output: a JSON file for the return of every episode; none if left out.
        force: overwrite an existing file.

    Returns:
        `returns` [A, E], undiscounted, for A agents; `final_return` [A], at the end of their training; and the
        arguments.

    Raises:
        UserError: for agents or an environment that cannot be used; nothing was written then.
        MachineError: if the file cannot be written.

    Example:
        played = metadisco.rollout("agents", num_episodes=4, agent=0)
        played.returns.mean()
    """
    made = play_and_write(
        Path(agents), num_episodes, agent, env, gymnasium, deterministic, seed, path_of(output), force
    )
    return made.checked()


def play_and_write(
    path: Path,
    num_episodes: int,
    agent: int | None,
    env: str | None,
    gymnasium: str | None,
    deterministic: bool,
    seed: int,
    output: Path | None,
    force: bool,
) -> "Made[Rollout]":
    """Let trained agents play as `rollout` does; a failed write does not affect the results."""
    _check_play(num_episodes, env, gymnasium, seed)
    if output is not None:
        for file in files_of(path, AGENTS):
            check_apart(output, "output", file, "the agents")
        check_file(output, "output", force)

    from metadisco.evaluation.rollout import as_json
    from metadisco.evaluation.rollout import rollout as play

    played = play(path, num_episodes, agent=agent, env=env, gymnasium=gymnasium, deterministic=deterministic, seed=seed)
    writes = []
    if output is not None:
        result = json.dumps(as_json(played), allow_nan=False) + "\n"
        writes.append(partial(write_output, output, result, force))
    return Made(played, write_all(writes))


def _check_play(num_episodes: int, env: str | None, gymnasium: str | None, seed: int) -> None:
    """Refuse invalid arguments before JAX starts."""
    if not 1 <= num_episodes <= MAX_EPISODES:
        raise UserError(f"num_episodes: got {num_episodes}, allowed: 1 to {MAX_EPISODES}")
    if not 0 <= seed < 2**31:
        raise UserError(f"seed: got {seed}, allowed: 0 to {2**31 - 1}")
    if env is not None and gymnasium is not None:
        raise UserError(f"gymnasium: got {gymnasium!r} beside `env` {env}, allowed: one of the two")
    if env is not None:
        check_env_name(env, key="env")
    if gymnasium is not None:
        module, colon, name = gymnasium.rpartition(":")
        if not name or (colon and (":" in module or not all(module.split(".")))):
            raise UserError(
                f"gymnasium: got {gymnasium!r}, allowed: Gymnasium's name of an environment, such as CartPole-v1, or "
                "package.module:NAME where importing the module registers it"
            )
