"""`metadisco evolve`: run a search, or continue one."""

import contextlib
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from metadisco.commands.recorder import RunRecorder
from metadisco.config import Config, apply_overrides, check_references, parse_config, parse_override, read_yaml
from metadisco.deadline import Deadline
from metadisco.display import Display
from metadisco.errors import MachineError, describe_os_error
from metadisco.interrupt import Interrupt
from metadisco.lock import RunLock
from metadisco.loggers import check_loggers
from metadisco.runs import RunDirectory


def evolve(
    config_path: Path,
    overrides: Sequence[str],
    run_path: Path,
    quiet: bool,
    interrupt: Interrupt,
    max_hours: str | None = None,
    started: float | None = None,
) -> int:
    """Run or continue a search; return the exit code.

    Args:
        config_path: the YAML file.
        overrides: KEY=VALUE words that replace its settings.
        run_path: the run directory.
        quiet: whether nothing but errors is printed.
        interrupt: which is active, and asks for a stop.
        max_hours: limit on the time of the command, as it stands on the command line.
        started: when the command did, on the monotonic clock; now, if left out.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
        MachineError: if the run cannot be written to; what was saved is safe.
    """
    deadline = Deadline(max_hours, time.monotonic() if started is None else started)
    config = parse_config(apply_overrides(read_yaml(config_path), map(parse_override, overrides)))
    check_references(config)
    check_loggers(config.logging)
    run = RunDirectory(run_path)
    run.check_usable()
    limit = [] if max_hours is None else ["--max-hours", max_hours]
    again = shlex.join(["metadisco", "evolve", str(config_path), *overrides, "--run", str(run_path), *limit])
    with Display(quiet) as display, contextlib.ExitStack() as stack:
        with interrupt.busy:
            lock = stack.enter_context(RunLock(run.path, display.say))
            interrupt.prepare(display.say, [display.stop, lock.release], again)
        recorder = RunRecorder(run, config, display, lock, deadline, interrupt)
        try:
            _search(config, recorder, lambda: interrupt.requested or not recorder.has_time())
        except BrokenPipeError:
            raise
        except (OSError, MachineError) as error:
            raise _explained(error, run, lock, again) from error
        finally:
            interrupt.end()
        hours = (
            "" if interrupt.requested or max_hours is None else f", as the next would not fit into {max_hours} hours"
        )
        display.say(_outcome(recorder, config.outer.num_generations, run_path, hours, again))
    return 0


def _search(config: Config, recorder: RunRecorder, should_stop: Callable[[], bool]) -> None:
    """Build everything, and search."""
    recorder.check()
    from metadisco.outer.devices import start_jax

    start_jax(config.outer.num_devices, config.deterministic)

    from metadisco.outer.search import search
    from metadisco.problems import make_objective_discovery, task_infos

    problem = make_objective_discovery(config)
    with recorder:
        search(
            problem,
            config.outer,
            recorder,
            tasks=task_infos(config),
            seed=config.seed,
            should_stop=should_stop,
            announce=recorder.announce,
        )


def _outcome(recorder: RunRecorder, asked: int, run_path: Path, hours: str, again: str) -> str:
    """Return the last sentence of a command that ends well."""
    done, summary = recorder.done, recorder.summary()
    if done < asked:
        return f"stopped after generation {done} of {asked}{hours}{summary}; to go on: {again}"
    return f"done: {done} generations in {run_path}{'' if done == asked else f' ({asked} were asked for)'}{summary}"


def _explained(error: OSError | MachineError, run: RunDirectory, lock: RunLock, again: str) -> Exception:
    """Return what to raise where the machine refused something: one sentence, and how to go on."""
    try:
        lock.check()
    except MachineError as gone:
        return MachineError(f"{gone}; to start again: {again}")
    what = str(error) if isinstance(error, MachineError) else describe_os_error(error, str(run.path))
    if what is None:
        return error
    return MachineError(f"{what}; what was saved is safe, and once there is a remedy this goes on: {again}")
