"""`metadisco evaluate --players`: players of repeated games against learners, on the same lifetimes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metadisco.api import players as crossing
from metadisco.commands.figure_style import figure_style
from metadisco.commands.tables import print_tables


def evaluate(
    players: Sequence[str],
    opponents: Sequence[str],
    output: Path,
    formats: Sequence[str],
    quiet: bool,
    style: str | None = None,
    **given: Any,
) -> int:
    """Let players meet opponents; write and print what came out; return the exit code.

    Args:
        players: by name, with settings; none twice.
        opponents: likewise.
        output: folder.
        formats: of figures, beside PNG and SVG.
        quiet: print nothing.
        style: of figures, as `look` takes it.
        **given: what else `evaluate_players` takes, where it was given.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    with figure_style(style, formats):
        found = crossing.evaluate_players(players, opponents, output=output, progress=not quiet, **given)
    if not quiet:
        from metadisco.evaluation.cross_results import cross_tables

        print_tables(cross_tables(found))
    return 0
