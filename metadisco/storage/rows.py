"""Rows of metrics.jsonl; a file that a killed process or a bad disk damaged can be read, too."""

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from types import NoneType
from typing import Any

MAX_GENERATION = 2**53  # beyond it floats do not represent every integer


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return one row per generation in order, the last one of several; torn lines and other contents are skipped."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            rows.append(json.loads(line))
    last = {row["generation"]: row for row in rows if _is_row(row)}
    return [last[generation] for generation in sorted(last)]


def _is_row(row: Any) -> bool:
    """Return whether a value is an object of numbers with a generation."""
    if not isinstance(row, dict) or not all(isinstance(each, (int, float, NoneType)) for each in row.values()):
        return False
    generation = row.get("generation")
    return isinstance(generation, int) and 0 <= generation < MAX_GENERATION


def describe_numbers(numbers: Iterable[int]) -> str:
    """Return numbers as text, with ranges: `3, 5 to 9`."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][-1] + 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return ", ".join(" to ".join(map(str, span)) for span in spans)


def format_number(value: float) -> str:
    """Return a number with about four digits, with thousands separators."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
