"""Rewards of a meta-policy and its opponents over meta-training. Axes: M meta-seeds, R generations."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from metadisco.plotting.labels import Label, guide, label_ends
from metadisco.plotting.look import COLUMN, current
from metadisco.plotting.shaping.lifetime import draw_guides
from metadisco.plotting.shaping.words import BAND, OPPONENT, REWARD, SHAPER, explanations
from metadisco.plotting.style import PALETTE, band, say, set_legend, set_title, uncluttered

ITSELF = PALETTE[2]
MAX_MARKED = 40
"""Points of a line, beyond which markers would touch each other."""

Rows = Sequence[Mapping[str, Any]]


class Course(NamedTuple):
    """Rewards per round over generations, of one run after another; NaN where unknown."""

    generation: Float[np.ndarray, "R"]
    """After how many generations."""
    own: Float[np.ndarray, "M R"]
    """Of the shaper against its opponents; the mean of several opponents."""
    other: Float[np.ndarray, "M R"]
    """Of the opponents."""
    itself: Float[np.ndarray, "M R"] | None
    """Of the shaper against the centre of its search, where it played it."""
    of_centre: bool
    """Whether it is the centre's; else the mean over the population."""


def course_of(runs: Sequence[Rows]) -> Course:
    """Return rewards at generations that all runs share; those of the centre, if all runs evaluated it.

    Args:
        runs: lines of metrics.jsonl of each, in any order.
    """
    of_centre = all(any(row.get("centre_fitness") is not None for row in rows) for rows in runs)
    tables = [{row["generation"]: row for row in rows if not of_centre or "centre_fitness" in row} for rows in runs]
    shared = sorted(set.intersection(*map(set, tables))) if tables else []
    rows = [[table[generation] for generation in shared] for table in tables]
    prefix, fitness = ("centre/", "centre_fitness") if of_centre else ("metrics/", "fitness_mean")
    in_self_play = any(f"{prefix}reward_against_centre" in row for each in rows for row in each)

    def column(key: str) -> Float[np.ndarray, "M R"]:
        return np.array([[_number(row.get(key)) for row in each] for each in rows], float).reshape(len(runs), -1)

    return Course(
        # A row is of the centre after its generation, counted from 0; of the population before it.
        generation=np.array(shared, float) + of_centre,
        own=column(f"{prefix}reward_against_opponents") if in_self_play else _own(rows, fitness),
        other=column(f"{prefix}opponent_reward"),
        itself=column(f"{prefix}reward_against_centre") if in_self_play else None,
        of_centre=of_centre,
    )


def _own(runs: Sequence[Rows], fitness: str) -> Float[np.ndarray, "M R"]:
    """Return the fitness; with several opponents their mean, regardless of how the search aggregates them."""

    def one(row: Mapping[str, Any]) -> float:
        of_each = [value for key, value in row.items() if key.startswith(f"{fitness}/")]
        return float(np.mean([_number(value) for value in of_each or [row.get(fitness)]]))

    return np.array([[one(row) for row in rows] for rows in runs], float).reshape(len(runs), -1)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def training_figure(course: Course, *, title: str, guides: Mapping[str, float] | None = None) -> Figure:
    """Draw rewards over meta-training: lines for means over meta-seeds, and bands from the lowest to the highest.

    Args:
        course: of one run, or of several meta-seeds.
        title: of the figure.
        guides: level lines by name, such as the reward of the best static policy; those far from everything else are
            left out.
    """
    figure = Figure(figsize=(COLUMN, 2.5) if current().paper else (6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    lines = [(course.own, "shaper", SHAPER), (course.other, "opponent", OPPONENT)]
    if course.itself is not None:
        lines.append((course.itself, "against itself", ITSELF))
    labels = [_draw(axes, course.generation, *line) for line in lines]
    known = [label for label in labels if label is not None]
    if known:
        values = np.concatenate([np.ravel(each) for each, *_ in lines])
        near = draw_guides(axes, values, guides or {})
        label_ends(figure, axes, [*known, *(guide(y, name) for name, y in near.items())])
        ranges = [band("lowest to highest run")] if len(course.own) > 1 else []
        set_legend(figure, [*ranges, *explanations(near)])
    else:
        say(axes, "no values")
    uncluttered(axes)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.set_xlabel("generation")
    axes.set_ylabel(f"{REWARD}, {'centre' if course.of_centre else 'mean of the population'}")
    set_title(figure, title)
    return figure


def _draw(
    axes: Axes, generation: Float[np.ndarray, "R"], rewards: Float[np.ndarray, "M R"], name: str, colour: str
) -> Label | None:
    """Draw one player; return the label of its line, or None where nothing is known."""
    known = np.isfinite(rewards).all(0)
    if not known.any():
        return None
    x, y = generation[known], rewards[:, known]
    if len(rewards) > 1:
        axes.fill_between(x, y.min(0), y.max(0), color=colour, alpha=BAND, linewidth=0)
    paper = current().paper
    axes.plot(
        x, y.mean(0), color=colour, linewidth=1.2 if paper else 2.0,
        marker="o" if known.sum() <= MAX_MARKED else None, markersize=2 if paper else 4,
    )  # fmt: skip
    return Label(float(y.mean(0)[-1]), name, colour)
