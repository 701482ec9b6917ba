"""`metadisco evolve`: run a search, or continue one."""

import importlib.metadata
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metadisco.config import (
    Config,
    apply_overrides,
    check_references,
    flatten,
    parse_config,
    parse_override,
    read_yaml,
    to_plain,
)
from metadisco.display import Display
from metadisco.errors import UserError
from metadisco.interrupt import Interrupt
from metadisco.loggers import check_loggers, make_loggers
from metadisco.outer.team import ALONE, Place, Team
from metadisco.runs import RunDirectory

if TYPE_CHECKING:
    from metadisco.checkpoints import Checkpoints
    from metadisco.outer.evaluate import Evaluator
    from metadisco.outer.search import Progress, SearchState

SAME = ("metadisco", "jax", "jaxlib", "evosax", "gymnax")
"""Packages of which several processes must have the same version."""


def evolve(config_path: Path, overrides: Sequence[str], run_path: Path, quiet: bool, place: Place | None = None) -> int:
    """Run or continue a search, or take part in one; return the exit code.

    Args:
        config_path: the configuration.
        overrides: words KEY=VALUE.
        run_path: the run directory; of several processes only the first one looks at it.
        quiet: print nothing but errors.
        place: where this process stands among several; None if it is alone.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    config = read_config(config_path, overrides)
    team = ALONE if place is None else _join(config, place)
    with team.agreed():
        run, changes = _open(run_path, config) if team.first else (None, [])
    options = place.again if place else ()
    again = shlex.join(["metadisco", "evolve", str(config_path), *overrides, "--run", str(run_path), *options])
    with Display(quiet or not team.first) as display, Interrupt(display.say) as interrupt:
        for change in changes:
            display.say(change)
        recorder = _Recorder(run, config, display) if run else None
        try:
            done = _search(config, recorder, team, lambda: interrupt.requested)
        except KeyboardInterrupt:
            display.say(f"stopped at once; to go on from the last checkpoint: {again}")
            return 0
        finally:
            if recorder is not None:
                recorder.close()
    if done < config.outer.num_generations:
        display.say(f"stopped after generation {done} of {config.outer.num_generations}; to go on: {again}")
    else:
        asked = "" if done == config.outer.num_generations else f" ({config.outer.num_generations} were asked for)"
        display.say(f"done: {done} generations in {run_path}{asked}")
    return 0


def read_config(path: Path, overrides: Sequence[str]) -> Config:
    """Return the configuration, checked as far as needs no library.

    Raises:
        UserError: if it cannot be used.
    """
    config = parse_config(apply_overrides(read_yaml(path), map(parse_override, overrides)))
    check_references(config)
    check_loggers(config.logging)
    return config


def check_run(path: Path, config: Config) -> None:
    """Refuse a run directory that cannot be used with a configuration; writes nothing.

    Raises:
        UserError: naming what is in the way.
    """
    _open(path, config)


def _open(path: Path, config: Config) -> tuple[RunDirectory, list[str]]:
    """Return the run directory, and sentences about what has changed in its configuration."""
    run = RunDirectory(path)
    run.check_usable()
    return run, run.check_continues(config) if run.exists else []


def _join(config: Config, place: Place) -> Team:
    """Join the other processes, start JAX with them, and see whether all of them mean the same."""
    from metadisco.outer.devices import start_jax
    from metadisco.outer.processes import join, team_of

    join(place)
    trouble = None
    try:
        start_jax(config.outer.num_devices, config.deterministic, place.num_processes or 1)
    except UserError as error:
        trouble = error
    team = team_of(place)
    team.check_same({name: importlib.metadata.version(name) for name in SAME} | flatten(to_plain(config)))
    with team.agreed():
        if trouble:
            raise trouble
    return team


def _search(config: Config, recorder: "_Recorder | None", team: Team, requested: Callable[[], bool]) -> int:
    """Build everything and search; return how many generations are done."""
    from metadisco.outer.devices import start_jax

    if team is ALONE:
        start_jax(config.outer.num_devices, config.deterministic)

    from metadisco.outer.search import search
    from metadisco.outer.sharing import SharedRecorder
    from metadisco.problems import make_objective_discovery, task_infos

    with team.agreed():
        problem = make_objective_discovery(config)
    shared = SharedRecorder(team, recorder)
    search(
        problem,
        config.outer,
        shared,
        tasks=task_infos(config),
        seed=config.seed,
        should_stop=lambda: team.should_stop(requested()),
        announce=lambda evaluator: shared.announce(evaluator, recorder.announce if recorder else None),
    )
    return shared.done


class _Recorder:
    """Leaves the traces of a search in its run directory and on the screen."""

    def __init__(self, run: RunDirectory, config: Config, display: Display):
        self._run, self._config, self._display = run, config, display
        self._checkpoints: Checkpoints | None = None
        self._loggers: list[Any] = []
        self.done = 0

    def restore(self, template: "SearchState") -> "tuple[SearchState, Progress] | None":
        """Return the newest state of a run that exists; writes nothing."""
        if not self._run.exists:
            return None
        restored = self._open().restore(template, self._display.say)
        if restored is None and self._run.metrics():
            raise UserError(f"--run: {str(self._run.path)!r} has metrics but no checkpoint to go on from")
        self.done = restored[1].generation if restored else 0
        return restored

    def _open(self) -> "Checkpoints":
        from metadisco.checkpoints import Checkpoints

        if self._checkpoints is None:
            self._checkpoints = Checkpoints(self._run.path / "checkpoints", self._config.outer.keep_checkpoints)
        return self._checkpoints

    def announce(self, evaluator: "Evaluator") -> None:
        """Make the run directory, now that all is checked and compiled; say what it runs on and what it costs."""
        if not self._run.exists:
            self._run.create(self._config)
        self._run.cut_metrics(self.done)
        self._loggers = make_loggers(self._config.logging, self._run.path, to_plain(self._config))
        before = self._run.last_start()
        facts = {
            "processes": evaluator.num_processes,
            "devices": evaluator.num_devices,
            "platform": evaluator.platform,
            "chunk_size": evaluator.chunk_size,
        }
        for sentence in differences(before, facts):
            self._display.say(sentence)
        self._run.note_start(facts | {"generation": self.done, "compile_seconds": round(evaluator.compile_seconds, 2)})
        outer, tasks = self._config.outer, self._config.inner.tasks
        life = sum(task.ppo.executed_env_steps for task in tasks)
        where = f" on {len(tasks)} environments" if len(tasks) > 1 else ""
        memory = "unknown" if evaluator.chunk_bytes is None else f"{evaluator.chunk_bytes / 2**20:,.1f} MiB"
        self._display.say(
            f"{self._run.path.name}: {outer.strategy.name}, {outer.strategy.population_size} members × "
            f"{outer.num_rollouts} rollouts of {life:,} steps{where} = {outer.num_lives * life:,} steps a generation"
        )
        of = f" of {evaluator.num_processes} processes" if evaluator.num_processes > 1 else ""
        self._display.say(
            f"{evaluator.num_devices} {evaluator.platform} devices{of}, chunks of {evaluator.chunk_size} lives; "
            f"memory per device {memory}; compiled in {evaluator.compile_seconds:.1f} s"
        )
        self._display.start(self.done, outer.num_generations)

    def log(self, row: dict[str, Any]) -> None:
        """Append a row to metrics.jsonl, the loggers and the screen."""
        self._run.append_metrics(row)
        for logger in self._loggers:
            logger.log(row)
        self.done = row["generation"] + 1
        self._display.generation(row)

    def save(self, state: "SearchState", progress: "Progress") -> None:
        """Keep the centre, then the whole state: a state on disk implies that its centre is."""
        from metadisco.export.arrays import to_arrays

        self._run.write_centre(progress.generation, to_arrays(state.strategy.centre))
        self._open().save(state, progress)

    def close(self) -> None:
        """Close files."""
        for logger in self._loggers:
            logger.close()
        if self._checkpoints is not None:
            self._checkpoints.close()


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say on what a run goes on that is not what it ran on before, and what becomes of its numbers.

    Args:
        before: the newest entry of provenance.json; empty for a new run.
        now: `processes`, `devices`, `platform` and `chunk_size`.
    """
    old = {"processes": 1, **before} if before else {}
    changed = [name for name in now if name in old and old[name] != now[name]]
    exact = "platform" not in changed and "chunk_size" not in changed and now["platform"] == "cpu"
    same = exact and now["chunk_size"] == 1
    what = "numbers stay the same to the bit" if same else "numbers agree to float tolerance only"
    return [f"{name} was {old[name]} and is {now[name]} now: {what}" for name in changed]
