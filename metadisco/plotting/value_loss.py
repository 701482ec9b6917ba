"""The learned value loss as a curve, beside the squared error that it replaces, and over the generations."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from metadisco.distillation.features import squared_error_scale
from metadisco.distillation.surfaces import ValueLossCurve
from metadisco.evaluation.histograms import VALUE_EDGES
from metadisco.plotting.look import COLUMN, TEXT, WIDE, current, points
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
from metadisco.plotting.value_loss_notes import annotate_value_loss

ERROR = "value error δ = V − target (return)"
LOSS = "loss φ(δ) − φ(0)"
DERIVATIVE = "gradient ∂φ/∂V"
VISITED = PALETTE[5]
NOTES = 5  # lines in a legend


def value_loss_figure(
    curve: ValueLossCurve,
    *,
    title: str,
    label: str = "evolved φ",
    error_counts: Int[np.ndarray, "N"] | None = None,
    annotate: bool = False,
) -> Figure:
    """Draw a value loss beside the squared error; below it their gradients, and where errors lie.

    A loss is identified only up to a constant, so it is drawn as 0 at error 0; and its scale matters little to PPO,
    which clips the norm of the gradient, so the squared error is scaled to the same root mean square derivative.

    Args:
        curve: the loss over errors in units of return; all numbers finite.
        title: of the figure.
        label: of the loss in the legend.
        error_counts: histogram of the value errors in minibatches, by VALUE_EDGES; drawn in a strip below.
        annotate: whether to draw the nearest Huber loss and the mirror image, too, and to mark the minimum and where
            the loss is flat or not convex.
    """
    figure, upper, lower, strip = _panels(error_counts is not None, NOTES if annotate else 0)
    thick, thin = (1.5, 1.0) if current().paper else (2.4, 1.6)
    error, loss, derivative = curve
    style = line_style(0) | {"linewidth": thick, "label": label, "zorder": 3}
    lower.plot(error, derivative, **style)
    handles: list[Artist] = [*upper.plot(error, loss, **style)]
    if derivative.any():
        scale = squared_error_scale(error, derivative)
        style = line_style(1) | {
            "linewidth": thin,
            "label": f"squared error ½δ² × {short(scale, 3)}: same root mean square gradient",
        }
        handles += upper.plot(error, 0.5 * scale * error**2, **style)
        lower.plot(error, scale * error, **style)
    if annotate:
        handles += annotate_value_loss(upper, lower, curve)
    handles += _finish(upper, lower, strip, error, error_counts)
    upper.set_ylabel(LOSS)
    lower.set_ylabel(DERIVATIVE)
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
    figure, upper, lower, strip = _panels(error_counts is not None)
    error = next(iter(curves.values())).error
    handles: list[Artist] = []
    squared = ValueLossCurve(error, 0.5 * error**2, error)
    for number, (name, curve) in enumerate([*curves.items(), ("squared error", squared)]):
        size = float(np.sqrt(np.square(curve.derivative).mean())) or 1.0
        style = line_style(number) | {"linewidth": 1.8, "label": name}
        if curve is squared:
            style |= {"color": GUIDE, "linestyle": "-", "linewidth": 1.2, "zorder": 1.5}
        handles += upper.plot(error, curve.loss / size, **style)
        lower.plot(error, curve.derivative / size, **style)
    handles += _finish(upper, lower, strip, error, error_counts)
    upper.set_ylabel("loss φ(δ) − φ(0), scaled alike")
    lower.set_ylabel("gradient ∂φ/∂V, scaled alike")
    set_title(figure, title)
    set_legend(figure, handles)
    return figure


def _panels(with_strip: bool, more_lines: int = 0) -> tuple[Figure, Axes, Axes, Axes | None]:
    """Return a figure, its panels of the loss and of the derivative, and a strip below them, if it has one.

    There is room for so many more lines in the legend than a figure without notes has.
    """
    width, upper, strip = (COLUMN, 1.35, 0.55) if current().paper else (6.4, 2.3, 0.8)
    heights = [1.0, 0.9, strip / upper] if with_strip else [1.0, 0.9]
    size = (width, upper * sum(heights) + (0.9 + 0.13 * more_lines if current().paper else 1.4 + 0.19 * more_lines))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights).tolist()
    return figure, panels[0], panels[1], panels[2] if with_strip else None


def _finish(
    upper: Axes,
    lower: Axes,
    strip: Axes | None,
    error: Float[np.ndarray, "G"],
    error_counts: Int[np.ndarray, "N"] | None,
) -> list[Artist]:
    """Draw what all such figures have; return its legend."""
    limits = float(error[0]), float(error[-1])
    for axes in (upper, lower):
        axes.axhline(0.0, color=GUIDE, linewidth=0.8, zorder=1)
        axes.axvline(0.0, color=GUIDE, linewidth=0.8, zorder=1)
        uncluttered(axes)
    lowest = lower if strip is None else strip
    lowest.set_xlabel(ERROR)
    lowest.set_xlim(*limits)
    upper.get_figure(root=True).align_ylabels()  # type: ignore[union-attr]
    return [] if strip is None or error_counts is None else _draw_density(strip, error_counts, limits)


def _draw_density(strip: Axes, counts: Int[np.ndarray, "N"], limits: tuple[float, float]) -> list[Artist]:
    """Draw the histogram of value errors; return its legend."""
    density = counts / np.diff(VALUE_EDGES) / max(int(counts.sum()), 1)
    inside = (VALUE_EDGES[1:] > limits[0]) & (VALUE_EDGES[:-1] < limits[1])
    top = np.max(density[inside], initial=0.0) or 1.0
    strip.stairs(density, VALUE_EDGES, fill=True, color=VISITED)
    strip.set_ylim(0, 1.05 * top)
    strip.yaxis.set_major_locator(MaxNLocator(2))
    figure = strip.get_figure(root=True)
    strip.set_ylabel("share per\nunit of δ", fontsize=points(figure, 9))  # type: ignore[arg-type]
    uncluttered(strip)
    if not counts.any():
        say(strip, "no samples")
    outside = 1 - int(counts[inside].sum()) / max(int(counts.sum()), 1)
    note = f"; {100 * outside:.1f} % outside" if outside > 0.001 and counts.any() else ""
    return [Patch(color=VISITED, label=f"value errors in minibatches{note}")]


def value_loss_evolution_figure(curves: Mapping[int, ValueLossCurve], *, title: str) -> Figure:
    """Draw how a value loss and its derivative changed over the generations.

    Args:
        curves: by number of generations.
        title: of the figure.
    """
    paper = current().paper
    figure = Figure(figsize=(TEXT, 2.4) if paper else (WIDE, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    first, last = min(curves), max(curves)
    colours = ScalarMappable(Normalize(min(first, last - 1), last), light_to_dark("viridis"))
    for generation, curve in sorted(curves.items()):
        width = (0.6 if paper else 0.5) * (4.0 if generation == last else 2.0)
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
