"""Run or resume a search, in a single process or as one of several processes."""

import contextlib
import importlib.metadata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from metadisco.config import Config, apply_overrides, check_references, flatten, parse_config, to_plain
from metadisco.errors import MachineError, UserError, describe_os_error
from metadisco.evolution.deadline import Deadline
from metadisco.evolution.display import Display
from metadisco.evolution.interrupt import Stop
from metadisco.evolution.next_steps import next_steps
from metadisco.evolution.pace import Pace
from metadisco.evolution.recorder import RunRecorder
from metadisco.evolution.status import Status
from metadisco.outer.team import ALONE, Place, Team
from metadisco.storage.lock import RunLock
from metadisco.storage.loggers import check_loggers
from metadisco.storage.runs import RunDirectory, remove_remains

SAME = ("metadisco", "jax", "jaxlib", "evosax", "gymnax")
"""Packages of which several processes must have the same version."""


def check_config(data: Mapping[str, Any], overrides: Iterable[tuple[str, Any]]) -> Config:
    """Return a configuration, checked as far as possible without importing libraries.

    Args:
        data: the content of a config file.
        overrides: values for dotted keys, which replace those of the file.

    Raises:
        UserError: for an invalid configuration.
    """
    config = parse_config(apply_overrides(data, overrides))
    check_references(config)
    check_loggers(config.logging)
    return config


def run_search(
    config: Config,
    run_path: Path,
    quiet: bool,
    interrupt: Stop,
    deadline: Deadline,
    again: str,
    place: Place | None = None,
) -> None:
    """Run or resume a search in its run directory, or take part in one.

    Args:
        config: the configuration of the search.
        run_path: the run directory; only the first of several processes accesses it.
        quiet: whether to show no output.
        interrupt: an active source of stop requests.
        deadline: the time limit.
        again: the command that resumes the run, for messages.
        place: address and number of this process among several; None for a single process.

    Raises:
        UserError: for invalid input; nothing has been written then.
        MachineError: if the run cannot be written; saved states remain valid.
    """
    team = ALONE if place is None else _join(config, place)
    with Display(quiet or not team.first) as display, contextlib.ExitStack() as stack:
        recorder, lock = None, None
        with interrupt.busy:
            with team.agreed():
                if team.first:
                    run = RunDirectory(run_path)
                    run.check_usable()
                    lock = stack.enter_context(RunLock(run.path, display.say))
                    recorder = RunRecorder(run, config, display, lock, deadline, interrupt)
            interrupt.prepare(display.say, [display.stop, *([lock.release] if lock else [])], again)
        try:
            display.follow(Status("loading and compiling", 1, Pace(), lambda width: []))
            _search(config, recorder, team, interrupt)
        except BrokenPipeError:
            raise
        except (OSError, MachineError) as error:
            raise _explained(error, run_path, lock, again) from error
        finally:
            interrupt.end()
        late = deadline.hours is not None and not interrupt.requested
        hours = f", as the next one would not fit into {deadline.hours} hours" if late else ""
        if recorder:
            _say_outcome(display, recorder, config, run_path, hours, again)


def _join(config: Config, place: Place) -> Team:
    """Join the other processes, initialise JAX with them, and check that all have the same configuration."""
    from metadisco.outer.devices import NotStartedError, start_jax
    from metadisco.outer.processes import join, team_of

    join(place)
    trouble = None
    try:
        start_jax(config.outer.num_devices, config.deterministic, place.num_processes or 1)
    except NotStartedError:
        raise
    except UserError as error:
        trouble = error
    team = team_of(place)
    team.check_same({name: importlib.metadata.version(name) for name in SAME} | flatten(to_plain(config)))
    with team.agreed():
        if trouble:
            raise trouble
    return team


def _search(config: Config, recorder: RunRecorder | None, team: Team, interrupt: Stop) -> None:
    """Build everything and search."""
    with team.agreed():
        if recorder:
            recorder.check()
    from metadisco.outer.devices import start_jax

    if team is ALONE:
        start_jax(config.outer.num_devices, config.deterministic)

    from metadisco.outer.chunks import REHEARSED_UPDATES, Chunks
    from metadisco.outer.search import search
    from metadisco.outer.sharing import SharedRecorder
    from metadisco.problems import make_problem

    with team.agreed():
        problem = make_problem(config)
        if recorder:
            recorder.complete(problem)
    shared = SharedRecorder(team, recorder, interrupt.begin)
    chunks = Chunks(may_halve=False)
    if recorder and team is ALONE and config.outer.chunk_size == "auto" and not config.deterministic:
        rehearsal = getattr(problem, "rehearsal", None)
        chunks = Chunks(rehearsal(REHEARSED_UPDATES) if callable(rehearsal) else None, recorder)
    with recorder or contextlib.nullcontext():
        search(
            problem,
            config.outer,
            shared,
            seed=config.seed,
            should_stop=lambda: team.should_stop(_wants_to_stop(recorder, interrupt)),
            chunks=chunks,
        )


def _wants_to_stop(recorder: RunRecorder | None, interrupt: Stop) -> bool:
    """Return whether this process was asked to stop or has no time left."""
    return interrupt.requested or (recorder is not None and not recorder.has_time())


def _say_outcome(
    display: Display, recorder: RunRecorder, config: Config, run_path: Path, hours: str, again: str
) -> None:
    """Show how a search ended, and what to do next."""
    display.stop()
    done, asked = recorder.done, config.outer.num_generations
    if done < asked:
        display.say(f"stopped after generation {done} of {asked}{hours}{recorder.summary()}; to continue:", again)
        return
    more = "" if done == asked else f" ({asked} were asked for)"
    display.say(f"done: {done} generations in {run_path}{more}{recorder.summary()}{recorder.centre()}")
    for purpose, command in next_steps(config, run_path):
        display.say(f"{purpose}:", command)


def _explained(error: OSError | MachineError, run_path: Path, lock: RunLock | None, again: str) -> Exception:
    """Convert an error of the machine into one sentence that says how to resume."""
    try:
        if lock:
            lock.check()
    except MachineError as gone:
        remove_remains(run_path)
        return MachineError(f"{gone}; to restart: {again}")
    what = str(error) if isinstance(error, MachineError) else describe_os_error(error, str(run_path.absolute()))
    if what is None:
        return error
    return MachineError(f"{what}; saved states remain valid; once this is fixed, to continue: {again}")
