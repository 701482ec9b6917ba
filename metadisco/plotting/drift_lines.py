"""Drifts as lines over the probability ratio, one panel for each advantage."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import MaxNLocator

from metadisco.distillation.features import quantiles, relative_gradient
from metadisco.distillation.surfaces import DriftSurface
from metadisco.evaluation.histograms import ADVANTAGE_EDGES, LOG_RATIO_EDGES
from metadisco.plotting.drift import RATIO, RELATIVE_GRADIENT, ratio_axis
from metadisco.plotting.labels import Label, label_ends
from metadisco.plotting.look import COLUMN, TEXT, WIDE, current, points
from metadisco.plotting.style import (
    GUIDE,
    ROUND,
    line_style,
    note,
    set_legend,
    set_title,
    short,
    uncluttered,
)

GRADIENT = "∂(rA − D)/∂r"
ADVANTAGES = (0.5, 1.0, 2.0, -0.5, -1.0, -2.0)
NEIGHBOURS = 0.25  # of A, whose samples count as those at an advantage
MIDDLE = (0.005, 0.995)
"""Quantiles of log r beyond which hardly any sample is."""
LEAST, MOST = 1.5, 4.0
"""How far the vertical axis reaches at least and at most, in units of |A|."""
OUTSIDE = "#e4e4e4"
MAX_LABELLED, MAX_LABEL = 5, 20  # lines, and letters of a name, that are written beside lines


def drift_slices_figure(
    surfaces: Mapping[str, DriftSurface],
    *,
    advantages: Sequence[float] = ADVANTAGES,
    title: str,
    visits: Int[np.ndarray, "G H"] | None = None,
) -> Figure:
    """Draw the gradient of the surrogate with respect to r at some advantages: a positive one raises r.

    It is drawn in units of |A|, in which that of the policy gradient is ±1. All panels have the same axes. They show
    what most samples meet, up to ±4; an arrow tells how far a line reaches beyond.

    Args:
        surfaces: by name, the first one drawn thick, the others dashed.
        advantages: one for each panel; drawn is the nearest of the grid.
        title: of the figure.
        visits: histogram of the samples in minibatches, by LOG_RATIO_EDGES and ADVANTAGE_EDGES: what is outside the
            middle 99 % of log r at about this advantage is grey.
    """
    num_columns = min(3, len(advantages))
    num_rows = -(-len(advantages) // num_columns)
    paper = current().paper
    narrow, wide, tall = (COLUMN, TEXT, 1.45) if paper else (5.0, WIDE, 1.9)
    width = narrow if num_columns == 1 else wide
    figure = Figure(figsize=(width, (0.95 if paper else 1.45) + tall * num_rows), layout="constrained")
    grid = figure.subplots(num_rows, num_columns, sharex=True, sharey=True, squeeze=False)
    panels = list(grid.flat[: len(advantages)])
    middles = [_middle(visits, advantage) for advantage in advantages]
    lines = [_draw_slice(axes, surfaces, each) for axes, each in zip(panels, advantages, strict=True)]
    limits = _limits(lines, middles)
    for axes, drawn, middle in zip(panels, lines, middles, strict=True):
        _finish(axes, surfaces, drawn, middle, limits)
    for axes in grid.flat[len(advantages) :]:
        axes.remove()
    _label(figure, panels, num_columns)
    set_title(figure, title)
    beside = len(surfaces) <= MAX_LABELLED and max(map(len, surfaces)) <= MAX_LABEL
    if beside:
        _label_lines(figure, panels[num_columns - 1 :: num_columns] or panels[-1:], num_rows)
    cut = any(text.get_text()[0] in "↑↓" for axes in panels for text in axes.texts if text.get_text())
    beyond = [note("↑ n, ↓ n: the line goes on to n beyond the panel")] if cut else []
    set_legend(figure, [*([] if beside else lines[-1]), *_visit_handles(middles), *beyond])
    return figure


def _middle(visits: Int[np.ndarray, "G H"] | None, advantage: float) -> tuple[float, float] | None:
    """Return the log r between which 99 % of the samples at about an advantage are; None where there are none."""
    if visits is None:
        return None
    centres = (ADVANTAGE_EDGES[1:] + ADVANTAGE_EDGES[:-1]) / 2
    low, high = quantiles(visits[:, np.abs(centres - advantage) <= NEIGHBOURS].sum(1), LOG_RATIO_EDGES, MIDDLE)
    return (low, high) if np.isfinite(low) else None


def _draw_slice(axes: Axes, surfaces: Mapping[str, DriftSurface], advantage: float) -> list[Line2D]:
    """Return the lines, in the order of the surfaces."""
    lines: list[Line2D] = []
    used = []
    thick, thin = (1.5, 1.0) if current().paper else (2.4, 1.6)
    for number, (name, surface) in enumerate(surfaces.items()):
        place = int(np.argmin(np.abs(surface.advantage - advantage)))
        used.append(float(surface.advantage[place]))
        style = line_style(number) | {"linewidth": thin if number else thick, "label": name}
        lines += axes.plot(surface.log_ratio, relative_gradient(surface)[:, place], **style)
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    heading = "A = " + ", ".join(dict.fromkeys(short(each, 3) for each in used))
    axes.set_title(heading, fontsize=points(figure, 10))
    return lines


def _limits(lines: Sequence[Sequence[Line2D]], middles: Sequence[tuple[float, float] | None]) -> tuple[float, float]:
    """Return vertical limits that hold what most samples meet, with room for the policy gradient's ±1."""
    met = [np.array([-LEAST, LEAST])]
    for drawn, middle in zip(lines, middles, strict=True):
        for line in drawn:
            x, y = (np.asarray(each, float) for each in line.get_data())
            inside = np.ones(len(x), bool) if middle is None else (x >= middle[0]) & (x <= middle[1])
            met.append(1.08 * y[inside])
    everything = np.clip(np.concatenate(met), -MOST, MOST)
    return float(everything.min()), float(everything.max())


