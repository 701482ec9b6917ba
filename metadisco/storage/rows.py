"""Rows of metrics.jsonl: read from what a kill or a bad disk has left of the file."""

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from types import NoneType
from typing import Any

MAX_GENERATION = 2**53  # beyond which a float does not tell one from the next


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return one row per generation in order, of several the last; what is torn or no row is left out."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            rows.append(json.loads(line))
    last = {row["generation"]: row for row in rows if _is_row(row)}
    return [last[generation] for generation in sorted(last)]


def _is_row(row: Any) -> bool:
    """Return whether something is an object of numbers with a generation."""
    if not isinstance(row, dict) or not all(isinstance(each, (int, float, NoneType)) for each in row.values()):
        return False
    generation = row.get("generation")
    return isinstance(generation, int) and 0 <= generation < MAX_GENERATION


def describe_numbers(numbers: Iterable[int]) -> str:
    """Return numbers in words, neighbours drawn together: `3, 5 to 9`."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][-1] + 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return ", ".join(" to ".join(map(str, span)) for span in spans)


def format_number(value: float) -> str:
    """Return a number in four digits or so, with separators where it is large."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
