"""`metadisco evolve`: run a search, or continue one."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metadisco.config import (
    Config,
    apply_overrides,
    check_references,
    parse_config,
    parse_override,
    read_yaml,
    to_plain,
)
from metadisco.display import Display
from metadisco.errors import UserError
from metadisco.interrupt import Interrupt
from metadisco.loggers import check_loggers, make_loggers
from metadisco.runs import RunDirectory

if TYPE_CHECKING:
    from metadisco.checkpoints import Checkpoints
    from metadisco.outer.evaluate import Evaluator
    from metadisco.outer.search import Progress, SearchState


def evolve(config_path: Path, overrides: Sequence[str], run_path: Path, quiet: bool) -> int:
    """Run or continue a search; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    config = parse_config(apply_overrides(read_yaml(config_path), map(parse_override, overrides)))
    check_references(config)
    check_loggers(config.logging)
    run = RunDirectory(run_path)
    run.check_usable()
    changes = run.check_continues(config) if run.exists else []
    again = shlex.join(["metadisco", "evolve", str(config_path), *overrides, "--run", str(run_path)])
    with Display(quiet) as display, Interrupt(display.say) as interrupt:
        for change in changes:
            display.say(change)
        recorder = _Recorder(run, config, display)
        try:
            done = _search(config, recorder, interrupt)
        except KeyboardInterrupt:
            display.say(f"stopped at once; to go on from the last checkpoint: {again}")
            return 0
        finally:
            recorder.close()
    if done < config.outer.num_generations:
        display.say(f"stopped after generation {done} of {config.outer.num_generations}; to go on: {again}")
    else:
        asked = "" if done == config.outer.num_generations else f" ({config.outer.num_generations} were asked for)"
        display.say(f"done: {done} generations in {run_path}{asked}")
    return 0


def _search(config: Config, recorder: "_Recorder", interrupt: Interrupt) -> int:
    """Build everything and search; return how many generations are done."""
    from metadisco.outer.devices import start_jax

    start_jax(config.outer.num_devices, config.deterministic)

    from metadisco.outer.search import search
    from metadisco.problems import make_objective_discovery, task_infos

    problem = make_objective_discovery(config)
    search(
        problem,
        config.outer,
        recorder,
        tasks=task_infos(config),
        seed=config.seed,
        should_stop=lambda: interrupt.requested,
        announce=recorder.announce,
    )
    return recorder.done


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
        facts = {"devices": evaluator.num_devices, "platform": evaluator.platform, "chunk_size": evaluator.chunk_size}
        for name, value in facts.items():
            if name in before and before[name] != value:
                self._display.say(
                    f"{name} was {before[name]} and is {value} now: numbers agree to float tolerance only"
                )
        self._run.note_start(facts | {"generation": self.done, "compile_seconds": round(evaluator.compile_seconds, 2)})
        outer, tasks = self._config.outer, self._config.inner.tasks
        life = sum(task.ppo.executed_env_steps for task in tasks)
        where = f" on {len(tasks)} environments" if len(tasks) > 1 else ""
        memory = "unknown" if evaluator.chunk_bytes is None else f"{evaluator.chunk_bytes / 2**20:,.1f} MiB"
        self._display.say(
            f"{self._run.path.name}: {outer.strategy.name}, {outer.strategy.population_size} members × "
            f"{outer.num_rollouts} rollouts of {life:,} steps{where} = {outer.num_lives * life:,} steps a generation"
        )
        self._display.say(
            f"{evaluator.num_devices} {evaluator.platform} devices, chunks of {evaluator.chunk_size} lives; "
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
