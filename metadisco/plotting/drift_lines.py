"""Drifts as lines over the probability ratio, one panel for each advantage, and in three dimensions."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from metadisco.distillation.features import quantiles
from metadisco.distillation.surfaces import DriftSurface
from metadisco.evaluation.histograms import ADVANTAGE_EDGES, LOG_RATIO_EDGES
from metadisco.plotting.drift import DRIFT, RATIO, ratio_axis, without_rounding
from metadisco.plotting.heat import relief
from metadisco.plotting.style import (
    GUIDE,
    PALETTE,
    line_style,
    robust_limits,
    set_legend,
    set_title,
    short,
    uncluttered,
)

GRADIENT = "∂(rA − D)/∂r"
ADVANTAGES = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)
NEIGHBOURS = 0.25  # of A, whose samples count as those at an advantage


def drift_slices_figure(
    surfaces: Mapping[str, DriftSurface],
    *,
    advantages: Sequence[float] = ADVANTAGES,
    title: str,
    visits: Int[np.ndarray, "G H"] | None = None,
) -> Figure:
    """Draw the gradient of the surrogate with respect to r at some advantages: a positive one raises r.

    Args:
        surfaces: by name, the first one drawn thick, the others dashed.
        advantages: one for each panel; drawn is the nearest of the grid.
        title: of the figure.
        visits: histogram of the samples in minibatches, by LOG_RATIO_EDGES and ADVANTAGE_EDGES: the middle 99 % of
            log r at about this advantage are shaded.
    """
    num_columns = min(3, len(advantages))
    num_rows = -(-len(advantages) // num_columns)
    figure = Figure(figsize=(1 + 3.4 * num_columns, 1.3 + 2.7 * num_rows), layout="constrained")
    for number, advantage in enumerate(advantages, 1):
        axes = figure.add_subplot(num_rows, num_columns, number)
        axes.set_xlabel(RATIO if number + num_columns > len(advantages) else "", fontsize=9)
        axes.set_ylabel(GRADIENT, fontsize=9)
        handles: list[Artist] = list(_draw_slice(axes, surfaces, advantage))
        if visits is not None:
            _shade_visits(axes, visits, advantage)
    if visits is not None and visits.any():
        name = "middle 99 % of the samples in minibatches at this advantage"
        handles.append(Patch(color=PALETTE[4], alpha=0.35, linewidth=0, label=name))
    set_title(figure, title)
    set_legend(figure, handles)
    return figure


def _draw_slice(axes: Axes, surfaces: Mapping[str, DriftSurface], advantage: float) -> list[Line2D]:
    """Return the lines, in the order of the surfaces."""
    lines: list[Line2D] = []
    used = []
    for number, (name, surface) in enumerate(surfaces.items()):
        place = int(np.argmin(np.abs(surface.advantage - advantage)))
        used.append(float(surface.advantage[place]))
        style = line_style(number) | {"linewidth": 1.5 if number else 2.2, "label": name}
        lines += axes.plot(surface.log_ratio, surface.gradient[:, place], **style)
    axes.axhline(0, color=GUIDE, linewidth=0.8, zorder=1)
    axes.axvline(0, color=GUIDE, linewidth=0.8, zorder=1)
    ends = [(float(surface.log_ratio[0]), float(surface.log_ratio[-1])) for surface in surfaces.values()]
    axes.set_title("A = " + ", ".join(dict.fromkeys(short(each, 3) for each in used)), fontsize=11)
    axes.set_ylim(*robust_limits(np.concatenate([*(line.get_ydata() for line in lines), [0.0]])))
    uncluttered(axes)
    ratio_axis(axes, min(low for low, _ in ends), max(high for _, high in ends))
    return lines


def _shade_visits(axes: Axes, visits: Int[np.ndarray, "G H"], advantage: float) -> None:
    centres = (ADVANTAGE_EDGES[1:] + ADVANTAGE_EDGES[:-1]) / 2
    low, high = quantiles(visits[:, np.abs(centres - advantage) <= NEIGHBOURS].sum(1), LOG_RATIO_EDGES, (0.005, 0.995))
    if np.isfinite(low):
        axes.axvspan(low, high, color=PALETTE[4], alpha=0.35, linewidth=0, zorder=0)


def drift_3d_figure(surface: DriftSurface, *, title: str) -> Figure:
    """Draw a drift, and the gradient of its surrogate with respect to r, in three dimensions.

    Args:
        surface: ascending grids of log r and A.
        title: of the figure.
    """
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    low, high = float(surface.log_ratio[0]), float(surface.log_ratio[-1])
    x, y = (RATIO, surface.log_ratio), ("advantage A", surface.advantage)
    for place, z in enumerate(((DRIFT, without_rounding(surface.drift)), (GRADIENT, surface.gradient)), 1):
        ratio_axis(relief(figure, place, x, y, z), low, high)
    set_title(figure, title)
    return figure
