"""`metadisco evaluate --objectives`: comparison of objectives over environments, on the same seeds."""

from collections.abc import Sequence
from pathlib import Path

from metadisco.api import comparing
from metadisco.commands.figure_style import figure_style
from metadisco.commands.overrides import is_setting, settings_in
from metadisco.commands.tables import print_table


def evaluate(
    objectives: Sequence[str],
    envs: Sequence[str],
    output: Path,
    words: Sequence[str],
    formats: Sequence[str],
    quiet: bool,
    num_seeds: int = 64,
    baseline: str | None = None,
    config: str | None = None,
    style: str | None = None,
) -> int:
    """Train every objective in every environment; write and print the results; return the exit code.

    Args:
        objectives: distinct names; KEY=VALUE words may be among them.
        envs: distinct full names; KEY=VALUE words may be among them.
        output: folder.
        words: settings that replace those of the config, as KEY=VALUE.
        formats: further formats of figures, beside PNG and SVG.
        quiet: print nothing.
        num_seeds: agents per objective and environment.
        baseline: the objective that the others are compared with; None for the first one.
        config: a config file, or a discovery.
        style: of figures, as in `look`.

    Raises:
        UserError: for input that cannot be used; nothing is written then.
    """
    words = [*words, *(word for word in (*objectives, *envs) if is_setting(word))]
    objectives, envs = ([word for word in names if not is_setting(word)] for names in (objectives, envs))
    with figure_style(style, formats):
        found = comparing.evaluate(
            objectives,
            envs,
            num_seeds,
            baseline=baseline or None,
            config=config,
            overrides=settings_in(words),
            output=output,
            progress=not quiet,
        )
    if not quiet:
        from metadisco.evaluation.results import tables_of

        for title, headings, lines in tables_of(found):
            print_table(title, headings, lines, named=True)
    return 0
