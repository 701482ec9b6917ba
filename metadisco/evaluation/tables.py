"""Tables of a comparison, as text."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from metadisco.display import format_number
from metadisco.evaluation.comparison import Row
from metadisco.sources import short_names

HEADINGS = ("objective", "mean", "IQM (95 %)", "minus {baseline} (95 %)", "P(> {baseline})", "failed")
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
    headings = [heading.format(baseline=short[baseline]) for heading in HEADINGS]
    result = []
    for env, score in dict.fromkeys((row.env, row.score) for row in rows):
        where = env or f"all environments, random actions = 0, {short[baseline]} = 1"
        lines = []
        for row in rows:
            if (row.env, row.score) != (env, score):
                continue
            part = held_out.get((row.objective, row.env or ""))
            note = {True: " (held out)", False: " (meta-trained here)", None: ""}[part]
            value, low, high = row.interquartile_mean
            chance = row.probability_of_improvement
            lines.append(
                [
                    short[row.objective] + note,
                    format_number(row.mean),
                    _interval(value, low, high),
                    _difference(row),
                    "" if chance is None else f"{chance:.2f}",
                    str(row.failed or ""),
                ]
            )
        result.append(Table(f"{where}: {SCORE_TITLES[score]}", headings, lines))
    return result


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
