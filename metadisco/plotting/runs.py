"""Learning curves of several searches in one figure. Axes: R rows of metrics."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from metadisco.plotting.look import COLUMN, current
from metadisco.plotting.rows import Rows, column
from metadisco.plotting.style import (
    GUIDE,
    ROUND,
    band,
    line_style,
    robust_limits,
    say,
    set_legend,
    set_title,
    uncluttered,
)

MAX_MARKED = 64
"""Points of a line, beyond which markers would touch each other."""


class _Quantity(NamedTuple):
    """What is drawn of each run."""

    key: str
    spread: str
    """Key of half the width of the band."""
    label: str
    band: str


CENTRE = _Quantity("centre_fitness", "centre_half_width", "fitness of the centre", "95 % interval of the mean")
POPULATION = _Quantity("fitness_mean", "fitness_std", "fitness of the population", "mean ± standard deviation")


def runs_figure(runs: Mapping[str, Rows], *, title: str, guides: Mapping[str, float] | None = None) -> Figure:
    """Draw the fitness of the search centres of several runs over environment steps, and baselines as level lines.

    Bands are 95 % intervals of the centre's fitness, where rows have them. If some run never evaluated its centre, the
    mean of the population ± its standard deviation is drawn of all. The baseline of a problem is drawn at its mean over
    all runs and evaluations.

    Args:
        runs: lines of metrics.jsonl by name of the run, in any order; numbers may be null or missing.
        title: of the figure.
        guides: further level lines by name.
    """
    paper = current().paper
    figure = Figure(figsize=(COLUMN, 2.5) if paper else (6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    ordered = {name: sorted(rows, key=lambda row: row["generation"]) for name, rows in runs.items()}
    evaluated = all(np.isfinite(column(rows, CENTRE.key)).any() for rows in ordered.values())
    quantity = CENTRE if evaluated else POPULATION
    steps = all(np.nan_to_num(column(rows, "env_steps")).any() for rows in ordered.values())
    x = "env_steps" if steps else "generation"
    lines = [_draw(axes, number, name, rows, quantity, x) for number, (name, rows) in enumerate(ordered.items())]
    lines += _draw_guides(axes, {**_baseline(ordered.values()), **(guides or {})})
    uncluttered(axes)
    axes.xaxis.set_major_formatter(EngFormatter() if steps else axes.xaxis.get_major_formatter())
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=ROUND, integer=not steps))
    axes.set_xlabel("environment steps of the search" if steps else "generation")
    axes.set_ylabel(quantity.label)
    _limit(axes)
    known = any(np.isfinite(column(rows, quantity.spread)).any() for rows in ordered.values())
    set_title(figure, title)
    set_legend(figure, [*lines, *([band(quantity.band)] if known else [])])
    return figure


def _draw(axes: Axes, number: int, name: str, rows: Rows, quantity: _Quantity, x: str) -> Line2D:
    """Draw one run; return the line for the legend."""
    style, width = line_style(number), 1.2 if current().paper else 2.0
    along, values, half = (column(rows, key) for key in (x, quantity.key, quantity.spread))
    known = np.isfinite(values) & np.isfinite(along)
    along, values, half = along[known], values[known], half[known]
    marker, size = "o" if known.sum() <= MAX_MARKED else None, 2 if current().paper else 4
    axes.fill_between(along, values - half, values + half, color=style["color"], alpha=0.2, linewidth=0)
    label = name if known.any() else f"{name} (no curve)"
    return axes.plot(along, values, label=label, linewidth=width, marker=marker, markersize=size, **style)[0]


def _baseline(runs: Any) -> dict[str, float]:
    """Return the mean of the problem's baseline over all runs, where it has one."""
    values = np.concatenate([column(rows, "baseline_fitness") for rows in runs])
    known = values[np.isfinite(values)]
    return {"baseline": float(known.mean())} if known.size else {}


def _draw_guides(axes: Axes, guides: Mapping[str, float]) -> list[Line2D]:
    """Draw level lines; return them."""
    dashes = (":", "--", "-.")
    return [
        axes.axhline(value, color=GUIDE, linewidth=1.2, linestyle=dashes[number % 3], label=name, zorder=1)
        for number, (name, value) in enumerate(guides.items())
    ]


def _limit(axes: Axes) -> None:
    """Show all lines; of bands what does not squeeze them."""
    values = [np.asarray(line.get_ydata(), float) for line in axes.lines]
    bands = [np.asarray(path.vertices)[:, 1] for each in axes.collections for path in each.get_paths()]
    everything = np.concatenate([*values, *bands]) if values else np.zeros(0)
    if not np.isfinite(everything).any():
        say(axes, "no values")
    axes.set_ylim(*robust_limits(everything))
