"""Messages and what they bring about along episodes. Axes: E episodes, H steps, N channels."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import LineStyleType

from metadisco.plotting.look import COLUMN, TEXT, WIDE, current, points
from metadisco.plotting.style import GUIDE, set_legend, set_title, short, uncluttered
from metadisco.plotting.talk.words import CHANNELS, channel

WANTED, REACHED = GUIDE, "#000000"


def messages_figure(
    messages: Sequence[Float[np.ndarray, "H N"]], returns: Sequence[float], *, scale: float, title: str
) -> Figure:
    """Draw messages along episodes: a panel for each, a line for each channel.

    Args:
        messages: of each episode, as long as it is.
        returns: of each episode.
        scale: largest absolute value of a message.
        title: of the figure.
    """
    paper = current().paper
    ncols = min(len(messages), 2)
    nrows = -(-len(messages) // ncols)
    width = COLUMN if paper else WIDE
    figure = Figure(figsize=(width, 0.5 + (1.15 if paper else 2.1) * nrows), layout="constrained")
    grid = figure.subplots(nrows, ncols, sharey=True, squeeze=False)
    for axes, said, episode_return in zip(grid.ravel(), messages, returns, strict=False):
        _draw_messages(axes, said)
        axes.set_xlim(0, len(said))
        axes.set_title(
            f"episode with return {short(float(episode_return), 3)}", fontsize=points(figure, 10), loc="left"
        )
    for axes in grid.ravel()[len(messages) :]:
        axes.remove()
    for axes in grid[:, 0]:
        axes.set_ylabel("message")
    for axes in grid.ravel()[max(len(messages) - ncols, 0) : len(messages)]:
        axes.set_xlabel("step of the episode")
    grid[0, 0].set_ylim(-1.05 * scale, 1.05 * scale)
    set_title(figure, title)
    set_legend(figure, channel_handles(messages[0].shape[1]))
    return figure


def channel_handles(num_channels: int) -> list[Line2D]:
    """Return entries of a legend for channels."""
    width = 1.2 if current().paper else 2.0
    return [
        Line2D([], [], color=CHANNELS[number % len(CHANNELS)], linewidth=width, label=channel(number, num_channels))
        for number in range(num_channels)
    ]


def _draw_messages(axes: Axes, said: Float[np.ndarray, "H N"]) -> None:
    axes.axhline(0, color=GUIDE, linewidth=0.6, linestyle=(0, (4, 3)), zorder=1)
    width = 0.8 if current().paper else 1.2
    for number, values in enumerate(said.T):
        colour = CHANNELS[number % len(CHANNELS)]
        axes.stairs(values, np.arange(len(said) + 1), baseline=None, color=colour, linewidth=width)
    uncluttered(axes)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def steering_figure(
    wanted: Sequence[Float[np.ndarray, "H"]],
    reached: Sequence[Float[np.ndarray, "H"]],
    messages: Sequence[Float[np.ndarray, "H N"]],
    *,
    unit: str,
    scale: float,
    title: str,
) -> Figure:
    """Draw steered episodes as strips: above what is wanted and reached step by step, below the messages.

    Args:
        wanted: of each episode.
        reached: likewise.
        messages: likewise.
        unit: what is compared, in words.
        scale: largest absolute value of a message.
        title: of the figure.
    """
    paper, num = current().paper, len(wanted)
    figure = Figure(figsize=(TEXT if paper else WIDE, 2.5 if paper else 4.6), layout="constrained")
    grid = figure.subplots(2, num, sharex=True, sharey="row", squeeze=False, height_ratios=(1.4, 1))
    thick = 1.0 if paper else 1.6
    for (above, below), wants, has, said in zip(grid.T, wanted, reached, messages, strict=True):
        steps = np.arange(1, len(has) + 1)
        above.plot(steps, wants, color=WANTED, linewidth=thick, linestyle="--")
        above.plot(steps, has, color=REACHED, linewidth=thick)
        above.plot(steps[-1:], has[-1:], "o", color=REACHED, markersize=2.5 if paper else 4)
        uncluttered(above)
        _draw_messages(below, said)
        below.set_xlabel("step")
        below.set_ylim(-1.05 * scale, 1.05 * scale)
    longest = max(map(len, reached))
    grid[0, 0].set_xlim(0, longest + 1)
    grid[0, 0].set_ylabel(unit)
    grid[1, 0].set_ylabel("message")
    set_title(figure, title)
    ways: tuple[tuple[str, str, LineStyleType], ...] = (("wanted", WANTED, "--"), ("reached", REACHED, "-"))
    lines = [Line2D([], [], color=colour, linewidth=thick, linestyle=dash, label=name) for name, colour, dash in ways]
    set_legend(figure, [*lines, *channel_handles(messages[0].shape[1])])
    return figure
