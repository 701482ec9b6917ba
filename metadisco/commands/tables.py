"""Tables on the terminal, printed to stdout."""

import math
from collections.abc import Iterable, Sequence

from metadisco.storage.rows import format_number


def print_table(
    title: str,
    headings: Sequence[str],
    lines: Iterable[Sequence[str]],
    *,
    last: Sequence[str] | None = None,
    named: bool = False,
) -> None:
    """Print a table of numbers.

    Args:
        title: title of the table.
        headings: one per column.
        lines: entries of the rows.
        last: a last row below a rule, such as means.
        named: whether the first column holds names.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if named and number == 0 else "right")
    for line in lines:
        table.add_row(*line)
    if last is not None:
        table.add_section()
        table.add_row(*last)
    Console(highlight=False, markup=False).print(table)


def print_tables(tables: Iterable[tuple[str, Sequence[str], Sequence[Sequence[str]]]]) -> None:
    """Print tables, each as (title, headings, lines), whose first columns hold names."""
    for title, headings, lines in tables:
        print_table(title, headings, lines, named=True)


def shown(value: float) -> str:
    """Return a number as text; a dash for NaN."""
    return "-" if math.isnan(value) else format_number(value)
