"""Lifetimes of a meta-policy and its opponents, meta-step by meta-step. Axes: T meta-steps, Q quantiles, S states."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from metadisco.inner.games import Game
from metadisco.inner.games.lifetime import Spread, Trace
from metadisco.plotting.labels import Label, guide, label_ends
from metadisco.plotting.look import COLUMN, TEXT, WIDE, current, points
from metadisco.plotting.shaping.words import BAND, META_STEP, OPPONENT, REWARD, SHAPER, Names, panel_titles
from metadisco.plotting.style import GUIDE, robust_limits, set_title, uncluttered

OUTCOMES = (
    ("CC: both play C", "#009e73", "#00785a"),
    ("CD: only the shaper plays C", OPPONENT, OPPONENT),
    ("DC: only the opponent plays C", SHAPER, SHAPER),
    ("DD: neither does", "#b0b0b0", "#555555"),
)
"""Name, colour and colour of letters of each; what serves one player alone has that player's colour."""


def cooperation_figure(trace: Trace, game: Game, names: Names) -> Figure:
    """Draw the probability of C of both players after each state: a line for the mean, a band from 10 to 90 %.

    Args:
        trace: of many lifetimes; the first and last of its quantiles are the band.
        game: from the shaper's seat.
        names: for the title.
    """
    titles, paper = panel_titles(game), current().paper
    several = len(titles) > 1
    size = ((TEXT, 2.1) if several else (COLUMN, 2.5)) if paper else ((WIDE, 2.9) if several else (6.4, 4.6))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(titles), sharex=True, sharey=True, squeeze=False)[0]
    for state, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        for spread, colour in ((trace.own_policy, SHAPER), (trace.other_policy, OPPONENT)):
            _draw(axes, Spread(spread.mean[:, state], spread.quantiles[:, :, state]), colour)
        axes.set_title(title, fontsize=points(figure, 10))
        _finish(axes, len(trace.own_policy.mean), 2 if several else 6)
    panels[0].set_ylim(-0.03, 1.03)
    panels[0].set_ylabel("probability of C")
    ends = ((trace.own_policy, "shaper", SHAPER), (trace.other_policy, "opponent", OPPONENT))
    label_ends(figure, panels[-1], [Label(float(spread.mean[-1, -1]), *rest) for spread, *rest in ends])
    set_title(figure, names.title("Probability of playing C, by the round before", game))
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
    drawn = draw_guides(axes, values, guides or {})
    axes.set_ylabel(REWARD)
    label_ends(figure, axes, [*(Label(float(spread.mean[-1]), *rest) for spread, *rest in ends), *drawn])
    set_title(figure, names.title("Both players' rewards", game))
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
    colours = [colour for _, colour, _ in OUTCOMES]
    axes.stackplot(steps, trace.visits.T, colors=colours, edgecolor="white", linewidth=0.4)
    axes.set_xlim(1, max(len(steps), 2))
    axes.set_ylim(0, 1)
    uncluttered(axes)
    axes.set_xlabel(META_STEP)
    axes.set_ylabel("share of rounds" if game.gamma is None else "share of rounds, discounted")
    top = np.cumsum(trace.visits[-1])
    labels = zip(top - trace.visits[-1] / 2, OUTCOMES, strict=True)
    label_ends(figure, axes, [Label(float(y), name.replace(": ", ":\n"), letters) for y, (name, _, letters) in labels])
    set_title(figure, names.title("How rounds end", game))
    return figure


def draw_guides(axes: Axes, values: Float[np.ndarray, "N"], guides: Mapping[str, float]) -> list[Label]:
    """Set vertical limits that contain values; draw level lines that are not far outside, and return their labels."""
    low, high = robust_limits(values)
    near = {name: y for name, y in guides.items() if low - (high - low) / 2 <= y <= high + (high - low) / 2}
    low, high = robust_limits(np.array([low, high, *near.values()])) if near else (low, high)
    axes.set_ylim(low, high)
    for y in near.values():
        axes.axhline(y, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    return [guide(y, name) for name, y in near.items()]


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(COLUMN, 2.5) if current().paper else (6.4, 4.6), layout="constrained")
    return figure, figure.subplots()


def _draw(axes: Axes, spread: Spread, colour: str) -> None:
    """Draw a mean, and a band between the outermost quantiles."""
    steps = np.arange(1, len(spread.mean) + 1)
    axes.fill_between(steps, spread.quantiles[:, 0], spread.quantiles[:, -1], color=colour, alpha=BAND, linewidth=0)
    marker = "o" if len(steps) == 1 else None
    axes.plot(steps, spread.mean, color=colour, linewidth=1.2 if current().paper else 2.0, marker=marker)


def _finish(axes: Axes, horizon: int, numbers: int) -> None:
    axes.set_xlim(0, max(horizon, 2))
    uncluttered(axes)
    axes.xaxis.set_major_locator(MaxNLocator(numbers, integer=True, min_n_ticks=1))
    axes.set_xlabel(META_STEP)
