"""Learning curves with bands. Axes: S seeds, U updates."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from metadisco.evaluation.resampling import mean_interval
from metadisco.plotting.look import COLUMN, current
from metadisco.plotting.style import ROUND, line_style, say, set_legend, set_title, uncluttered


def learning_curves_figure(
    curves: Mapping[str, tuple[Sequence[int], Float[np.ndarray, "S U"]]],
    *,
    title: str,
) -> Figure:
    """Draw mean learning curves with the 95 % percentile bootstrap interval of the mean over seeds.

    Args:
        curves: by objective: environment steps at the end of each update, and returns without gaps, NaN for a seed
            that is left out.
        title: of the figure.
    """
    paper = current().paper
    figure = Figure(figsize=(COLUMN, 2.5) if paper else (6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    lines = [
        _draw(axes, number, label, *curve, width=1.2 if paper else 2.0)
        for number, (label, curve) in enumerate(curves.items())
    ]
    uncluttered(axes)
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=ROUND))
    axes.set_xlabel("environment steps")
    axes.set_ylabel("return of finished episodes")
    if not any(np.size(line.get_ydata()) for line in lines):
        say(axes, "no curves")
    set_title(figure, title)
    set_legend(figure, lines)
    return figure


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
