"""`metadisco plot`: figures of a run and of the losses of any objective."""

from collections.abc import Sequence
from pathlib import Path

from metadisco.api import showing
from metadisco.commands.figure_style import figure_style
from metadisco.commands.overrides import settings_in


def plot(
    name: str,
    output: Path,
    env: str | None,
    config: str | None,
    visit: bool,
    three_d: bool,
    words: Sequence[str],
    formats: Sequence[str],
    style: str | None,
    quiet: bool,
) -> int:
    """Draw a run and the losses of an objective as PNG and SVG; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing is written then.
    """
    with figure_style(style, formats):
        showing.plot(
            name,
            env=env,
            config=config,
            overrides=settings_in(words),
            visit=visit,
            three_d=three_d,
            output=output,
            progress=not quiet,
        )
    return 0
