"""Fitness over a search: of its centre and its population, and what they are compared with. Axes: R rows of metrics."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from metadisco.plotting.labels import Label, guide, label_ends
from metadisco.plotting.look import current, points
from metadisco.plotting.rows import Band, Rows, bin_width, column, in_bins, running, window_of
from metadisco.plotting.style import LEGEND_SIZE, PALETTE, robust_limits, say, short

POPULATION, CENTRE, LEVEL = PALETTE[0], PALETTE[1], "#555555"
FITNESS = "fitness (higher is better)"
"""Of which nothing more is known."""
MAX_MARKED = 64
"""Points of a line, beyond which markers would touch each other."""
FAR = 0.5
"""How far from everything else a level line may be, as a share of the extent of the rest."""


def draw_fitness(figure: Figure, axes: Axes, rows: Rows, guides: Mapping[str, float], label: str, panel: float) -> None:
    """Draw fitness into the main panel of a figure, with a legend above it, and names of lines at their ends.

    Args:
        figure: that of the panel.
        axes: the panel.
        rows: in the order of their generations.
        guides: level lines by name.
        label: of the vertical axis.
        panel: height of the panel, as a share of its figure's.
    """
    population = _draw_population(axes, rows)
    centre = draw_centre(axes, rows, "centre_fitness", "centre_half_width")
    best = _draw_best(axes, rows)
    labels = [
        guide(float(band.mean[np.isfinite(band.mean)][-1]), name)._replace(colour=colour)
        for band, name, colour in ((population, "population", POPULATION), (centre, "centre", CENTRE))
        if np.isfinite(band.mean).any()
    ]
    rest = [np.asarray(best.get_ydata(), float), *_edges(centre), *(edge[1:] for edge in _edges(population))]
    everything = np.concatenate([*rest, *(edge[:1] for edge in _edges(population))])
    if _starts_far_off(population, np.concatenate(rest)):
        everything = np.concatenate(rest)
        _tell_start(figure, axes, population)
    levels = {**_baseline(rows), **guides}
    labels += _draw_levels(axes, everything, levels)
    axes.set_xlabel("generation")
    axes.set_ylabel(label)
    if not labels or not np.isfinite(everything).any():
        say(axes, "no values")
        return
    label_ends(figure, axes, labels, panel)
    _legend(figure, axes, rows, best)


def _edges(band: Band) -> list[Float[np.ndarray, "N"]]:
    """Return both edges of a band; the line itself where its interval is not known."""
    return [band.mean + sign * np.nan_to_num(band.half) for sign in (-1, 1)]


def _starts_far_off(population: Band, rest: Float[np.ndarray, "N"]) -> bool:
    """Return whether the first generation is further from all else than that extends, so that it would squeeze it."""
    known = rest[np.isfinite(rest)]
    if not known.size or not len(population.mean):
        return False
    low, high = float(known.min()), float(known.max())
    first = float(population.mean[0])
    return high > low and (first < 2 * low - high or first > 2 * high - low)


def _tell_start(figure: Figure, axes: Axes, population: Band) -> None:
    """Write where the line of the population begins, as that is outside of the panel."""
    below = population.mean[0] < population.mean[-1]
    words = f"{'↓' if below else '↑'} {short(float(population.mean[0]), 3)} at generation {population.x[0]:.0f}"
    axes.text(
        0.07, 0.03 if below else 0.97, words, transform=axes.transAxes, color=POPULATION,
        va="bottom" if below else "top", fontsize=points(figure, LEGEND_SIZE),
    )  # fmt: skip


def draw_centre(axes: Axes, rows: Rows, key: str, half_key: str = "") -> Band:
    """Draw a quantity of the search centre: as evaluated, with its interval if rows hold it; else the running mean.

    Returns:
        What the line goes through.
    """
    # A row is of the centre after its generation, counted from 0.
    x, values = column(rows, "generation") + 1, column(rows, key)
    half = column(rows, half_key)
    known = np.isfinite(values)
    x, values, half = x[known], values[known], half[known]
    averaged = not known_intervals(rows) and window_of(len(values)) > 1
    band = running(x, values) if averaged else Band(x, values, half)
    thick, small = (1.0, 1.5) if current().paper else (1.8, 3.0)
    axes.fill_between(band.x, band.mean - band.half, band.mean + band.half, color=CENTRE, alpha=0.25, linewidth=0)
    marker = "o" if len(x) <= MAX_MARKED and not averaged else None
    axes.plot(band.x, band.mean, color=CENTRE, linewidth=thick, marker=marker, markersize=small, zorder=3)
    if averaged:
        axes.plot(x, values, "o", color=CENTRE, markersize=0.8 * small, alpha=0.5, markeredgewidth=0)
    return band


def known_intervals(rows: Rows) -> bool:
    """Return whether rows hold the interval of the centre's fitness."""
    return bool(np.isfinite(column(rows, "centre_half_width")).any())


