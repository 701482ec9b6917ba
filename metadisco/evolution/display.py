"""Progress display: live on a terminal or in a notebook with ipywidgets, else lines with the time of day.

All output goes to stderr, except for rich's output in a notebook.
"""

import importlib.util
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from metadisco.evolution.pace import Pace
from metadisco.evolution.shell import broken
from metadisco.evolution.status import MARGIN, Status, render

REFRESHES = 2
"""Per second, of a live display."""


class Display:
    """Messages and progress.

    Args:
        quiet: show no output.
    """

    def __init__(self, quiet: bool = False):
        options: dict[str, Any] = {"stderr": True, "quiet": quiet, "highlight": False}
        self._console = Console(**options)
        if self._console.is_jupyter and importlib.util.find_spec("ipywidgets") is None:
            # Without ipywidgets rich has no live display in a notebook, and would print a warning at every step.
            self._console = Console(**options, force_jupyter=False, force_terminal=False)
        terminal = self._console.is_terminal and not self._console.is_dumb_terminal
        self._can_update = terminal or self._console.is_jupyter
        self._live: Live | None = None
        self._status: Status | None = None

    def say(self, sentence: str, command: str = "") -> None:
        """Print a message, and below it a command for the shell, which stays valid where it is broken into lines."""
        if not self._can_update:
            self._line(f"{sentence} {command}".rstrip())
            return
        self._console.print(Text(sentence))
        for line in broken(command, self._console.width):
            self._console.print(Text(line), soft_wrap=True)

    def _line(self, text: str) -> None:
        """Print one line of a log."""
        self._console.print(Text(f"{time.strftime('%H:%M:%S')}{MARGIN}{text}"), soft_wrap=True)

    def follow(self, status: Status) -> None:
        """Keep the progress of some work up to date on a terminal, until `stop`; elsewhere wait for `log`.

        What can tell nothing but how long it has taken disappears from the terminal in the end.
        """
        self.stop()
        self._status = status
        if self._can_update:
            self._live = Live(
                get_renderable=lambda: render(status, self._console.width),
                console=self._console,
                refresh_per_second=REFRESHES,
                transient=status.total == 1,
            )
            self._live.start()

    def log(self, facts: str) -> None:
        """Describe the last unit of the work that is followed; a terminal shows its facts instead."""
        if self._live is not None:
            self._live.refresh()
        elif self._status is not None:
            self._line(MARGIN.join(filter(None, [_padded(self._status), self._status.times, facts])))

    def counting(self, what: str) -> Callable[[int, int, str], None]:
        """Return a function (done, total, description of the last unit) that shows progress.

        Args:
            what: name of the unit. Counting starts when none is done, and stops with the last one.
        """
        pace, said = Pace(), ""

        def progress(done: int, total: int, facts: str) -> None:
            nonlocal pace, said
            said = facts
            if done:
                pace.mark(done)
                self.log(facts)
            else:
                pace = Pace()
                self.follow(Status(what, total, pace, lambda width: [("", said)]))
                if facts:
                    self.log(facts)
            if done == total:
                self.stop()

        return progress

    def stop(self) -> None:
        """Restore the terminal; may be called repeatedly."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._status = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _padded(status: Status) -> str:
    """Return the number of the unit, as wide for the first one as for the last."""
    return status.counted.ljust(len(f"{status.what} {status.total}/{status.total}"))
