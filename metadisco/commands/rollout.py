"""`metadisco rollout`: episodes of trained agents, in suites of this package or in Gymnasium."""

from pathlib import Path

from metadisco.api.playing import play_and_write
from metadisco.commands.tables import print_table
from metadisco.errors import MachineError
from metadisco.storage.rows import format_number

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
    """Roll out trained agents; print their returns, write JSON; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing is written then.
    """
    played, troubles = play_and_write(path, num_episodes, agent, env, gymnasium, deterministic, seed, output, force)
    if not quiet:
        rows = zip(played.chosen, played.returns.mean(1), played.returns.std(1), played.final_return, strict=True)
        lines = [[str(each), *(format_number(float(number)) for number in numbers)] for each, *numbers in rows]
        title = f"{played.objective} on {played.env}, {num_episodes} episodes each"
        print_table(title, HEADINGS, lines)
    if troubles:
        raise MachineError("; ".join(troubles))
    return 0
