"""The reproducible part of rows of metrics."""

from collections.abc import Iterable
from typing import Any

TIMES = ("seconds", "env_steps_per_second")


def timeless(rows: Iterable[dict[str, Any]], *without: str) -> list[dict[str, Any]]:
    """Return rows without times and without the given keys."""
    return [{key: value for key, value in row.items() if key not in (*TIMES, *without)} for row in rows]
