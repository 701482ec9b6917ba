"""Learning curves with bands. Axes: S seeds, U updates."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from metadisco.plotting.style import line_style, say, set_legend, set_title, uncluttered


def learning_curves_figure(
    curves: Mapping[str, tuple[Sequence[int], Float[np.ndarray, "S U"]]],
    *,
    title: str,
) -> Figure:
    """Draw mean learning curves with their 95 % interval over seeds.

    Args:
        curves: by objective: environment steps at the end of each update, and returns without gaps, NaN for a seed
            that is left out.
        title: of the figure.
    """
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    lines = []
    for number, (label, (env_steps, returns)) in enumerate(curves.items()):
        known = returns[np.isfinite(returns).all(1)]
        style = line_style(number)
        if not len(known):
            lines += axes.plot([], [], linewidth=2, label=f"{label} (no curve)", **style)
            continue
        centre = known.mean(0)
        half = 1.96 * known.std(0, ddof=1) / len(known) ** 0.5 if len(known) > 1 else np.zeros_like(centre)
        lines += axes.plot(env_steps, centre, linewidth=2, label=label, **style)
        axes.fill_between(env_steps, centre - half, centre + half, color=style["color"], alpha=0.2, linewidth=0)
    uncluttered(axes)
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.set_xlabel("environment steps")
    axes.set_ylabel("return of finished episodes")
    if not axes.collections:
        say(axes, "no curves")
    set_title(figure, title)
    set_legend(figure, lines)
    return figure
