"""How far trained victims follow goals that they do not see. Axes: E episodes, R rows of metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from metadisco.plotting.labels import Label, guide, label_ends
from metadisco.plotting.look import COLUMN, current, points
from metadisco.plotting.style import GUIDE, PALETTE, ROUND, robust_limits, say, set_legend, set_title, uncluttered
from metadisco.plotting.talk.words import HEARD

MAX_MARKED = 40
"""Points of a line, beyond which markers would touch each other."""


def reached_figure(
    wanted: Float[np.ndarray, "E"],
    reached: Float[np.ndarray, "E"],
    lasted: Bool[np.ndarray, "E"],
    *,
    unit: str,
    title: str,
) -> Figure:
    """Draw what steered episodes reached by their end over what was wanted; on the diagonal the goal is met.

    Args:
        wanted: one number for each episode.
        reached: likewise.
        lasted: whether the episode went on up to its time limit; others are drawn hollow.
        unit: what is compared, in words.
        title: of the figure.
    """
    paper = current().paper
    figure = Figure(figsize=(COLUMN, 3.1) if paper else (5.8, 5.6), layout="constrained")
    axes = figure.subplots()
    low, high = robust_limits(np.concatenate([wanted, reached]))
    axes.plot((low, high), (low, high), color=GUIDE, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    size = 2.5 if paper else 4.5
    kinds = ((lasted, HEARD, "lasted to the time limit"), (~lasted, "white", "ended before"))
    for chosen, face, _ in kinds:
        axes.plot(
            wanted[chosen], reached[chosen], "o", color=HEARD, markerfacecolor=face, markersize=size,
            markeredgewidth=0.7, alpha=0.8,
        )  # fmt: skip
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    uncluttered(axes)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=ROUND))
    axes.set_xlabel(f"wanted {unit}")
    axes.set_ylabel(f"{unit} at the end of the episode")
    correlation = np.corrcoef(wanted, reached)[0, 1] if len(wanted) > 1 and np.ptp(reached) > 0 else np.nan
    if np.isfinite(correlation):
        words = f"correlation {correlation:.2f}".replace("-", "−")
        axes.text(0.02, 0.98, words, transform=axes.transAxes, va="top", fontsize=points(figure, 9))
    set_title(figure, title)
    handles = [
        Line2D([], [], color=HEARD, linestyle="", marker="o", markerfacecolor=face, markersize=size, label=name)
        for chosen, face, name in kinds
        if chosen.any()
    ]
    set_legend(figure, handles)
    return figure


def goal_return_figure(
    rows: Sequence[Mapping[str, Any]], *, title: str, guides: Mapping[str, float] | None = None
) -> Figure:
    """Draw the goal return over the generations of a search: of the population and of its centre.

    Args:
        rows: lines of metrics.jsonl in order.
        title: of the figure.
        guides: level lines by name, such as the goal return without steering.
    """
    figure = Figure(figsize=(COLUMN, 2.4) if current().paper else (6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    lines = (("fitness_mean", "population", PALETTE[0]), ("centre_fitness", "centre", PALETTE[1]))
    generation = np.array([row["generation"] for row in rows], float)
    labels, drawn = [], []
    for key, name, colour in lines:
        values = np.array([np.nan if row.get(key) is None else row[key] for row in rows], float)
        known = np.isfinite(values)
        if not known.any():
            continue
        # A row is of the centre after its generation, counted from 0; of the population before it.
        x, y = generation[known] + (key == "centre_fitness"), values[known]
        paper = current().paper
        axes.plot(
            x, y, color=colour, linewidth=1.2 if paper else 2.0,
            marker="o" if len(x) <= MAX_MARKED else None, markersize=2 if paper else 4,
        )  # fmt: skip
        labels.append(Label(float(y[-1]), name, colour))
        drawn.append(y)
    if drawn:
        everything = np.concatenate([*drawn, list((guides or {}).values())])
        low, high = robust_limits(everything)
        axes.set_ylim(low, high)
        for name, y in (guides or {}).items():
            axes.axhline(y, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
            labels.append(guide(y, name))
        label_ends(figure, axes, labels)
    else:
        say(axes, "no values")
    uncluttered(axes)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.set_xlabel("generation")
    axes.set_ylabel("goal return of an episode")
    set_title(figure, title)
    return figure
