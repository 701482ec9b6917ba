"""A message over pairs of variables, and how its values are distributed. Axes: M observations, N channels, G values."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.typing import LineStyleType

from metadisco.distillation.features import densest_levels
from metadisco.evaluation.conversations import MessageMap
from metadisco.plotting.heat import SLOPES
from metadisco.plotting.look import COLUMN, TEXT, current, points
from metadisco.plotting.style import ROUND, note, set_legend, set_title, short, uncluttered
from metadisco.plotting.talk.words import CHANNELS, channel, variable

SHARES: dict[float, LineStyleType] = {0.5: "-", 0.9: "--"}
"""Of what victims see, that contours enclose, with dashes."""
NUM_BINS, SMOOTHING = 48, 1.5
"""Bins of the density along each variable, and the standard deviation of its smoothing in bins."""
NUM_COLUMNS = 4
MAX_CHANNELS = 8
NUM_VALUES = 61
"""Bins of a message's distribution."""


def message_map_figure(maps: Sequence[MessageMap], *, scale: float, env: str, title: str) -> Figure:
    """Draw a message over pairs of variables, a row for each pair, a panel for each channel.

    Contours enclose the smallest regions with given shares of what victims see. White is silence.

    Args:
        maps: of as many pairs; the first MAX_CHANNELS channels are drawn.
        scale: largest absolute value of a message.
        env: `suite/name`, for names of variables.
        title: of the figure.
    """
    num_channels, paper = len(maps[0].messages), current().paper
    num_drawn = min(num_channels, MAX_CHANNELS)
    ncols = min(num_drawn, NUM_COLUMNS)
    rows = -(-num_drawn // ncols)
    nrows = rows * len(maps)
    width = (COLUMN if ncols <= 2 else TEXT) if paper else 1.6 + 3.0 * ncols
    height = 0.5 + (1.35 if paper else 2.5) * nrows + (0.2 if paper else 0.4)
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(nrows, ncols, squeeze=False)
    for number, each in enumerate(maps):
        panels = grid[number * rows : (number + 1) * rows].ravel()
        for place, axes in enumerate(panels):
            if place >= num_drawn:
                axes.remove()
                continue
            mesh = axes.pcolormesh(
                each.x, each.y, each.messages[place].T, shading="nearest", vmin=-scale, vmax=scale, cmap=SLOPES,
                rasterized=True,
            )  # fmt: skip
            _draw_visits(axes, each)
            _label(figure, axes, each, env)
            if number == 0:
                axes.set_title(channel(place, num_channels), fontsize=points(figure, 10))
            if place % ncols:
                axes.set_ylabel("")
                axes.tick_params(labelleft=False)
    drawn = [axes for axes in grid.ravel() if axes.figure is not None]
    bar = figure.colorbar(mesh, ax=drawn, fraction=0.5 / width, pad=0.02, aspect=25)
    bar.set_label("message", fontsize=points(figure, 9))
    bar.formatter = FuncFormatter(lambda number, _: short(number, 3))
    bar.update_ticks()
    set_title(figure, title)
    set_legend(figure, _handles())
    return figure


def density_of(each: MessageMap) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centres of bins along both variables, and the smoothed counts of what victims see."""
    edges = [np.linspace(along[0], along[-1], NUM_BINS + 1) for along in (each.x, each.y)]
    counts = np.histogram2d(each.visited[:, 0], each.visited[:, 1], bins=edges)[0]
    reach = np.arange(-4, 5)
    kernel = np.exp(-0.5 * (reach / SMOOTHING) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        counts = np.apply_along_axis(np.convolve, axis, counts, kernel, "same")
    x, y = ((each[1:] + each[:-1]) / 2 for each in edges)
    return x, y, counts


def _draw_visits(axes: Axes, each: MessageMap) -> None:
    """Draw contours of what victims see."""
    x, y, density = density_of(each)
    if not density.any():
        return
    thick = 0.8 if current().paper else 1.2
    for level, dashes in zip(densest_levels(density, density, tuple(SHARES)), SHARES.values(), strict=True):
        lines = axes.contour(x, y, density.T, levels=[level], colors="black", linewidths=thick, linestyles=dashes)
        lines.set_path_effects([Stroke(linewidth=2.6 * thick, foreground="white", alpha=0.9), Normal()])


def _label(figure: Figure, axes: Axes, each: MessageMap, env: str) -> None:
    axes.set_xlim(each.x[0], each.x[-1])
    axes.set_ylim(each.y[0], each.y[-1])
    uncluttered(axes)
    size = points(figure, 10)
    for axis, number in zip((axes.xaxis, axes.yaxis), each.variables, strict=True):
        axis.set_label_text(variable(env, number), fontsize=size)
        axis.set_major_locator(MaxNLocator(3 if current().paper else 4, steps=ROUND))


def _handles() -> list[Line2D]:
    return [
        Line2D([], [], color="black", linewidth=1.0, linestyle=dashes, label=f"{100 * share:g} % of what victims see")
        for share, dashes in SHARES.items()
    ] + [note("other variables: at their medians over what victims see")]


def said_figure(said: Float[np.ndarray, "M N"], *, scale: float, title: str) -> Figure:
    """Draw how the values of each channel are distributed over what victims see.

    Args:
        said: messages.
        scale: largest absolute value of a message.
        title: of the figure.
    """
    paper, num_channels = current().paper, said.shape[1]
    figure = Figure(figsize=(COLUMN, 2.4) if paper else (6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    edges = np.linspace(-scale, scale, NUM_VALUES + 1)
    for number, values in enumerate(said.T):
        shares = np.histogram(values, edges)[0] / len(values)
        axes.stairs(
            shares, edges, color=CHANNELS[number % len(CHANNELS)], linewidth=1.0 if paper else 1.6,
            label=channel(number, num_channels),
        )  # fmt: skip
    uncluttered(axes)
    axes.set_xlim(-scale, scale)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("message")
    axes.set_ylabel("share of what victims hear")
    set_title(figure, title)
    if num_channels > 1:
        set_legend(figure, axes.patches)
    return figure
