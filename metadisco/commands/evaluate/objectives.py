"""`metadisco evaluate --objectives`: objectives compared over environments, on the same seeds."""

from collections.abc import Sequence
from pathlib import Path

from metadisco.api import comparing
from metadisco.commands.looking import looking
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
    config_name: str | None = None,
    style: str | None = None,
) -> int:
    """Train every objective in every environment; write and print what came out; return the exit code.

    Args:
        objectives: by name; none twice. KEY=VALUE words may be among them.
        envs: by full name; none twice; likewise.
        output: folder.
        words: settings in place of those of the config, as KEY=VALUE.
        formats: of figures, beside PNG and SVG.
        quiet: print nothing.
        num_seeds: lives per cell.
        baseline: what is compared with; the first objective where it is None.
        config_name: a config file, or a discovery.
        style: of figures, as `look` takes it.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    words = [*words, *(word for word in (*objectives, *envs) if is_setting(word))]
    objectives, envs = ([word for word in names if not is_setting(word)] for names in (objectives, envs))
    with looking(style, formats):
        found = comparing.evaluate(
            objectives,
            envs,
            num_seeds,
            baseline=baseline or None,
            config=config_name,
            overrides=settings_in(words),
            output=output,
            progress=not quiet,
        )
    if not quiet:
        from metadisco.evaluation.tables import tables

        for title, headings, lines in tables(found.rows, found.held_out, found.baseline):
            print_table(title, headings, lines, named=True)
    return 0
