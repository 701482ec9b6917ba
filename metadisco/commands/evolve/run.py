"""`metadisco evolve`: run a search, or continue one; alone, or as one of several processes."""

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
    """Run or continue a search, or take part in one; return the exit code.

    Args:
        config_path: the YAML file.
        overrides: KEY=VALUE words that replace its settings.
        run_path: the run directory; of several processes only the first one looks at it.
        quiet: whether nothing but errors is printed.
        interrupt: which is active, and asks for a stop.
        max_hours: limit on the time of the command, as it stands on the command line.
        started: when the command did, on the monotonic clock; now, if left out.
        place: where this process stands among several; None if it is alone.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
        MachineError: if the run cannot be written to; what was saved is safe.
    """
    deadline = Deadline(max_hours, time.monotonic() if started is None else started)
    config = read_config(config_path, overrides)
    words = ["metadisco", "evolve", str(config_path), *overrides, "--run", str(run_path)]
    again = shlex.join([*words, *limit_words(max_hours), *(place.again if place else ())])
    run_search(config, run_path, quiet, interrupt, deadline, again, place)
    return 0


def read_config(path: Path, overrides: Sequence[str]) -> Config:
    """Return the configuration, checked as far as needs no library.

    Raises:
        UserError: if it cannot be used.
    """
    return check_config(read_yaml(path), map(parse_override, overrides))


def check_run(path: Path, config: Config) -> None:
    """Refuse a run directory that cannot be used with a configuration; writes nothing.

    Raises:
        UserError: naming what is in the way.
    """
    run = RunDirectory(path)
    run.check_usable()
    if run.exists:
        run.check_continues(config, whole=False)


def limit_words(max_hours: str | None) -> list[str]:
    """Return the words that set a limit on time, for a command that goes on."""
    return [] if max_hours is None else ["--max-hours", max_hours]
