"""Tables on the terminal, printed to stdout."""

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metadisco.storage.rows import format_number

if TYPE_CHECKING:
    from rich.console import Console

    from metadisco.evaluation.evaluate import Comparison
    from metadisco.evaluation.overview import Overview

WIDE = 10_000
"""Width of a line in a file or a pipe, where nothing needs to be wrapped."""
BORDERS = 3
"""Characters between two columns."""


def print_table(
    title: str,
    headings: Sequence[str],
    lines: Iterable[Sequence[str]],
    *,
    named: bool = False,
) -> None:
    """Print a table of numbers.

    Args:
        title: title of the table.
        headings: one per column.
        lines: entries of the rows.
        named: whether the first column holds names.
    """
    _print(title, headings, [("", list(lines))], named)


def print_tables(tables: Iterable[tuple[str, Sequence[str], Sequence[Sequence[str]]]]) -> None:
    """Print tables, each as (title, headings, lines), whose first columns hold names."""
    for title, headings, lines in tables:
        print_table(title, headings, lines, named=True)


def print_comparison(found: "Comparison", output: Path) -> None:
    """Print the means and differences of a comparison, and where the complete tables are."""
    from metadisco.evaluation.control_rows import control_tables
    from metadisco.evaluation.overview import overview

    shown = overview(found.rows, found.held_out, found.baseline)
    for columns in _fitting(shown, _console().width):
        blocks = [(title, [[line[each] for each in columns] for line in lines]) for title, lines in shown.blocks]
        _print(shown.title, [shown.headings[each] for each in columns], blocks, True)
    print_tables(control_tables(found.control))
    for note in (
        *shown.notes,
        f"medians, probabilities and learning curves: {output / 'table.md'}, {output / 'figures'}",
    ):
        print(note)


def _fitting(shown: "Overview", width: int) -> Iterator[list[int]]:
    """Divide the columns of a table into parts that fit a line; each begins with the first column."""
    entries = zip(shown.headings, *(line for _, lines in shown.blocks for line in lines), strict=True)
    first, *others = (max(len(part) for entry in column for part in entry.split("\n")) for column in entries)
    part, used = [0], first
    for number, column in enumerate(others, 1):
        if len(part) > 1 and used + column + BORDERS * (len(part) + 1) > width:
            yield part
            part, used = [0], first
        part.append(number)
        used += column
    yield part


def _print(
    title: str, headings: Sequence[str], blocks: Sequence[tuple[str, Sequence[Sequence[str]]]], named: bool
) -> None:
    """Print a table in blocks of rows, each with its title if there is one."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if named and number == 0 else "right")
    for name, lines in blocks:
        table.add_section()
        if name:
            table.add_row(name, style="bold")
        for line in lines:
            table.add_row(*line)
    _console().print(table)


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE)


def shown(value: float) -> str:
    """Return a number as text; a dash for NaN."""
    return "-" if math.isnan(value) else format_number(value)
