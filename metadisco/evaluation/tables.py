"""Tables of a comparison, as text."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from metadisco.discoveries.sources import short_names
from metadisco.evaluation.comparison import Row
from metadisco.storage.rows import format_number

HEADINGS = ("objective", "mean", "IQM (95 %)", "minus {baseline} (95 %)", "P(> {baseline})", "failed")
GAPS = "updates without an ended episode"
SCORE_TITLES = {"final_return": "final return", "area_under_curve": "return averaged over the life"}


class Table(NamedTuple):
    """Text by row and column; the first column names objectives."""

    title: str
    headings: list[str]
    lines: list[list[str]]


HeldOut = Mapping[tuple[str, str], bool | None]
"""By objective and environment, as `Cell` has it."""


def tables(rows: Sequence[Row], held_out: HeldOut, baseline: str) -> list[Table]:
    """Return a table for each environment and score, and one for each score over all environments."""
    short = short_names([*(row.objective for row in rows), baseline])
    result = []
    for env, score in dict.fromkeys((row.env, row.score) for row in rows):
        where = env or f"all environments, random actions = 0, {short[baseline]} = 1"
        shown = [row for row in rows if (row.env, row.score) == (env, score)]
        headings = [heading.format(baseline=short[baseline]) for heading in HEADINGS]
        lines = [_line(row, short[row.objective], held_out.get((row.objective, row.env or ""))) for row in shown]
        if any(row.gaps for row in shown):
            headings.append(GAPS)
            lines = [[*line, f"{row.gaps or 0:.0%}"] for line, row in zip(lines, shown, strict=True)]
        result.append(Table(f"{where}: {SCORE_TITLES[score]}", headings, lines))
    return result


def _line(row: Row, name: str, held_out: bool | None) -> list[str]:
    """Return the entries of a row under HEADINGS."""
    note = {True: " (held out)", False: " (meta-trained here)", None: ""}[held_out]
    chance = row.probability_of_improvement
    return [
        name + note,
        format_number(row.mean),
        _interval(*row.interquartile_mean),
        _difference(row),
        "" if chance is None else f"{chance:.2f}",
        str(row.failed or ""),
    ]


def _interval(value: float, low: float, high: float) -> str:
    """Return a number with its interval, if that is known."""
    return (
        format_number(value)
        if math.isnan(low)
        else f"{format_number(value)} [{format_number(low)}, {format_number(high)}]"
    )


def _difference(row: Row) -> str:
    if row.difference is None:
        return ""
    value, low, high = row.difference
    sign = "+" if value >= 0 and not math.isnan(value) else ""
    return f"{sign}{format_number(value)} [{format_number(low)}, {format_number(high)}]"


def _markdown_line(line: Sequence[str]) -> str:
    return f"| {' | '.join(' '.join(entry.replace('|', chr(92) + '|').split()) for entry in line)} |"


def markdown(rows: Sequence[Row], held_out: HeldOut, baseline: str) -> str:
    """Return all tables in Markdown."""
    parts = []
    for title, headings, lines in tables(rows, held_out, baseline):
        body = [headings, ["---"] + ["---:"] * (len(headings) - 1), *lines]
        parts.append(f"**{title}**\n\n" + "\n".join(map(_markdown_line, body)) + "\n")
    return "\n".join(parts)
