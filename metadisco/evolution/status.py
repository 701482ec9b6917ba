"""What a live display shows of work in progress, as lines that fit the terminal."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from metadisco.evolution.pace import Pace, in_words

MARGIN = "  "


class Status(NamedTuple):
    """Progress of some work, and facts about it."""

    what: str
    """Name of a unit of work, such as `generation`."""
    total: int
    """Number of units; 1 for work that cannot tell how far it is."""
    pace: Pace
    """Measures the units that are done."""
    facts: Callable[[int], Sequence[tuple[str, str]]]
    """Takes the width of a line; returns labels and texts, of which longer ones are wrapped."""

    @property
    def times(self) -> str:
        """Elapsed time and time left; the latter only where it can be known."""
        left = f"{MARGIN}left {in_words(self.pace.left(self.total))}" if self.total > 1 else ""
        return f"elapsed {in_words(self.pace.elapsed)}{left}"

    @property
    def counted(self) -> str:
        """Which unit is done, of how many: `generation 5/36`."""
        return f"{self.what} {self.pace.done}/{self.total}"


def render(status: Status, width: int) -> RenderableType:
    """Return a bar above a list of facts, no line wider than `width`."""
    labelled = [(label, text) for label, text in status.facts(width) if text]
    listed = Table.grid(padding=(0, 2))
    listed.add_column(style="dim", no_wrap=True)
    listed.add_column(overflow="fold")
    for label, text in labelled:
        listed.add_row(label, Text(text))
    bar = _spinner(status) if status.total == 1 else _bar(status)
    return Group(bar, listed) if labelled else Group(bar)


def _bar(status: Status) -> Table:
    """Return `generation 5/36 ━━━━━━ elapsed 0:01:10  left 0:02:20` over the whole width."""
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    line.add_column(no_wrap=True)
    line.add_row(status.counted, ProgressBar(max(status.total, 1), status.pace.done), status.times)
    return line


def _spinner(status: Status) -> Table:
    """Return `⠋ program  elapsed 0:00:12` for work that is one unit."""
    line = Table.grid(padding=(0, 1))
    line.add_row(SPINNER, status.what, status.times)
    return line


SPINNER = Spinner("dots")
