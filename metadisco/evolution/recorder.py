"""Recording a search in its run directory and on the screen."""

import contextlib
import os
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from metadisco.config import Config, completed, to_plain
from metadisco.config.code.own_code import source_of
from metadisco.errors import UserError
from metadisco.evolution.course import Course
from metadisco.evolution.deadline import Deadline
from metadisco.evolution.display import Display
from metadisco.evolution.interrupt import Stop
from metadisco.evolution.notices import Notices
from metadisco.evolution.opening import describe_devices, differences, opening
from metadisco.storage.lock import RunLock
from metadisco.storage.loggers import make_loggers
from metadisco.storage.package import digests_of_opponents
from metadisco.storage.rows import describe_numbers
from metadisco.storage.runs import RunDirectory

if TYPE_CHECKING:
    from metadisco.outer.evaluate import Evaluator
    from metadisco.outer.search import Progress, SearchState
    from metadisco.storage.checkpoints import Checkpoints
    from metadisco.types import MetaProblem


FACTS = {"processes": "num_processes", "devices": "num_devices"}
"""Keys of provenance.json whose names differ from the attributes of `Evaluator`."""


class RunRecorder:
    """Records a search in its run directory and on the screen.

    Attributes:
        done: number of completed generations.
    """

    def __init__(
        self,
        run: RunDirectory,
        config: Config,
        display: Display,
        lock: RunLock,
        deadline: Deadline,
        interrupt: Stop,
    ):
        self._run, self._config, self._display = run, config, display
        self._lock, self._deadline, self._interrupt = lock, deadline, interrupt
        self._checkpoints: Checkpoints | None = None
        self._loggers: list[Any] = []
        self._notices = Notices([], config.outer.strategy.population_size)
        self._course: Course | None = None
        self._mark = time.monotonic()
        self.done = 0

    def check(self) -> None:
        """Compare the configuration with that of an existing run.

        Raises:
            UserError: with the keys that must not differ but do.
        """
        for change in self._run.check_continues(self._config, whole=False) if self._run.exists else []:
            self._display.say(change)

    def restore(self, template: "SearchState") -> "tuple[SearchState, Progress] | None":
        """Return the newest state of an existing run; writes nothing."""
        from metadisco.storage.arrays import to_arrays

        to_arrays(template.strategy.centre)  # reject what could not be saved before anything is
        if not self._run.exists:
            return None
        restored = self._open().restore(template, self._display.say)
        self.done = restored[1].generation if restored else 0
        rows, centres = self._run.metrics(), self._run.centre_generations()
        reached = max([row["generation"] + 1 for row in rows] + centres, default=0)
        if restored is None and reached:
            raise UserError(
                f"run: {str(self._run.path)!r} has metrics or centres up to generation {reached} but no checkpoint "
                "to continue from; allowed: another run directory; its centres can still be evaluated and exported"
            )
        if reached > self.done:
            self._display.say(
                f"metrics or centres reach generation {reached}, the newest checkpoint generation {self.done}: "
                f"{describe_numbers([self.done + 1, reached] if reached > self.done + 1 else [reached])} "
                "will be repeated with the same numbers"
            )
        missing = set(range(self.done)) - {row["generation"] for row in rows}
        if missing:
            self._display.say(f"metrics.jsonl has lost the rows of generations {describe_numbers(missing)}")
        return restored

    def _open(self) -> "Checkpoints":
        from metadisco.storage.checkpoints import Checkpoints

        if self._checkpoints is None:
            self._checkpoints = Checkpoints(self._run.path / "checkpoints", self._config.outer.keep_checkpoints)
        return self._checkpoints

    def complete(self, problem: "MetaProblem") -> None:
        """Add facts that only the problem knows to the configuration, and compare it with that of an existing run.

        These are facts that the problem passed to its parametrisation, such as the size of an observation. With them
        the learned function can be loaded without creating environments.

        Raises:
            UserError: with the keys that must not differ but do.
        """
        self._config = completed(self._config, problem)
        if self._run.exists:
            self._run.check_continues(self._config)

    def start(self, evaluator: "Evaluator") -> None:
        """Create the run directory, now that everything is checked and compiled; show the devices and the cost."""
        self._check_memory(evaluator)
        facts, before = self._facts(evaluator), self._run.last_start()
        logged = self._run.metrics()
        rows = [row for row in logged if row["generation"] < self.done]
        as_before = all({"processes": 1, **before}.get(name) == value for name, value in facts.items())
        self._deadline.check_start([row.get("seconds") or 0.0 for row in rows] if as_before else [])
        self._interrupt.begin()
        if not self._run.exists:
            self._run.create(self._config)
        self._run.tidy()
        settings, num_again = to_plain(self._config), len(logged) - len(rows)
        self._loggers = make_loggers(self._config.logging, self._run.path, settings, num_again)
        self._run.cut_metrics(self.done)
        self._notices = Notices(rows, self._config.outer.strategy.population_size)
        for sentence in differences(before, facts):
            self._display.say(sentence)
        self._note(evaluator)
        for sentence in opening(self._run.path.name, self._config, evaluator):
            self._display.say(sentence)
        self._course = Course(self._config.outer, rows, self.done, describe_devices(evaluator))
        self._course.show(self._display)
        self._mark = time.monotonic()

    def _check_memory(self, evaluator: "Evaluator") -> None:
        """Reject a search on CPU that exceeds the memory of this machine, as Linux would kill the process silently."""
        devices = evaluator.num_devices // evaluator.num_processes
        needed, there = (evaluator.chunk_bytes or 0) * devices, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if evaluator.platform == "cpu" and needed > there:
            raise UserError(
                f"outer.strategy.population_size: got {self._config.outer.strategy.population_size}, for which "
                f"{needed / 2**30:,.0f} GiB of memory are needed and {there / 2**30:,.0f} GiB are here; "
                "allowed: fewer members or rollouts, or a smaller outer.chunk_size"
            )

    def _note(self, evaluator: "Evaluator") -> None:
        """Record the devices and settings with which the run continues."""
        seconds = round(evaluator.compile_seconds, 2)
        self._run.note_start(self._facts(evaluator) | {"generation": self.done, "compile_seconds": seconds})

    def _facts(self, evaluator: "Evaluator") -> dict[str, Any]:
        """Return facts for provenance.json that numbers may depend on, with digests of user's code and of opponents."""
        names = ("processes", "devices", "platform", "chunk_size")
        facts = {name: getattr(evaluator, FACTS.get(name, name)) for name in names}
        digests = {"code": source_of(to_plain(self._config)), "opponents": digests_of_opponents(self._config)}
        return facts | {name: each for name, each in digests.items() if each}

    def kept_chunk_size(self, num_devices: int, platform: str) -> int | None:
        """Return the chunk size of the newest start, if it was measured on the same number and type of devices."""
        measured = self._run.exists and self._run.config().outer.chunk_size == "auto"
        before = self._run.last_start() if measured else {}
        kept = before.get("chunk_size")
        same = (before.get("devices"), before.get("platform")) == (num_devices, platform)
        return kept if same and isinstance(kept, int) and kept > 0 else None

    def note_change(self, evaluator: "Evaluator") -> None:
        """Record that the run continues with another chunk size."""
        self._lock.check()
        self._note(evaluator)

    def log(self, row: dict[str, Any]) -> None:
        """Append a row to metrics.jsonl, the loggers and the screen."""
        self._deadline.note_generation(self._lap(), "centre_fitness" in row)
        self._lock.check()
        self._run.append_metrics(row)
        for logger in self._loggers:
            logger.log(row)
        self.done = row["generation"] + 1
        if self._course is not None:
            self._course.generation(row, self._display)
        for sentence in self._notices.note(row):
            self._display.say(sentence)

    def save(self, state: "SearchState", progress: "Progress") -> None:
        """Save the search centre, then the whole state, so that a saved state always has its centre on disk."""
        from metadisco.storage.arrays import to_arrays

        self._mark = time.monotonic()
        self._lock.check()
        self._run.write_centre(progress.generation, to_arrays(state.strategy.centre))
        self._open().save(state, progress)
        self._deadline.note_save(self._lap())
        if self._course is not None:
            self._course.saved(progress.generation)

    def _lap(self) -> float:
        """Return the seconds since the last call, or since the last save began."""
        before, self._mark = self._mark, time.monotonic()
        return self._mark - before

    def has_time(self) -> bool:
        """Return whether another generation fits before the deadline."""
        every = self._config.outer.evaluate_every
        return self._deadline.fits(evaluated=bool(every) and (self.done + 1) % every == 0)

    def say(self, sentence: str) -> None:
        """Show a message."""
        self._display.say(sentence)

    def summary(self) -> str:
        """Return a summary of all generations, to be appended to the final message."""
        return self._notices.summary()

    def centre(self) -> str:
        """Return the latest and the best fitness of the centre, to be appended to the final message."""
        centre = ", ".join(self._course.summary() if self._course else [])
        return f"; centre {centre}" if centre else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close files; after an error, ignore further errors."""
        for closing in (*self._loggers, self._checkpoints):
            if closing is not None:
                with contextlib.suppress(*([] if error is None else [Exception])):
                    closing.close()
