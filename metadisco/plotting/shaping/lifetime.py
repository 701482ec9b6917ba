"""Lifetimes of a meta-policy and its opponents, meta-step by meta-step. Axes: T meta-steps, Q quantiles, S states."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from metadisco.inner.games import Game
from metadisco.inner.games.lifetime import Spread, Trace
from metadisco.plotting.labels import Label, guide, label_ends
from metadisco.plotting.look import COLUMN, TEXT, WIDE, current, points
from metadisco.plotting.shaping.words import (
    BAND,
    META_STEP,
    OPPONENT,
    OUTCOMES,
    REWARD,
    SHAPER,
    Names,
    by_round,
    explanations,
    panel_titles,
)
from metadisco.plotting.style import GUIDE, LEGEND_SIZE, band, robust_limits, set_legend, set_title, uncluttered

NARROW = 0.03
"""Share of rounds below which an area at the end of a lifetime has no label there."""
COLOURS = (("#009e73", "#00785a"), (OPPONENT, OPPONENT), (SHAPER, SHAPER), ("#b0b0b0", "#555555"))
"""Of each outcome of a round and of its letters; what serves one player alone has that player's colour."""


def cooperation_figure(
    trace: Trace,
    own: Float[np.ndarray, "N T S"],
    other: Float[np.ndarray, "N T S"],
    game: Game,
    names: Names,
) -> Figure:
    """Draw the probability of C of both players after what was played before: thick the mean, thin some lifetimes.

    Both players' lines of a panel are of the same round.

    Args:
        trace: of many lifetimes.
        own: the shaper's probabilities in some lifetimes, in the order of its own states.
        other: those of the opponent, in the order of *its* own states.
        game: from the shaper's seat.
        names: for the title.
    """
    titles, paper = panel_titles(game), current().paper
    several = len(titles) > 1
    size = ((TEXT, 2.3) if several else (COLUMN, 2.7)) if paper else ((WIDE, 3.4) if several else (6.4, 4.6))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(titles), sharex=True, sharey=True, squeeze=False)[0]
    players = (
        (np.asarray(trace.own_policy.mean), own, "shaper", SHAPER),
        (by_round(np.asarray(trace.other_policy.mean)), by_round(other), "opponent", OPPONENT),
    )
    for state, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        for mean, single, _, colour in players:
            _draw_single(axes, single[..., state], colour)
            _draw_mean(axes, mean[:, state], colour)
        axes.set_title(title, fontsize=points(figure, 10))
        _finish(axes, len(trace.own_policy.mean), 2 if several else 6)
    panels[0].set_ylim(-0.03, 1.03)
    panels[0].set_ylabel("probability of C")
    label_ends(figure, panels[-1], [Label(float(mean[-1, -1]), name, colour) for mean, _, name, colour in players])
    set_title(figure, names.title("Probability of playing C, by the round before", game))
    set_legend(figure, [_line(1.6, 1.0, "mean over lifetimes"), _line(0.6, 0.5, f"each of {len(own)} lifetimes")])
    return figure


def rewards_figure(trace: Trace, game: Game, names: Names, guides: Mapping[str, float] | None = None) -> Figure:
    """Draw the reward of both players at each meta-step: a line for the mean, a band from 10 to 90 %.

    Args:
        trace: of many lifetimes; the first and last of its quantiles are the band.
        game: from the shaper's seat.
        names: for the title.
        guides: level lines by name; those far from everything else are left out.
    """
    figure, axes = _figure()
    ends = ((trace.own_reward, "shaper", SHAPER), (trace.other_reward, "opponent", OPPONENT))
    for spread, _, colour in ends:
        _draw(axes, spread, colour)
    _finish(axes, len(trace.own_reward.mean), 6)
    values = np.concatenate([np.ravel(each) for spread, *_ in ends for each in (spread.mean, spread.quantiles)])
    near = draw_guides(axes, values, guides or {})
    axes.set_ylabel(REWARD)
    drawn = [guide(y, name) for name, y in near.items()]
    label_ends(figure, axes, [*(Label(float(spread.mean[-1]), *rest) for spread, *rest in ends), *drawn])
    set_title(figure, names.title("Both players' rewards", game))
    set_legend(figure, [_line(1.6, 1.0, "mean over lifetimes"), band("80 % of lifetimes"), *explanations(near)])
    return figure