def draw_population(
    axes: Axes, rows: Rows, key: str, width: int
) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
    """Draw a quantity of the population in bins of so many generations; return where the line goes.

    The line has gaps where there is no number; a point between two gaps gets a marker.
    """
    x, y = in_bins(column(rows, "generation"), column(rows, key), width)
    known = np.pad(np.isfinite(y), 1)
    lone = np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])
    thin, small = (0.8, 2.0) if current().paper else (1.4, 4.0)
    marked: dict[str, Any] = {"marker": "o", "markevery": lone, "markersize": small} if lone.size else {}
    axes.plot(x, y, color=POPULATION, linewidth=thin, **marked)
    return x, y


def _draw_population(axes: Axes, rows: Rows) -> Band:
    generation = column(rows, "generation")
    width = bin_width(generation)
    x, mean = draw_population(axes, rows, "fitness_mean", width)
    _, half = in_bins(generation, column(rows, "fitness_std"), width)
    axes.fill_between(x, mean - half, mean + half, color=POPULATION, alpha=0.15, linewidth=0)
    return Band(x, mean, half)


def _draw_best(axes: Axes, rows: Rows) -> Line2D:
    """Draw the best evaluation of the centre so far, or of any member where the centre was never evaluated."""
    centre = column(rows, "centre_fitness")
    of_centre = bool(np.isfinite(centre).any())
    values = centre if of_centre else column(rows, "fitness_best")
    known = np.isfinite(values)
    name = f"best {'evaluation of the centre' if of_centre else 'member'} so far"
    style: dict[str, Any] = {"color": CENTRE if of_centre else POPULATION, "linewidth": 0.7 if current().paper else 1.0}
    x = column(rows, "generation")[known] + of_centre
    return axes.step(x, np.maximum.accumulate(values[known]), where="post", linestyle=":", label=name, **style)[0]


def _baseline(rows: Rows) -> dict[str, float]:
    """Return the mean of the problem's baseline, where rows hold it."""
    values = column(rows, "baseline_fitness")
    return {"baseline": float(np.nanmean(values))} if np.isfinite(values).any() else {}


def _draw_levels(axes: Axes, everything: Float[np.ndarray, "N"], levels: Mapping[str, float]) -> list[Label]:
    """Set vertical limits; draw level lines that are not far outside, and return their labels."""
    low, high = robust_limits(everything)
    room = FAR * (high - low)
    near = {name: y for name, y in levels.items() if low - room <= y <= high + room}
    low, high = robust_limits(np.array([low, high, *near.values()])) if near else (low, high)
    axes.set_ylim(low, high)
    for y in near.values():
        axes.axhline(y, color=LEVEL, linewidth=0.8 if current().paper else 1.2, linestyle="--", zorder=2)
    return [guide(y, name)._replace(colour=LEVEL) for name, y in near.items()]


def _legend(figure: Figure, axes: Axes, rows: Rows, best: Line2D) -> None:
    """Write above the panel what its bands are."""
    handles: list[Artist] = []
    evaluated = column(rows, "centre_fitness")
    count = int(np.isfinite(evaluated).sum())
    if count:
        handles.append(Line2D([], [], color=CENTRE, linewidth=1.8, label=_centre_words(rows, count)))
    if np.isfinite(column(rows, "fitness_mean")).any():
        width = bin_width(column(rows, "generation"))
        binned = f", in bins of {width} generations" if width > 1 else ""
        name = f"population: mean ± standard deviation{binned}"
        handles.append(Line2D([], [], color=POPULATION, linewidth=1.4, label=name))
    if len(np.asarray(best.get_xdata())):
        handles.append(best)
    size = min(LEGEND_SIZE, axes.xaxis.label.get_fontsize())
    axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=1, frameon=False, fontsize=size,
        borderaxespad=0.2, labelspacing=0.25,
    )  # fmt: skip


def _centre_words(rows: Rows, count: int) -> str:
    if known_intervals(rows):
        return "search centre with its 95 % interval"
    window = window_of(count)
    if window == 1:
        return "search centre"
    return f"search centre: mean of {window} evaluations (dots) at a time, with its 95 % interval"
