"""KEY=VALUE words of commands that take settings, and no constants of an objective."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metadisco.config import parse_override
from metadisco.config.grid import split_objective
from metadisco.errors import UserError


def is_setting(word: str) -> bool:
    """Whether a word among names is KEY=VALUE, and not the path of something there."""
    return "=" in word and not Path(word.rpartition("@")[0] or word).exists() and not Path(word).exists()


def settings_in(words: Sequence[str], why: str = "; name an objective as it is") -> dict[str, Any]:
    """Return settings by dotted key.

    Args:
        words: KEY=VALUE.
        why: constants cannot be set, or what to do instead, as the end of a sentence.

    Raises:
        UserError: if one is a constant of an objective.
    """
    constants, overrides = split_objective(dict(parse_override(word) for word in words))
    if constants:
        raise UserError(f"objective.{next(iter(constants))}: constants cannot be set here{why}")
    return overrides