def visits_figure(trace: Trace, game: Game, names: Names) -> Figure:
    """Draw the shares of CC, CD, DC and DD at each meta-step, stacked.

    Args:
        trace: of many lifetimes.
        game: from the shaper's seat.
        names: for the title.
    """
    figure, axes = _figure()
    steps = np.arange(1, len(trace.visits) + 1)
    colours = [colour for colour, _ in COLOURS]
    axes.stackplot(steps, trace.visits.T, colors=colours, edgecolor="white", linewidth=0.4)
    axes.set_xlim(1, max(len(steps), 2))
    axes.set_ylim(0, 1)
    uncluttered(axes)
    axes.set_xlabel(META_STEP)
    axes.set_ylabel("share of rounds" if game.gamma is None else "share of rounds, discounted")
    middles = np.cumsum(trace.visits, axis=1) - trace.visits / 2
    ends = []
    for shares, middle, outcome, (_, letters) in zip(
        trace.visits.T, middles.T, OUTCOMES.values(), COLOURS, strict=True
    ):
        words = outcome.replace(", ", ",\n")
        if shares[-1] >= NARROW:
            ends.append(Label(float(middle[-1]), words, letters))
        elif shares.max() >= NARROW:
            _point_at(figure, axes, float(steps[shares.argmax()]), float(middle[shares.argmax()]), words, letters)
    label_ends(figure, axes, ends)
    set_title(figure, names.title("What both play", game))
    return figure


def _point_at(figure: Figure, axes: Axes, x: float, y: float, words: str, colour: str) -> None:
    """Name an area that is gone at the end of the lifetime where it is widest."""
    axes.annotate(
        words, (x, y), (40, 0), textcoords="offset points", color=colour, va="center",
        fontsize=points(figure, LEGEND_SIZE),
        bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.9},
        arrowprops={"arrowstyle": "-", "color": "white", "linewidth": 1.0},
    )  # fmt: skip


def draw_guides(axes: Axes, values: Float[np.ndarray, "N"], guides: Mapping[str, float]) -> dict[str, float]:
    """Set vertical limits that contain values; draw level lines that are not far outside, and return those."""
    low, high = robust_limits(values)
    near = {name: y for name, y in guides.items() if low - (high - low) / 2 <= y <= high + (high - low) / 2}
    low, high = robust_limits(np.array([low, high, *near.values()])) if near else (low, high)
    axes.set_ylim(low, high)
    for y in near.values():
        axes.axhline(y, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    return near


def _line(width: float, alpha: float, label: str) -> Line2D:
    """Return the entry of a legend for lines of both players."""
    return Line2D([], [], color="black", alpha=alpha, linewidth=width, label=label)


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(COLUMN, 2.5) if current().paper else (6.4, 4.6), layout="constrained")
    return figure, figure.subplots()


def _draw(axes: Axes, spread: Spread, colour: str) -> None:
    """Draw a mean, and a band between the outermost quantiles."""
    steps = np.arange(1, len(spread.mean) + 1)
    axes.fill_between(steps, spread.quantiles[:, 0], spread.quantiles[:, -1], color=colour, alpha=BAND, linewidth=0)
    _draw_mean(axes, np.asarray(spread.mean), colour)


def _draw_mean(axes: Axes, mean: Float[np.ndarray, "N"], colour: str) -> None:
    marker = "o" if len(mean) == 1 else None
    width = 1.2 if current().paper else 2.0
    axes.plot(np.arange(1, len(mean) + 1), mean, color=colour, linewidth=width, marker=marker, zorder=3)


def _draw_single(axes: Axes, lifetimes: Float[np.ndarray, "N T"], colour: str) -> None:
    """Draw a thin line for each lifetime."""
    steps = np.arange(1, lifetimes.shape[1] + 1)
    lines = [np.stack([steps, each], axis=1) for each in lifetimes]
    axes.add_collection(LineCollection(lines, colors=colour, alpha=0.35, linewidths=0.3 if current().paper else 0.6))


def _finish(axes: Axes, horizon: int, numbers: int) -> None:
    axes.set_xlim(0, max(horizon, 2))
    uncluttered(axes)
    axes.xaxis.set_major_locator(MaxNLocator(numbers, integer=True, min_n_ticks=1))
    axes.set_xlabel(META_STEP)
