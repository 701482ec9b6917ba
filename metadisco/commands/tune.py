"""`metadisco tune`: the best settings of objectives, searched with hundreds of agents."""

from collections.abc import Sequence
from pathlib import Path

from metadisco.api import tuning
from metadisco.commands.figure_style import figure_style
from metadisco.commands.overrides import settings_in
from metadisco.commands.tables import print_table


def tune(
    space: Path, words: Sequence[str], output: Path, formats: Sequence[str], style: str | None, quiet: bool
) -> int:
    """Search, choose and judge; write and print the results; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing is trained then.
    """
    with figure_style(style, formats):
        found = tuning.tune(space, settings_in(words), output=output, progress=not quiet)
    if not quiet:
        from metadisco.tuning.results import tables_of

        for title, headings, lines in tables_of(found):
            print_table(title, headings, lines, named=True)
    return 0
