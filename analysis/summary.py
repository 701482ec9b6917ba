"""A comparison on a page: a table of objectives by environments for each score."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from metadisco.evaluation.comparison import Row, from_json
from metadisco.evaluation.digits import decimals_of, interval, to_digits
from metadisco.evaluation.statistics import Difference, Estimate, paired_difference
from metadisco.evaluation.tables import SCORE_TITLES, with_sign
from metadisco.storage.rows import format_number

FIRST_SCORE = "area_under_curve"  # the fitness of the searches
NUM_PARTS = 4  # of a lifetime


def summary(results: Path, labels: Mapping[str, str]) -> str:
    """Return the results of `metadisco evaluate` as Markdown: means, and their differences from the first objective's.

    Args:
        results: a file results.json.
        labels: of the objectives, the baseline first.
    """
    data, rows, called = _read(results)
    envs = list(data["envs"])
    baseline, *_ = labels.values()
    parts = []
    for score in sorted(SCORE_TITLES, key=FIRST_SCORE.__ne__):
        headings = [called[env] for env in envs]
        found = {name: [rows[score, name, env] for env in envs] for name in labels}
        lines = [[labels[name], *(_entry(row.mean, row.difference) for row in each)] for name, each in found.items()]
        title = f"{SCORE_TITLES[score]}, mean of {data['seeds']} seeds; minus {baseline} on the same seeds [95 %]"
        parts.append(f"**{title[0].upper()}{title[1:]}**\n\n{markdown_table(['objective', *headings], lines)}")
    return "\n".join(parts)


def in_short(results: Path, objective: str, baseline: str) -> str:
    """Return the results of `metadisco evaluate` for one objective and another as Markdown, a line per environment.

    Args:
        results: a file results.json.
        objective: name of the objective.
        baseline: name of the other one.
    """
    data, rows, called = _read(results)
    lines = []
    for env in data["envs"]:
        ours = {score: rows[score, objective, env] for score in SCORE_TITLES}
        decimals = decimals_of(ours[FIRST_SCORE].half_width)
        means = [to_digits(row.mean, decimals) for row in (ours[FIRST_SCORE], rows[FIRST_SCORE, baseline, env])]
        differences = [with_sign(ours[score].difference) for score in sorted(SCORE_TITLES, key=FIRST_SCORE.__ne__)]
        lines.append([called[env], *means, *differences])
    headings = ["environment", "with it", baseline, f"minus {baseline} [95 %]", "final return, minus it [95 %]"]
    return markdown_table(headings, lines)


def _read(results: Path) -> tuple[dict[str, Any], dict[tuple[str, str, str | None], Row], dict[str, str]]:
    """Return results.json, its rows by score, objective and environment, and a label for each environment."""
    data = json.loads(results.read_text())
    rows = {(row.score, row.objective, row.env): row for row in from_json(data["rows"])}
    held_out = {cell["env"] for cell in data["cells"] if cell["held_out"]}
    called = {env: env.removeprefix("gymnax/") + (", held out" if env in held_out else "") for env in data["envs"]}
    return data, rows, called


def course(results: Path, labels: Mapping[str, str], env: str) -> str:
    """Return by part of the lifetime how far objectives are ahead of the first one, as Markdown.

    Gaps of curves are filled as for the area under the curve. A failed agent counts as the worst one.

    Args:
        results: a file results.json.
        labels: of the objectives, the baseline first.
        env: where they learned.
    """
    cells = {cell["objective"]: cell for cell in json.loads(results.read_text())["cells"] if cell["env"] == env}
    curves = np.stack([_filled(cells[name]) for name in labels])
    parts = np.array_split(curves, min(NUM_PARTS, curves.shape[2]), 2)
    means = np.stack([part.mean(2) for part in parts], 1)  # [O, P, S] of P parts
    worst = np.fmin.reduce(means, (0, 2))[:, None]
    means = np.nan_to_num(np.where(np.isfinite(means), means, worst))
    lines = []
    for index, (label, ours) in enumerate(zip(labels.values(), means, strict=True)):
        gains = [paired_difference(*pair) if index else None for pair in zip(ours, means[0], strict=True)]
        lines.append([label, *(_entry(*each) for each in zip(ours.mean(1), gains, strict=True))])
    ends = [0, *np.array_split(cells[next(iter(labels))]["env_steps"], len(parts))]
    headings = [f"{np.max(before):,} to {np.max(part):,}" for before, part in itertools.pairwise(ends)]
    return markdown_table([f"{env.removeprefix('gymnax/')}, steps", *headings], lines)


def _filled(cell: Mapping[str, Any]) -> Float[np.ndarray, "S U"]:
    """Return an objective's curves without gaps; NaN where it failed."""
    score = np.array(cell[FIRST_SCORE], float)[:, None]
    return np.where(np.isfinite(score), np.array(cell["curve_filled"], float), np.nan)


def _entry(mean: float, difference: Difference | Estimate | None) -> str:
    """Return a mean and a difference, bold where the interval has one sign."""
    if difference is None:
        return format_number(mean)
    value, low, high = difference
    words = interval(value, low, high, signed=True)
    return f"{to_digits(mean, decimals_of((high - low) / 2))}: {f'**{words}**' if low > 0 or high < 0 else words}"


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
