"""`metadisco evaluate --talkers`: talkers compared over environments and victims, on the same seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metadisco.api import talkers as comparing
from metadisco.commands.figure_style import figure_style
from metadisco.commands.overrides import is_setting, settings_in
from metadisco.commands.tables import print_comparison
from metadisco.errors import UserError


def evaluate(
    talkers: Sequence[str],
    envs: Sequence[str],
    output: Path,
    words: Sequence[str],
    formats: Sequence[str],
    quiet: bool,
    victims: Sequence[Sequence[str]] = (),
    style: str | None = None,
    **given: Any,
) -> int:
    """Train every victim beside every talker; write and print the results; return the exit code.

    Args:
        talkers: distinct names; KEY=VALUE words may be among them.
        envs: distinct full names; KEY=VALUE words may be among them.
        output: folder.
        words: settings that replace those of the config, as KEY=VALUE.
        formats: further formats of figures, beside PNG and SVG.
        quiet: print nothing.
        victims: of each its name and settings as KEY=VALUE.
        style: of figures, as in `look`.
        **given: what else `evaluate_talkers` takes, where it was given.

    Raises:
        UserError: for input that cannot be used; nothing is written then.
    """
    words = [*words, *(word for word in (*talkers, *envs) if is_setting(word))]
    talkers, envs = ([word for word in names if not is_setting(word)] for names in (talkers, envs))
    with figure_style(style, formats):
        found = comparing.evaluate_talkers(
            talkers,
            envs,
            victims=_by_name(victims),
            overrides=settings_in(words),
            output=output,
            progress=not quiet,
            **given,
        )
    if not quiet:
        print_comparison(found, output)
    return 0


def _by_name(victims: Sequence[Sequence[str]]) -> dict[str, dict[str, Any]]:
    """Return the settings of victims by name.

    Raises:
        UserError: for a name that is given twice.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, *words in victims:
        if name in found:
            raise UserError(f"--victim: got {name!r} twice, allowed: each once")
        found[name] = settings_in(words)
    return found
