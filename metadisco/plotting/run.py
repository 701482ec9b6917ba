"""The course of a search, generation by generation. Axes: R rows of metrics."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from metadisco.plotting.style import LEGEND_SIZE, PALETTE, robust_limits, say, set_title, uncluttered, wrapped

POPULATION, CENTRE = PALETTE[0], PALETTE[1]
PER_TASK = ("fitness_mean/", "centre_fitness/")
METRICS = ("metrics/", "centre/")
NUM_COLUMNS = 4
PANEL_WIDTH = 2.2  # inches
MANY_ROWS = 200  # beyond which lines are thinner
MAX_MARKED = 64  # points of a line, beyond which markers would touch each other


def run_figure(rows: Sequence[Mapping[str, Any]], *, title: str) -> Figure:
    """Draw what metrics.jsonl holds: fitness above; failures, steps, perturbations and speed below it.

    Several tasks get a panel each, with the unscaled fitness of the population and of the centre there; so does each
    metric that the problem reports.

    Args:
        rows: lines of metrics.jsonl, in any order; numbers may be null or missing, and are then left out.
        title: of the figure.
    """
    rows = sorted(rows, key=lambda row: row["generation"])
    further = [
        *((name, PER_TASK, "fitness, unscaled") for name in _named(rows, PER_TASK)),
        *((name, METRICS, "") for name in _named(rows, METRICS)),
    ]
    heights = [3.0, 2.0] + [2.0] * math.ceil(len(further) / NUM_COLUMNS)
    figure = Figure(figsize=(11, 1.2 + sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), NUM_COLUMNS, height_ratios=heights)
    panels = [figure.add_subplot(grid[0, :]), *(figure.add_subplot(grid[1, column]) for column in range(NUM_COLUMNS))]
    fitness, failed, step, perturbations, speed = panels
    _draw_fitness(fitness, rows)
    _draw_failures(failed, rows)
    _draw_from_zero(step, rows, "step_norm", "step of the centre", "Euclidean norm")
    _draw_from_zero(perturbations, rows, "std", "perturbations", "standard deviation")
    _draw_speed(speed, rows)
    for number, (name, prefixes, unit) in enumerate(further):
        axes = figure.add_subplot(grid[2 + number // NUM_COLUMNS, number % NUM_COLUMNS])
        _draw_pair(axes, rows, [f"{prefix}{name}" for prefix in prefixes])
        axes.set_title(wrapped(figure, name, 10, PANEL_WIDTH), fontsize=10, parse_math=False)
        axes.set_ylabel(unit)
        panels.append(axes)
    generations = [row["generation"] for row in rows] or [0]
    margin = max(0.5, 0.01 * (generations[-1] - generations[0]))
    for axes in panels:
        axes.set_xlim(generations[0] - margin, generations[-1] + margin)
        axes.xaxis.set_major_locator(MaxNLocator(8 if axes is fitness else 4, integer=True, min_n_ticks=1))
    set_title(figure, f"{title}\n{_spent(rows)}")
    return figure


def _named(rows: Sequence[Mapping[str, Any]], prefixes: tuple[str, ...]) -> list[str]:
    """Return what follows a prefix in the keys of rows, in order, each once, where it is not always 0."""
    found = (key.split("/", 1)[1] for row in rows for key, value in row.items() if key.startswith(prefixes) and value)
    return list(dict.fromkeys(found))


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> Float[np.ndarray, "R"]:
    """Return a quantity of all rows, NaN where it is null or missing."""
    return np.array([math.nan if row.get(key) is None else row[key] for row in rows], float)


def _spent(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return generations, environment steps and time; the time only where every generation has a row."""
    generations = rows[-1]["generation"] + 1 if rows else 0
    words = [f"{generations:,} generation{'' if generations == 1 else 's'}"]
    env_steps, seconds = _column(rows, "env_steps"), _column(rows, "seconds")
    if np.nan_to_num(env_steps).any():
        words.append(f"{EngFormatter(places=1)(np.nanmax(env_steps))} environment steps".replace("  ", " "))
    if np.isfinite(seconds).any() and len(rows) == generations:
        total = float(np.nansum(seconds))
        minutes = f"{total / 60:.1f} min" if total >= 100 else f"{total:.0f} s"
        words.append(f"{total / 3600:.1f} h" if total >= 7200 else minutes)
    return ", ".join(words)


def _alone(y: Float[np.ndarray, "R"]) -> Bool[np.ndarray, "R"]:
    """Return which numbers have no neighbour, so that no line reaches them."""
    known = np.pad(np.isfinite(y), 1)
    return known[1:-1] & ~known[:-2] & ~known[2:]


def _line(axes: Axes, x: Float[np.ndarray, "R"], y: Float[np.ndarray, "R"], marker: str = "o", **style: Any) -> Line2D:
    """Draw a line with gaps where there is no number; a point between two gaps gets a marker."""
    alone = np.flatnonzero(_alone(y))
    lone: dict[str, Any] = {"marker": marker, "markevery": alone, "markersize": 5} if alone.size else {}
    return axes.plot(x, y, **lone, **style)[0]


