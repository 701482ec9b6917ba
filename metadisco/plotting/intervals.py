"""Estimates with their intervals, beside one another (after Agarwal et al., 2021)."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from metadisco.discoveries.sources import short_names
from metadisco.evaluation.tables import SCORE_TITLES, short_envs
from metadisco.plotting.look import COLUMN, TEXT, WIDE, current, points
from metadisco.plotting.style import GUIDE, PALETTE, ROUND, say, set_legend, set_title, uncluttered, wrapped

NAMES = 0.24  # of the width, for the names of objectives and scores
APART = 0.22  # of a line, by which the two scores of an objective are above and below it


class _Column(NamedTuple):
    """One quantity, in all environments."""

    heading: str
    key: str
    guide: float | None
    """Its value for an objective equal to the baseline."""


def intervals_figure(rows: Sequence[Mapping[str, Any]], baseline: str, *, title: str) -> Figure:
    """Draw all estimates of an evaluation with 95 % intervals, a row of panels for each environment.

    Args:
        rows: those of results.json.
        baseline: what is compared with.
        title: of the figure.
    """
    objectives = list(dict.fromkeys(row["objective"] for row in rows))
    short = short_names([*objectives, baseline])
    envs, columns = list(dict.fromkeys(row["env"] for row in rows)), _columns(rows, short[baseline])
    paper = current().paper
    head, line = (0.42, 0.3) if paper else (0.6, 0.46)
    narrow, wide = (COLUMN, TEXT) if paper else (6.4, WIDE)
    size = (narrow if len(columns) == 1 else wide, 2 * head + len(envs) * (head + line * len(objectives)))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(envs), len(columns), squeeze=False)
    names = {each: wrapped(figure, short[each], points(figure, 9), NAMES * size[0]) for each in objectives}
    labels = _labels(names, {row["score"] for row in rows})
    for env, panels in zip(envs, grid, strict=True):
        for column, axes in zip(columns, panels, strict=True):
            _draw(axes, [row for row in rows if row["env"] == env], objectives, column)
            axes.set_yticks(list(labels), labels.values() if axes is panels[0] else [], parse_math=False)
            axes.tick_params(axis="y", labelsize=points(figure, 9))
        where = _where(env, envs, short[baseline])
        room = 0.9 * size[0] / len(columns) - NAMES * size[0] / len(columns)
        heading = wrapped(figure, where, points(figure, 10), room)
        panels[0].set_title(heading, loc="left", fontsize=points(figure, 10), parse_math=False)
    for column, axes in zip(columns, grid[-1], strict=True):
        heading = wrapped(figure, column.heading, points(figure, 10), 0.8 * size[0] / len(columns))
        axes.set_xlabel(heading, parse_math=False)
    set_title(figure, title)
    set_legend(figure, _legend())
    return figure


def _labels(names: Mapping[str, str], scores: Collection[str]) -> dict[float, str]:
    """Return what is written beside each line, by its height: an objective with its score, if there are several."""
    if len(scores) < 2:
        return {_height(number, below): name for number, name in enumerate(names.values()) for below in _places(scores)}
    return {
        _height(number, below): f"{name}: {title}" if below == 0 else title
        for number, name in enumerate(names.values())
        for below, title in enumerate(SCORE_TITLES.values())
    }


def _places(scores: Collection[str]) -> list[int]:
    return [below for below, score in enumerate(SCORE_TITLES) if score in scores]


def _height(number: int, below: int) -> float:
    """Return where an objective's score stands, by their numbers."""
    return number + APART * (2 * below - 1)


def _columns(rows: Sequence[Mapping[str, Any]], baseline: str) -> list[_Column]:
    """Return the quantities that there are; with one objective or one seed some are not."""
    columns = (
        _Column("interquartile mean", "interquartile_mean", None),
        _Column(f"mean minus {baseline}'s", "difference", 0.0),
        _Column(f"probability of improvement over {baseline}", "improvement", 0.5),
    )
    return [each for each in columns if any(estimate_of(row, each.key) is not None for row in rows)]


def estimate_of(row: Mapping[str, Any], key: str) -> Sequence[float] | None:
    """Return value, low and high of a quantity; NaN for edges that are not known, None where there is no value."""
    estimate = row.get(key)
    if estimate is None and key == "improvement" and row.get("probability_of_improvement") is not None:
        estimate = [row["probability_of_improvement"], None, None]
    return None if estimate is None else [math.nan if number is None else number for number in estimate]


def _where(env: str | None, envs: Sequence[str | None], baseline: str) -> str:
    if env is None:
        return f"all environments (random actions 0, {baseline} 1)"
    return short_envs(each for each in envs if each is not None)[env]


def _draw(axes: Axes, rows: Sequence[Mapping[str, Any]], objectives: Sequence[str], column: _Column) -> None:
    """Draw one quantity in one environment, each score at its own height also where the other has no row."""
    scores = list(SCORE_TITLES)
    if column.guide is not None:
        axes.axvline(column.guide, color=GUIDE, linewidth=0.8, linestyle=":")
    for row in rows:
        number, below = objectives.index(row["objective"]), scores.index(row["score"])
        estimate = estimate_of(row, column.key)
        if estimate is not None:
            draw_interval(axes, _height(number, below), estimate, PALETTE[number % len(PALETTE)], filled=below == 0)
    finish_intervals(axes, len(objectives))
    if all(estimate_of(row, column.key) is None for row in rows):
        say(axes, "needs two seeds")
        axes.set_xticks([])
    if column.key == "improvement":
        axes.set_xlim(-0.04, 1.04)
        axes.set_xticks([0, 0.5, 1])


def draw_interval(axes: Axes, y: float, estimate: Sequence[float], colour: str, *, filled: bool = True) -> None:
    """Draw value, low and high of an estimate at a height; a value whose interval is not known by its mark alone."""
    value, low, high = estimate
    thin = current().paper
    axes.hlines(y, low, high, color=colour, linewidth=1.2 if thin else 2.0)
    face = colour if filled else "white"
    axes.plot(value, y, "o", color=colour, markerfacecolor=face, markersize=3 if thin else 5.5)


def finish_intervals(axes: Axes, num_lines: int) -> None:
    """Order the lines of a panel of intervals from above."""
    uncluttered(axes)
    axes.set_ylim(num_lines - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=ROUND))
    axes.grid(axis="x", linewidth=0.4, alpha=0.5)
    axes.set_axisbelow(True)


def _legend() -> list[Line2D]:
    """Return the marks of the scores."""
    return [
        Line2D([], [], color="black", marker="o", markersize=4, markerfacecolor=face, label=title)
        for title, face in zip(SCORE_TITLES.values(), ("black", "white"), strict=True)
    ]
