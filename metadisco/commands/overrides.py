"""KEY=VALUE words of commands that accept settings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metadisco.config import parse_override


def is_setting(word: str) -> bool:
    """Whether a word among names is KEY=VALUE and not an existing path."""
    return "=" in word and not Path(word.rpartition("@")[0] or word).exists() and not Path(word).exists()


def settings_in(words: Sequence[str]) -> dict[str, Any]:
    """Return settings by dotted key.

    Args:
        words: KEY=VALUE.

    Raises:
        UserError: for a word that is not KEY=VALUE.
    """
    return dict(map(parse_override, words))
