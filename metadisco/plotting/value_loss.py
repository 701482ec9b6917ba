"""The learned value loss as a curve, beside the losses that it replaces, and over the generations."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from metadisco.distillation.features import (
    FLAT,
    asymmetry,
    flat_intervals,
    minimum,
    mirror_image,
    nearest_huber,
    non_convex_intervals,
    quantiles,
    squared_error_scale,
)
from metadisco.distillation.surfaces import ValueLossCurve
from metadisco.evaluation.visits import VALUE_EDGES
from metadisco.plotting.style import (
    GUIDE,
    PALETTE,
    light_to_dark,
    line_style,
    say,
    set_legend,
    set_title,
    short,
    uncluttered,
)

ERROR = "value error δ = V − target (return)"
LOSS = "φ(δ) − φ(0) (unit of the loss)"
DERIVATIVE = "∂φ/∂V (unit of the loss / return)"
NON_CONVEX, FLAT_PART, VISITED = PALETTE[4], PALETTE[7], PALETTE[5]


def value_loss_figure(
    curve: ValueLossCurve,
    *,
    title: str,
    label: str = "evolved φ",
    error_counts: Int[np.ndarray, "N"] | None = None,
) -> Figure:
    """Draw a value loss and its derivative, what is notable about them, and the nearest squared error and Huber loss.

    A loss is identified only up to a constant, so it is drawn as 0 at error 0; and its scale matters little to PPO,
    which clips the norm of the gradient, so the losses beside it are scaled to the same root mean square derivative.

    Args:
        curve: the loss over errors in units of return; all numbers finite.
        title: of the figure.
        label: of the loss in the legend.
        error_counts: how often trainings met which error, by the bins of VALUE_EDGES: drawn in a strip below.
    """
    figure, left, right, strips = _panels(error_counts is not None)
    handles = _draw_lines(left, right, curve, label) + _draw_notable(left, right, curve)
    handles += _finish(left, right, strips, curve.error, error_counts)
    left.set_ylabel(LOSS)
    right.set_ylabel(DERIVATIVE)
    set_title(figure, title)
    set_legend(figure, handles)
    return figure


def value_losses_figure(
    curves: Mapping[str, ValueLossCurve], *, title: str, error_counts: Int[np.ndarray, "N"] | None = None
) -> Figure:
    """Draw several value losses and their derivatives on common axes, beside the squared error.

    As PPO clips the norm of the gradient, the scale of a loss matters little: each, the squared error included, is
    divided by the root mean square of its derivative over the range.

    Args:
        curves: by name, over the same errors in units of return; all numbers finite.
        title: of the figure.
        error_counts: as for `value_loss_figure`.
    """
    figure, left, right, strips = _panels(error_counts is not None)
    error = next(iter(curves.values())).error
    handles: list[Artist] = []
    squared = ValueLossCurve(error, 0.5 * error**2, error)
    for number, (name, curve) in enumerate([*curves.items(), ("squared error", squared)]):
        size = float(np.sqrt(np.square(curve.derivative).mean())) or 1.0
        style = line_style(number) | {"linewidth": 1.8, "label": name}
        if curve is squared:
            style |= {"color": GUIDE, "linestyle": "-", "linewidth": 1.2, "zorder": 1.5}
        handles += left.plot(error, curve.loss / size, **style)
        right.plot(error, curve.derivative / size, **style)
    handles += _finish(left, right, strips, error, error_counts)
    left.set_ylabel("φ(δ) − φ(0), scaled (return)")
    right.set_ylabel("∂φ/∂V, scaled to a root mean square of 1")
    set_title(figure, title)
    set_legend(figure, handles)
    return figure


def _panels(with_strips: bool) -> tuple[Figure, Axes, Axes, Sequence[Axes]]:
    """Return a figure, its panels of the loss and of the derivative, and the strips below them, if it has some."""
    figure = Figure(figsize=(11, 6.2 if with_strips else 5.4), layout="constrained")
    heights = [1.0, 0.16] if with_strips else [1.0]
    panels = figure.subplots(len(heights), 2, sharex=True, squeeze=False, height_ratios=heights)
    (left, right), *strips = panels.tolist()
    return figure, left, right, strips[0] if strips else ()


def _finish(
    left: Axes,
    right: Axes,
    strips: Sequence[Axes],
    error: Float[np.ndarray, "G"],
    error_counts: Int[np.ndarray, "N"] | None,
) -> list[Artist]:
    """Draw what all such figures have; return its legend."""
    limits = float(error[0]), float(error[-1])
    handles = [] if error_counts is None else _draw_density(strips, error_counts, limits)
    for axes in (left, right):
        axes.axhline(0.0, color=GUIDE, linewidth=0.8, zorder=1)
        axes.axvline(0.0, color=GUIDE, linewidth=0.8, zorder=1)
        uncluttered(axes)
    for axes in strips or (left, right):
        axes.set_xlabel(ERROR)
        axes.set_xlim(*limits)
    return handles


def _draw_lines(left: Axes, right: Axes, curve: ValueLossCurve, label: str) -> list[Artist]:
    """Draw the loss and its mirror image, and what it is compared with; return their legend."""
    error, loss, derivative = curve
    lines = []
    for number, (name, (values, slopes)) in enumerate(_references(curve).items(), 1):
        style = line_style(number) | {"linewidth": 1.5, "label": name}
        lines += left.plot(error, values, **style)
        right.plot(error, slopes, **style)
    if np.isfinite(share := asymmetry(error, derivative)):
        name = f"mirror image φ(−δ), −φ′(−δ): asymmetry {share:.2f} of 1"
        style = {"color": PALETTE[0], "linestyle": (0, (2, 2)), "linewidth": 1.0, "label": name}
        lines += left.plot(error, mirror_image(error, loss), **style)
        right.plot(error, -mirror_image(error, derivative), **style)
    style = line_style(0) | {"linewidth": 2.2, "label": label}
    right.plot(error, derivative, **style)
    return [*left.plot(error, loss, **style), *lines]


def _references(curve: ValueLossCurve) -> dict[str, tuple[Float[np.ndarray, "G"], Float[np.ndarray, "G"]]]:
    """Return by label the losses, and their derivatives, that a loss is compared with; none if it is constant."""
    error, _, derivative = curve
    if not derivative.any():
        return {}
    scale, huber = squared_error_scale(error, derivative), nearest_huber(error, derivative)
    squared = f"squared error ½δ² × {short(scale, 3)}"
    lines = 0.5 * scale * error**2, scale * error
    if huber.threshold >= np.abs(error).max():
        return {f"{squared} (no Huber loss is nearer)": lines}
    smallest = "≤ " if huber.threshold <= np.diff(error).min() else ""
    name = f"Huber loss, threshold {smallest}{short(huber.threshold, 3)}, × {short(huber.scale, 3)}"
    return {squared: lines, name: (huber.loss(error), huber.derivative(error))}


def _draw_notable(left: Axes, right: Axes, curve: ValueLossCurve) -> list[Artist]:
    """Mark the minimum, and where the loss is not convex or flat; return their legend."""
    error, loss, derivative = curve
    handles: list[Artist] = []
    least = minimum(error, loss, derivative)
    if np.isfinite(least.error):
        where = "minimum of φ" if least.inside else "φ is least at the end of the range,"
        name = f"{where} at δ = {short(round(least.error, 9), 3)}"
        style: dict[str, Any] = {"marker": "D", "color": "black", "linestyle": "none", "clip_on": False, "label": name}
        handles += left.plot(least.error, np.interp(least.error, error, loss), **style)
        right.plot(least.error, np.interp(least.error, error, derivative), **style)
    flat = f"φ is flat: |φ′| < {100 * FLAT:g} % of its maximum" if derivative.any() else "φ is constant"
    for name, colour, hatch, intervals in (
        (flat, FLAT_PART, None, flat_intervals(error, derivative)),
        ("φ is not convex: φ′ falls", NON_CONVEX, "/", non_convex_intervals(error, derivative)),
    ):
        style = {"facecolor": f"{colour}2a", "edgecolor": f"{colour}66", "hatch": hatch, "linewidth": 0, "label": name}
        spans = [axes.axvspan(*interval, zorder=0, **style) for axes in (left, right) for interval in intervals]
        handles += spans[:1]
    return handles


def _draw_density(strips: Sequence[Axes], counts: Int[np.ndarray, "N"], limits: tuple[float, float]) -> list[Artist]:
    """Draw how often errors are met, with the intervals that hold half and 90 % of them; return their legend."""
    low, quarter, three_quarters, high = quantiles(counts, VALUE_EDGES, (0.05, 0.25, 0.75, 0.95))
    density = counts / np.diff(VALUE_EDGES)
    inside = (VALUE_EDGES[1:] > limits[0]) & (VALUE_EDGES[:-1] < limits[1])
    top = np.max(density[inside], initial=0.0) or 1.0
    for axes in strips:
        axes.stairs(density / top, VALUE_EDGES, fill=True, color=VISITED)
        axes.hlines(-0.25, low, high, color="black", linewidth=1.5)
        axes.hlines(-0.25, quarter, three_quarters, color="black", linewidth=5)
        axes.set_ylim(-0.5, 1.05)
        axes.set_yticks([])
        axes.set_ylabel("visited", rotation=0, ha="right", va="center")
        axes.spines[["top", "right", "left"]].set_visible(False)
        if not counts.any():
            say(axes, "no visits")
    outside = 1 - int(counts[inside].sum()) / max(int(counts.sum()), 1)
    note = f"; {100 * outside:.1f} % outside" if outside > 0.001 and counts.any() else ""
    return [Patch(color=VISITED, label=f"errors in training (bars: middle 50, 90 %{note})")]


def value_loss_evolution_figure(curves: Mapping[int, ValueLossCurve], *, title: str) -> Figure:
    """Draw how a value loss and its derivative changed over the generations.

    Args:
        curves: by number of generations.
        title: of the figure.
    """
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    first, last = min(curves), max(curves)
    colours = ScalarMappable(Normalize(min(first, last - 1), last), light_to_dark("viridis"))
    for generation, curve in sorted(curves.items()):
        width = 2.2 if generation == last else 1.2
        colour = colours.to_rgba(np.array(generation))
        left.plot(curve.error, curve.loss, color=colour, linewidth=width)
        right.plot(curve.error, curve.derivative, color=colour, linewidth=width)
    for axes, name in ((left, LOSS), (right, DERIVATIVE)):
        axes.axhline(0.0, color=GUIDE, linewidth=0.8, zorder=1)
        axes.axvline(0.0, color=GUIDE, linewidth=0.8, zorder=1)
        axes.set_xlabel(ERROR)
        axes.set_ylabel(name)
        uncluttered(axes)
        axes.margins(x=0)
    if first < last:
        ticks, label = MaxNLocator(8, integer=True), "generations (the last is thick)"
        figure.colorbar(
            colours,
            ax=[left, right],
            label=label,
            pad=0.02,
            ticks=ticks,
            format=FuncFormatter(lambda number, _: short(number)),
        )
    set_title(figure, title)
    return figure
