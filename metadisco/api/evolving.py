"""A search with a run directory, from Python."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metadisco.api.inputs import Overrides, config_data, overrides_of
from metadisco.api.run import Run
from metadisco.config import Config
from metadisco.config.code.own_code import forget_edited
from metadisco.evolution.deadline import Deadline
from metadisco.evolution.interrupt import KeyboardStop
from metadisco.evolution.run import check_config, run_search
from metadisco.storage.files import Name

AGAIN = "the same call again"


def evolve(
    config: Config | Mapping[str, Any] | Name,
    run: Name,
    *,
    overrides: Overrides = None,
    max_hours: float | None = None,
    stop: threading.Event | None = None,
    progress: bool = True,
) -> Run:
    """Run a search, or continue it, with the numbers of `metadisco evolve`.

    Ctrl-C, or interrupting the kernel of a notebook, lets the current generation finish, saves it, and returns; a
    second one raises KeyboardInterrupt immediately, and saved states remain valid. In a thread other than the main
    one, which receives no signals, setting `stop` does the same. Repeat the call to resume.

    JAX is set up for all cores if it has not started. Otherwise call `metadisco.use_cores()` first.

    Args:
        config: a YAML file, a mapping like it, or a `Config`: what is learned, where, and how.
        run: the run directory; a missing or empty one begins a run.
        overrides: settings by dotted key, which replace those of the config.
        max_hours: time limit in hours, before which the search saves and stops; no limit if left out.
        stop: once this event is set, the search saves and stops after the current generation; none if left out.
        progress: show progress, on stderr.

    Returns:
        The run, which gives access to metrics and to the learned function.

    Raises:
        UserError: for input that cannot be used, or a run of another config; nothing was written then.
        MachineError: if the run cannot be written to; saved states remain valid.

    Example:
        run = metadisco.evolve("demo.yaml", run="runs/first", overrides={"outer.num_generations": 8})
        run.metrics[["generation", "fitness_mean"]]
    """
    forget_edited()
    deadline = Deadline(None if max_hours is None else str(max_hours), time.monotonic())
    settings = check_config(config_data(config), overrides_of(overrides).items())
    with KeyboardStop(stop) as interrupt:
        run_search(settings, Path(run), not progress, interrupt, deadline, AGAIN)
    return Run(run)
