"""`metadisco plot`: figures of a run, of several runs together, and of the losses of any objective."""

from collections.abc import Sequence
from pathlib import Path

from metadisco.api import showing
from metadisco.commands.figure_style import figure_style
from metadisco.commands.overrides import is_setting, settings_in


def plot(
    names: Sequence[str],
    output: Path,
    env: str | None,
    config: str | None,
    visit: bool,
    interactive: bool,
    annotate: bool,
    words: Sequence[str],
    formats: Sequence[str],
    style: str | None,
    quiet: bool,
) -> int:
    """Draw a run or several, and the losses of an objective; return the exit code.

    KEY=VALUE words may be among the names, except for the first one.

    Raises:
        UserError: for input that cannot be used; nothing is written then.
    """
    first, *others = names
    words = [*(word for word in others if is_setting(word)), *words]
    with figure_style(style, formats):
        showing.plot(
            [first, *(word for word in others if not is_setting(word))],
            env=env,
            config=config,
            overrides=settings_in(words),
            visit=visit,
            interactive=interactive,
            annotate=annotate,
            output=output,
            progress=not quiet,
        )
    return 0