def _finish(
    axes: Axes,
    surfaces: Mapping[str, DriftSurface],
    lines: Sequence[Line2D],
    middle: tuple[float, float] | None,
    limits: tuple[float, float],
) -> None:
    """Set limits, shade what hardly any sample meets, and tell how far lines reach that are cut off."""
    low = min(float(surface.log_ratio[0]) for surface in surfaces.values())
    high = max(float(surface.log_ratio[-1]) for surface in surfaces.values())
    axes.axhline(0, color=GUIDE, linewidth=0.8, zorder=1)
    axes.axvline(0, color=GUIDE, linewidth=0.8, zorder=1)
    for start, end in () if middle is None else ((low, middle[0]), (middle[1], high)):
        if start < end:
            axes.axvspan(start, end, color=OUTSIDE, linewidth=0, zorder=0)
    uncluttered(axes)
    ratio_axis(axes, low, high, 0.16)
    axes.set_ylim(*limits)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=ROUND))
    for line in lines:
        _tell_beyond(axes, line, limits)


def _tell_beyond(axes: Axes, line: Line2D, limits: tuple[float, float]) -> None:
    """Write how far a line reaches where it leaves the panel."""
    x, y = (np.asarray(each, float) for each in line.get_data())
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    for extreme, beyond, edge, arrow, align in (
        (int(y.argmax()), y.max() > limits[1] + 1e-6, limits[1], "↑", "top"),
        (int(y.argmin()), y.min() < limits[0] - 1e-6, limits[0], "↓", "bottom"),
    ):
        if beyond:
            share = (x[extreme] - x[0]) / (x[-1] - x[0])
            axes.text(
                x[extreme], edge, f"{arrow} {short(float(y[extreme]), 2)}", color=line.get_color(), va=align,
                ha="left" if share < 0.1 else "right" if share > 0.9 else "center", fontsize=points(figure, 9),
                path_effects=[Stroke(linewidth=2.5, foreground="white"), Normal()],
            )  # fmt: skip


def _label(figure: Figure, panels: Sequence[Axes], num_columns: int) -> None:
    size = points(figure, 9)
    for number, axes in enumerate(panels):
        lowest = number + num_columns >= len(panels)
        axes.set_xlabel(RATIO if lowest else "", fontsize=size)
        axes.set_ylabel(RELATIVE_GRADIENT if number % num_columns == 0 else "", fontsize=size)
        axes.tick_params(labelbottom=lowest, labelsize=size)


def _label_lines(figure: Figure, panels: Sequence[Axes], num_rows: int) -> None:
    """Name the lines beside that panel in which their ends are furthest apart."""

    def ends(axes: Axes) -> list[tuple[Line2D, float]]:
        low, high = axes.get_ylim()
        return [(line, float(np.clip(np.asarray(line.get_ydata())[-1], low, high))) for line in named(axes)]

    def named(axes: Axes) -> list[Line2D]:
        return [line for line in axes.lines if not str(line.get_label()).startswith("_")]

    chosen = max(panels, key=lambda axes: np.ptp([end for _, end in ends(axes)]))
    labels = [Label(end, str(line.get_label()), str(line.get_color())) for line, end in ends(chosen)]
    label_ends(figure, chosen, labels, 0.75 / num_rows)


def _visit_handles(middles: Sequence[tuple[float, float] | None]) -> list[Artist]:
    if all(middle is None for middle in middles):
        return []
    return [
        Patch(
            color=OUTSIDE,
            linewidth=0,
            label="grey: outside the middle 99 % of the samples' r, at this A alone",
        )
    ]
