"""`metadisco evaluate --tuned`: objectives, each with its own best settings."""

from collections.abc import Sequence
from pathlib import Path

from metadisco.api.tuned import evaluate_tuned
from metadisco.commands.figure_style import figure_style
from metadisco.commands.overrides import is_setting, settings_in
from metadisco.commands.tables import print_comparison


def evaluate(
    tuned: str,
    output: Path,
    words: Sequence[str],
    formats: Sequence[str],
    quiet: bool,
    envs: Sequence[str] | None = None,
    num_seeds: int = 64,
    baseline: str | None = None,
    style: str | None = None,
) -> int:
    """Train every objective of a search with its best settings; write and print the results; return the exit code.

    Args:
        tuned: output of `metadisco tune`.
        output: folder.
        words: settings that replace those that were found, as KEY=VALUE.
        formats: further formats of figures, beside PNG and SVG.
        quiet: print nothing.
        envs: distinct full names; KEY=VALUE words may be among them. None for those of the search.
        num_seeds: agents per objective and environment.
        baseline: the objective that the others are compared with; None for the first one.
        style: of figures, as in `look`.

    Raises:
        UserError: for input that cannot be used; nothing is written then.
    """
    words = [*words, *(word for word in envs or () if is_setting(word))]
    places = None if envs is None else [word for word in envs if not is_setting(word)]
    with figure_style(style, formats):
        found = evaluate_tuned(
            tuned,
            places,
            num_seeds,
            baseline=baseline or None,
            overrides=settings_in(words),
            output=output,
            progress=not quiet,
        )
    if not quiet:
        print_comparison(found, output)
    return 0
