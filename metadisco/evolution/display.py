"""Progress display: a live bar on a terminal or in a notebook with ipywidgets, else plain lines.

All output goes to stderr, except for rich's output in a notebook.
"""

import importlib.util
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from metadisco.storage.rows import format_number

SHOWN = (
    ("fitness_mean", "mean"),
    ("fitness_std", "±"),
    ("fitness_best", "best"),
    ("centre_fitness", "centre"),
    ("failed_members", "failed"),
    ("env_steps_per_second", "steps/s"),
)
ALWAYS = {"fitness_mean", "fitness_std", "fitness_best"}
METRICS = "metrics/"


class Display:
    """Progress over generations or other units.

    Args:
        quiet: show no output.
    """

    def __init__(self, quiet: bool = False):
        options: dict[str, Any] = {"stderr": True, "quiet": quiet, "highlight": False, "soft_wrap": True}
        self._console = Console(**options)
        if self._console.is_jupyter and importlib.util.find_spec("ipywidgets") is None:
            # Without ipywidgets rich has no bar in a notebook, and would print a warning at every step.
            self._console = Console(**options, force_jupyter=False, force_terminal=False)
        self._progress: Progress | None = None
        self._total, self._what = 0, "generation"

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, markup=False)

    def start(self, done: int, total: int, what: str = "generation") -> None:
        """Start counting generations or other units."""
        self._total, self._what = total, what
        if self._console.is_terminal or self._console.is_jupyter:
            self._progress = Progress(
                TextColumn(what),
                MofNCompleteColumn(),
                BarColumn(bar_width=20),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(elapsed_when_finished=True),
                TextColumn("{task.fields[facts]}"),
                console=self._console,
            )
            self._progress.add_task(what, completed=done, total=total, facts="")
            self._progress.start()

    def generation(self, row: Mapping[str, Any]) -> None:
        """Show one row of metrics."""
        self.advance(row["generation"] + 1, describe(row))

    def advance(self, done: int, facts: str) -> None:
        """Show how many units are done, and a description of the last one."""
        if self._progress is None:
            self.say(f"{self._what} {done}/{self._total}  {facts}")
        else:
            self._progress.update(self._progress.task_ids[0], completed=done, facts=facts)

    def counting(self, what: str) -> Callable[[int, int, str], None]:
        """Return a function (done, total, description of the last unit) that shows progress.

        Args:
            what: name of the unit. Counting starts when none is done, and stops with the last one.
        """

        def progress(done: int, total: int, facts: str) -> None:
            if done:
                self.advance(done, facts)
            else:
                self.start(done, total, what)
            if done == total:
                self.stop()

        return progress

    def stop(self) -> None:
        """Restore the terminal; may be called repeatedly."""
        if self._progress is not None:
            self._progress.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def describe(row: Mapping[str, Any]) -> str:
    """Return one line with the main numbers of a row; zeros are omitted, except for those of fitness."""
    parts = []
    metrics = [(name, name.removeprefix(METRICS)) for name in row if name.startswith(METRICS)]
    for name, label in (*SHOWN[:-1], *metrics, SHOWN[-1]):
        value = row.get(name)
        if value or name in ALWAYS:
            parts.append(f"{label} {'-' if value is None else format_number(value)}")
    if "centre_fitness" in row and row["centre_fitness"] is None:
        parts.append("centre failed")
    if skip := describe_skip(row):
        parts.append(skip)
    return "  ".join(parts)


def describe_skip(row: Mapping[str, Any]) -> str:
    """Return why a generation was skipped, or an empty string if it was not."""
    if not row.get("step_skipped"):
        return ""
    why = "all members failed" if row.get("fitness_mean") is None else "all members have the same fitness"
    return f"nothing learned: {why}"
