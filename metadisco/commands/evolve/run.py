"""`metadisco evolve`: run or resume a search, in a single process or as one of several processes."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from metadisco.config import Config, parse_override, read_yaml
from metadisco.evolution.deadline import Deadline
from metadisco.evolution.interrupt import Interrupt
from metadisco.evolution.run import check_config, run_search
from metadisco.outer.team import Place
from metadisco.storage.runs import RunDirectory


def evolve(
    config_path: Path,
    overrides: Sequence[str],
    run_path: Path,
    quiet: bool,
    interrupt: Interrupt,
    max_hours: str | None = None,
    started: float | None = None,
    place: Place | None = None,
) -> int:
    """Run or resume a search, or take part in one; return the exit code.

    Args:
        config_path: the YAML file.
        overrides: KEY=VALUE words that replace its settings.
        run_path: the run directory; only the first of several processes accesses it.
        quiet: whether to print errors only.
        interrupt: an active source of stop requests.
        max_hours: time limit of the command, as given on the command line.
        started: start time of the command on the monotonic clock; now by default.
        place: address and number of this process among several; None for a single process.

    Raises:
        UserError: for invalid input; nothing has been written then.
        MachineError: if the run cannot be written; saved states remain valid.
    """
    deadline = Deadline(max_hours, time.monotonic() if started is None else started)
    config = read_config(config_path, overrides)
    words = ["metadisco", "evolve", str(config_path), *overrides, "--run", str(run_path)]
    again = shlex.join([*words, *limit_words(max_hours), *(place.again if place else ())])
    run_search(config, run_path, quiet, interrupt, deadline, again, place)
    return 0


def read_config(path: Path, overrides: Sequence[str]) -> Config:
    """Return the configuration, checked as far as possible without importing libraries.

    Raises:
        UserError: for an invalid configuration.
    """
    return check_config(read_yaml(path), map(parse_override, overrides))


def check_run(path: Path, config: Config) -> None:
    """Reject a run directory that cannot be used with a configuration; writes nothing.

    Raises:
        UserError: with the reason.
    """
    run = RunDirectory(path)
    run.check_usable()
    if run.exists:
        run.check_continues(config, whole=False)


def limit_words(max_hours: str | None) -> list[str]:
    """Return the options that set the time limit, for the command that resumes a run."""
    return [] if max_hours is None else ["--max-hours", max_hours]
