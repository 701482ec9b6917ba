"""A comparison on a page: a table of objectives by environments for each score."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from metadisco.display import format_number
from metadisco.evaluation.comparison import Row, from_json
from metadisco.evaluation.tables import SCORE_TITLES

FIRST_SCORE = "area_under_curve"  # what searches are after


def summary(results: Path, labels: Mapping[str, str]) -> str:
    """Return what `metadisco evaluate` found, as Markdown: means, and their differences from the first objective's.

    Args:
        results: a file results.json.
        labels: what to call each objective, the baseline first.
    """
    data = json.loads(results.read_text())
    rows = {(row.score, row.objective, row.env): row for row in from_json(data["rows"])}
    envs = list(data["envs"])
    held_out = {cell["env"] for cell in data["cells"] if cell["held_out"]}
    baseline, *_ = labels.values()
    parts = []
    for score in sorted(SCORE_TITLES, key=FIRST_SCORE.__ne__):
        headings = [env.removeprefix("gymnax/") + (", held out" if env in held_out else "") for env in envs]
        lines = [[label, *(_entry(rows[score, name, env]) for env in envs)] for name, label in labels.items()]
        title = f"{SCORE_TITLES[score]}, mean of {data['seeds']} seeds; minus {baseline} on the same seeds [95 %]"
        parts.append(f"**{title[0].upper()}{title[1:]}**\n\n{markdown_table(['objective', *headings], lines)}")
    return "\n".join(parts)


def _entry(row: Row) -> str:
    """Return a mean and its difference, bold where the interval has one sign."""
    mean = format_number(row.mean)
    if row.difference is None:
        return mean
    value, low, high = row.difference
    sign = "+" if value >= 0 else ""
    difference = f"{sign}{format_number(value)} [{format_number(low)}, {format_number(high)}]"
    return f"{mean}: **{difference}**" if low > 0 or high < 0 else f"{mean}: {difference}"


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
