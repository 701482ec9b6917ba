"""Learning curves with bands. Axes: S seeds, U updates."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from metadisco.evaluation.resampling import mean_interval
from metadisco.plotting.look import COLUMN, TEXT, WIDE, current, points
from metadisco.plotting.style import (
    GUIDE,
    ROUND,
    band,
    line_style,
    say,
    set_legend,
    set_title,
    short,
    uncluttered,
    wrapped,
)

Curves = Mapping[str, tuple[Sequence[int], Float[np.ndarray, "S U"]]]
"""By objective: environment steps at the end of each update, and returns without gaps, NaN for a seed left out."""

NUM_COLUMNS = 2
MANY = 4
"""Panels, beyond which a figure for a paper is as wide as the text."""


def learning_curves_figure(curves: Curves, *, title: str) -> Figure:
    """Draw mean learning curves with the 95 % percentile bootstrap interval of the mean over seeds.

    Args:
        curves: by objective: environment steps at the end of each update, and returns without gaps, NaN for a seed
            that is left out.
        title: of the figure.
    """
    figure = Figure(figsize=(COLUMN, 2.5) if current().paper else (6.4, 4.6), layout="constrained")
    lines = _draw_panel(figure.subplots(), curves, _steps([curves]))
    set_title(figure, title)
    set_legend(figure, [*lines, *_band([curves])])
    return figure


def curves_figure(curves: Mapping[str, Curves], *, title: str) -> Figure:
    """Draw the learning curves of several environments, a panel for each; bands as in `learning_curves_figure`.

    Args:
        curves: by environment, the same objectives in each.
        title: of the figure.
    """
    paper, ncols = current().paper, min(len(curves), NUM_COLUMNS)
    if paper and len(curves) > MANY:
        ncols = 2 * NUM_COLUMNS
    nrows = math.ceil(len(curves) / ncols)
    width = (COLUMN if len(curves) <= MANY else TEXT) if paper else (6.4, WIDE)[ncols - 1]
    names = list(dict.fromkeys(name for each in curves.values() for name in each))
    height = 0.4 + 1.3 * nrows + 0.13 * len(names) if paper else 1.1 + 2.5 * nrows
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(nrows, ncols, squeeze=False).ravel()
    unit = _steps(list(curves.values()))
    for number, (axes, (env, each)) in enumerate(zip(panels, curves.items(), strict=False)):
        lines = _draw_panel(axes, each, unit, label_x=number + ncols >= len(curves), num_ticks=3)
        size = points(figure, 10)
        heading = wrapped(figure, env, size, width / ncols - (0.6 if paper else 0.9))
        axes.set_title(heading, loc="left", fontsize=size, parse_math=False)
        missing = [str(line.get_label()) for line in lines if not np.size(line.get_ydata())]
        if missing and len(missing) < len(lines):
            axes.text(0.02, 0.98, "\n".join(missing), transform=axes.transAxes, va="top", color=GUIDE, parse_math=False)
    for axes in panels[len(curves) :]:
        axes.remove()
    set_title(figure, title)
    width = 1.2 if paper else 2.0
    lines = [Line2D([], [], label=name, linewidth=width, **line_style(n)) for n, name in enumerate(names)]
    set_legend(figure, [*lines, *_band(list(curves.values()))])
    return figure


def _band(panels: Sequence[Curves]) -> list[Patch]:
    """Return the entry of a legend for bands, if there are any."""
    drawn = any(np.isfinite(returns).all(1).sum() > 1 for each in panels for _, returns in each.values())
    return [band("95 % interval of the mean over seeds")] if drawn else []


def _steps(panels: Sequence[Curves]) -> tuple[float, str]:
    """Return the unit of environment steps that all panels share, and its name."""
    most = max((steps[-1] for each in panels for steps, _ in each.values() if len(steps)), default=0)
    return (1e6, " (millions)") if most >= 1e6 else (1e3, " (thousands)") if most >= 1e4 else (1.0, "")


def _draw_panel(
    axes: Axes, curves: Curves, unit: tuple[float, str], *, label_x: bool = True, num_ticks: int = 5
) -> list[Line2D]:
    """Draw the curves of one environment; return their lines."""
    width = 1.2 if current().paper else 2.0
    lines = [_draw(axes, number, label, *curve, width=width) for number, (label, curve) in enumerate(curves.items())]
    uncluttered(axes)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda steps, _: short(steps / unit[0])))
    axes.xaxis.set_major_locator(MaxNLocator(num_ticks, steps=ROUND))
    axes.set_xlabel(f"environment steps{unit[1]}".replace(" (", "\n(" if current().paper else " (") if label_x else "")
    axes.set_ylabel("return")
    if not any(np.size(line.get_ydata()) for line in lines):
        say(axes, "no curves")
    return lines


def _draw(
    axes: Axes,
    number: int,
    label: str,
    env_steps: Sequence[int],
    returns: Float[np.ndarray, "S U"],
    width: float,
) -> Line2D:
    """Draw the mean of the seeds that are known, and its interval; return the line for the legend."""
    import pandas as pd  # noqa: PLC0415 - takes a second
    import seaborn as sns  # noqa: PLC0415 - takes two

    style = line_style(number)
    known = returns[np.isfinite(returns).all(1)]
    if not len(known):
        return axes.plot([], [], linewidth=width, label=f"{label} (no curve)", **style)[0]
    # Seeds stay in order below each step (sort=False), so that all steps have the same resamples.
    seeds = pd.DataFrame({"env_steps": np.repeat(np.asarray(env_steps), len(known)), "return": known.T.ravel()})
    sns.lineplot(
        seeds, x="env_steps", y="return", errorbar=mean_interval, err_kws={"linewidth": 0}, sort=False,
        ax=axes, legend=False, linewidth=width, **style,
    )  # fmt: skip
    line: Line2D = axes.lines[-1]
    line.set_label(label)
    return line
