"""How the scores of seeds are distributed. Axes: S seeds, K environments."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from metadisco.evaluation.resampling import mean_interval, profile_band
from metadisco.plotting.look import COLUMN, TEXT, WIDE, current, points
from metadisco.plotting.style import (
    GUIDE,
    PALETTE,
    band,
    line_style,
    robust_limits,
    say,
    set_legend,
    set_title,
    uncluttered,
    wrapped,
)

NUM_THRESHOLDS = 401
NAMES = 1.6  # inches, for the names of objectives


def returns_figure(returns: Mapping[str, Mapping[str, Float[np.ndarray, "S"]]], *, title: str) -> Figure:
    """Draw the return of every seed, and the mean with its 95 % bootstrap interval; a panel per environment.

    Args:
        returns: by environment and objective; NaN for a seed that failed, which is left out and counted.
        title: of the figure.
    """
    paper, ncols = current().paper, min(len(returns), 2)
    nrows = math.ceil(len(returns) / ncols)
    width = (COLUMN, TEXT)[ncols - 1] if paper else (6.4, WIDE)[ncols - 1]
    lines = max(len(each) for each in returns.values())
    head, line = (0.55, 0.22) if paper else (0.9, 0.42)
    figure = Figure(figsize=(width, 0.3 + nrows * (head + line * lines) + 0.25), layout="constrained")
    panels = figure.subplots(nrows, ncols, squeeze=False).ravel()
    for axes, (env, by_objective) in zip(panels, returns.items(), strict=False):
        _draw_returns(axes, by_objective, 0.95 * width / ncols - 0.75 * NAMES)
        size = points(figure, 10)
        names = [wrapped(figure, name, size, (0.6 if paper else 1.0) * NAMES) for name in by_objective]
        axes.set_yticks(range(len(names)), names, parse_math=False)
        if len(returns) > 1:
            heading = wrapped(figure, env, size, 0.95 * width / ncols - 0.75 * NAMES)
            axes.set_title(heading, loc="left", fontsize=size, parse_math=False)
    for axes in panels[len(returns) :]:
        axes.remove()
    set_title(figure, title)
    black: dict[str, Any] = {"color": "black", "marker": "o", "markersize": 3 if paper else 5}
    agent = Line2D([], [], color=GUIDE, alpha=0.6, marker="o", linestyle="", markersize=2 if paper else 3.5)
    agent.set_label("each agent, moved a little up or down")
    set_legend(figure, [Line2D([], [], label="mean with its 95 % interval", **black), agent])
    return figure


def _draw_returns(axes: Axes, by_objective: Mapping[str, Float[np.ndarray, "S"]], room: float) -> None:
    import pandas as pd  # noqa: PLC0415 - takes a second
    import seaborn as sns  # noqa: PLC0415 - takes two

    seeds = pd.concat(
        [pd.DataFrame({"objective": name, "return": values}) for name, values in by_objective.items()],
        ignore_index=True,
    )
    known = seeds[np.isfinite(seeds["return"])]
    colours = {name: PALETTE[number % len(PALETTE)] for number, name in enumerate(by_objective)}
    if len(known):
        place = {"x": "return", "y": "objective", "order": list(by_objective), "ax": axes, "legend": False}
        small = current().paper
        with _same_jitter():
            sns.stripplot(
                known, hue="objective", palette=colours, alpha=0.45, size=2 if small else 3.5, jitter=0.28, **place
            )
        sns.pointplot(
            known, color="black", linestyle="none", errorbar=mean_interval, zorder=3,
            markersize=3 if small else 5, markeredgewidth=0, err_kws={"linewidth": 1.0 if small else 1.6}, **place,
        )  # fmt: skip
    else:
        say(axes, "no returns")
    uncluttered(axes)
    axes.set_ylim(len(by_objective) - 0.5, -0.5)
    failed = {name: int((~np.isfinite(values)).sum()) for name, values in by_objective.items()}
    words = ", ".join(f"{name} {number} of {len(by_objective[name])}" for name, number in failed.items() if number)
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    label = "final return" + (f"\n(failed: {words})" if words else "")
    axes.set_xlabel(wrapped(figure, label, points(figure, 10), room), parse_math=False)
    axes.set_ylabel("")


@contextmanager
def _same_jitter() -> Iterator[None]:
    """Let seaborn, which moves points apart by NumPy's global generator, move them alike each time."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)


def profiles_figure(scores: Mapping[str, Float[np.ndarray, "S K"]], *, label: str, title: str) -> Figure:
    """Draw performance profiles: the share of agents with a higher score, over the score (Agarwal et al., 2021).

    Bands are 95 % percentile intervals, from resampling seeds independently on each environment.

    Args:
        scores: by objective, finite, on a scale that environments have in common.
        label: of the scale.
        title: of the figure.
    """
    import seaborn as sns  # noqa: PLC0415 - takes two seconds

    paper = current().paper
    figure = Figure(figsize=(COLUMN, 2.5) if paper else (6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    low, high = robust_limits(np.concatenate([values.ravel() for values in scores.values()]))
    thresholds = np.linspace(low, high, NUM_THRESHOLDS)
    lines = []
    for number, (name, values) in enumerate(scores.items()):
        style = line_style(number)
        sns.ecdfplot(
            x=values.ravel(), complementary=True, ax=axes, linewidth=1.2 if paper else 2.0, legend=False, **style
        )
        line = axes.lines[-1]
        steps, shares = map(np.asarray, line.get_data())
        line.set_data(np.append(np.clip(steps, low, high), high), np.append(shares, shares[-1]))  # from edge to edge
        line.set_label(name)
        lines.append(line)
        if len(values) > 1:
            edges = profile_band(values[:, :, None] > thresholds)
            axes.fill_between(thresholds, *edges, color=style["color"], alpha=0.2, linewidth=0, step="post")
    uncluttered(axes)
    axes.set_xlim(low, high)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(wrapped(figure, label, points(figure, 10), 0.8 * figure.get_figwidth()), parse_math=False)
    axes.set_ylabel("share of agents above")
    set_title(figure, title)
    several = any(len(values) > 1 for values in scores.values())
    set_legend(figure, [*lines, *([band("95 % interval")] if several else [])])
    return figure