def _line_through(axes: Axes, x: Float[np.ndarray, "R"], y: Float[np.ndarray, "R"], **style: Any) -> Line2D:
    """Draw a line through the numbers that there are, which are marked if they are few."""
    known = np.isfinite(y)
    return axes.plot(x[known], y[known], marker="o" if known.sum() <= MAX_MARKED else None, markersize=4, **style)[0]


def _draw_fitness(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    generation = _column(rows, "generation")
    names = ("fitness_mean", "fitness_std", "fitness_best", "fitness_worst", "centre_fitness", "baseline_fitness")
    mean, std, best, worst, centre, baseline = (_column(rows, key) for key in names)
    low, high = mean - std, mean + std
    lone = _alone(low)
    axes.vlines(generation[lone], low[lone], high[lone], color=POPULATION, alpha=0.2, linewidth=8)
    thick = 2.0 if len(rows) <= MANY_ROWS else 1.2
    entries: list[tuple[Float[np.ndarray, "R"], Artist]] = [
        (mean, _line(axes, generation, mean, color=POPULATION, linewidth=thick, label="mean of the population")),
        (low, axes.fill_between(generation, low, high, color=POPULATION, alpha=0.2, linewidth=0, label="mean ± std")),
        (best, _line(axes, generation, best, "^", color=POPULATION, linewidth=0.8, label="best member")),
        (
            worst,
            _line(axes, generation, worst, "v", color=POPULATION, linewidth=0.8, linestyle=":", label="worst member"),
        ),
        (centre, _line_through(axes, generation, centre, color=CENTRE, linestyle="--", label="centre")),
        (baseline, _line_through(axes, generation, baseline, color="0.4", linestyle=":", label="baseline")),
    ]
    _limit(axes, np.stack([low, high, best, worst, mean, centre, baseline]))
    axes.set_ylabel("fitness (higher is better)")
    axes.legend(
        handles=[artist for values, artist in entries if np.isfinite(values).any()],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(entries),
        frameon=False,
        fontsize=LEGEND_SIZE,
    )


def _limit(axes: Axes, values: Float[np.ndarray, "L R"]) -> None:
    """Clip the panel to most values, and note in its label how many lie outside."""
    low, high = robust_limits(values)
    axes.set_ylim(low, high)
    beyond = int(((values < low) | (values > high)).any(0).sum())
    axes.set_xlabel("generation" + (f" ({beyond:,} of {values.shape[1]:,} outside)" if beyond else ""))
    _finish(axes, values)


def _draw_failures(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    generation, failed, skipped = (_column(rows, key) for key in ("generation", "failed_members", "step_skipped"))
    top = max(1.0, float(np.nanmax(failed, initial=0.0)))
    axes.fill_between(generation, failed, step="mid", color=POPULATION, alpha=0.3, linewidth=0)
    _line(axes, generation, failed, color=POPULATION, linewidth=1.2, drawstyle="steps-mid")
    marked = skipped == 1
    axes.plot(generation[marked], np.full(marked.sum(), 1.1 * top), "x", color=CENTRE, markersize=4)
    axes.set_ylim(-0.04 * top, 1.2 * top)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    axes.set_title("failed members" + (" (×: no step)" if marked.any() else ""), fontsize=10)
    axes.set_ylabel("members")
    axes.set_xlabel("generation")
    _finish(axes, failed)


def _draw_from_zero(axes: Axes, rows: Sequence[Mapping[str, Any]], key: str, title: str, unit: str) -> None:
    """Draw a quantity that is never negative, on an axis from 0."""
    values = _column(rows, key)
    _line(axes, _column(rows, "generation"), values, color=POPULATION, linewidth=1.2)
    top = float(values[np.isfinite(values)].max(initial=0.0)) or 1.0
    axes.set_ylim(-0.03 * top, 1.05 * top)
    axes.set_title(title, fontsize=10)
    axes.set_ylabel(unit)
    axes.set_xlabel("generation")
    _finish(axes, values)


def _draw_speed(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw how fast it went: by the clock where there are no environment steps."""
    if rows and not np.nan_to_num(_column(rows, "env_steps"), nan=1.0).any():
        _draw_from_zero(axes, rows, "seconds", "time of a generation", "seconds")
        return
    _draw_from_zero(axes, rows, "env_steps_per_second", "speed", "environment steps / s")
    if np.isfinite(_column(rows, "env_steps_per_second")).any():
        axes.yaxis.set_major_formatter(EngFormatter())


def _finish(axes: Axes, values: Float[np.ndarray, "..."]) -> None:
    uncluttered(axes)
    if not np.isfinite(values).any():
        say(axes, "no values")


def _draw_pair(axes: Axes, rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> None:
    """Draw a quantity of the population, and the same of the centre."""
    generation, mean, centre = (_column(rows, key) for key in ("generation", *keys))
    _line(axes, generation, mean, color=POPULATION, linewidth=1.5)
    _line_through(axes, generation, centre, color=CENTRE, linewidth=1.2, linestyle="--")
    _limit(axes, np.stack([mean, centre]))
