"""`metadisco rollout`: trained agents play, here or in Gymnasium's own environment."""

import json
from functools import partial
from pathlib import Path

from metadisco.commands.tables import print_table
from metadisco.config import check_env_name
from metadisco.errors import MachineError, UserError
from metadisco.storage.outputs import check_apart, check_file, write_all, write_output
from metadisco.storage.package import AGENTS, files_of
from metadisco.storage.rows import format_number

MAX_EPISODES = 100_000
HEADINGS = ("agent", "return", "± std over episodes", "at the end of training")


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

    from metadisco.evaluation.rollout import as_json
    from metadisco.evaluation.rollout import rollout as play

    played = play(path, num_episodes, agent=agent, env=env, gymnasium=gymnasium, deterministic=deterministic, seed=seed)
    writes = []
    if output is not None:
        result = json.dumps(as_json(played), allow_nan=False) + "\n"
        writes.append(partial(write_output, output, result, force))
    troubles = write_all(writes)
    if not quiet:
        rows = zip(played.chosen, played.returns.mean(1), played.returns.std(1), played.final_return, strict=True)
        lines = [[str(each), *(format_number(float(number)) for number in numbers)] for each, *numbers in rows]
        title = f"{played.objective} on {played.env}, {num_episodes} episodes each"
        print_table(title, HEADINGS, lines)
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
