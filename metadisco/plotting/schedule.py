"""Schedules of PPO's settings over the lifetime. Axes: G points in time."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator, PercentFormatter

from metadisco.plotting.look import current, points
from metadisco.plotting.style import GUIDE, PALETTE, set_title, short, uncluttered

NUM_COLUMNS = 2
LEAST_SPAN = 1.5  # of an axis around 1, so that rounding does not look like a curve
FINE_SPAN, COARSE_SPAN = 2.2, 30.0
FINE_TICKS = (0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0)

Curves = Mapping[str, Float[np.ndarray, "G"]]
"""Factors by name of the setting."""


def schedule_figure(
    progress: Float[np.ndarray, "G"], curves: Curves, *, title: str, earlier: Mapping[int, Curves] | None = None
) -> Figure:
    """Draw the factor of each setting over the lifetime, on a logarithmic axis; 1 is the value in the config.

    Args:
        progress: elapsed fractions of the lifetime.
        curves: factors at these times.
        title: of the figure.
        earlier: by generation, the same of earlier search centres, which are drawn thinner, the oldest lightest.
    """
    ncols = min(len(curves), NUM_COLUMNS)
    nrows = -(-len(curves) // ncols)
    size = (3.3, 0.5 + 1.5 * nrows) if current().paper else (4.2 * ncols, 0.9 + 2.5 * nrows)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(nrows, ncols, squeeze=False).ravel()
    for number, (axes, (name, factor)) in enumerate(zip(panels, curves.items(), strict=False)):
        before = [each[name] for each in (earlier or {}).values()]
        _draw_curve(axes, progress, factor, before)
        axes.set_title(name, loc="left", fontsize=points(figure, 10), parse_math=False)
        axes.set_ylabel("times that of the config")
        if number + ncols >= len(curves):
            axes.set_xlabel("share of the lifetime")
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    set_title(figure, title)
    return figure


def _draw_curve(
    axes: Axes, progress: Float[np.ndarray, "G"], factor: Float[np.ndarray, "G"], before: list[np.ndarray]
) -> None:
    axes.axhline(1.0, color=GUIDE, linewidth=0.8, linestyle=":")
    for number, each in enumerate(before):
        axes.plot(progress, each, color=PALETTE[0], linewidth=0.8, alpha=0.15 + 0.45 * number / len(before))
    axes.plot(progress, factor, color=PALETTE[0], linewidth=2)
    everything = np.concatenate([factor, *before])
    span = max(LEAST_SPAN, 1.1 * float(np.exp(np.abs(np.log(everything)).max())))
    uncluttered(axes)
    axes.set_yscale("log")
    axes.set_ylim(1 / span, span)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.yaxis.set_major_locator(FixedLocator(FINE_TICKS) if span < FINE_SPAN else LogLocator(subs=_steps(span)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value, 3)))
    axes.yaxis.set_minor_locator(NullLocator())


def _steps(span: float) -> tuple[float, ...]:
    """Return the multiples of powers of ten that are written on an axis from 1/span to span."""
    return (1.0, 2.0, 5.0) if span < COARSE_SPAN else (1.0,)
