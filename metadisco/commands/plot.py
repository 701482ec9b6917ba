"""`metadisco plot`: figures of a run, of several runs together, and of the losses of any objective."""

from collections.abc import Sequence
from pathlib import Path

from metadisco.api import showing
from metadisco.commands.looking import looking
from metadisco.commands.overrides import is_setting, settings_in


def plot(
    names: Sequence[str],
    output: Path,
    env: str | None,
    config_name: str | None,
    visit: bool,
    three_d: bool,
    words: Sequence[str],
    formats: Sequence[str],
    style: str | None,
    quiet: bool,
) -> int:
    """Draw a run or several, and the losses of an objective; write PNG and SVG; return the exit code.

    What follows the first name may be a setting, too.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    first, *others = names
    words = [*(word for word in others if is_setting(word)), *words]
    with looking(style, formats):
        showing.plot(
            [first, *(word for word in others if not is_setting(word))],
            env=env,
            config=config_name,
            overrides=settings_in(words),
            visit=visit,
            three_d=three_d,
            output=output,
            progress=not quiet,
        )
    return 0
