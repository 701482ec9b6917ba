"""Labels beside the ends of lines, in place of a legend."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from metadisco.plotting.look import points
from metadisco.plotting.style import GUIDE, LEGEND_SIZE, short

PANEL = 0.68
"""Height of a panel, as a share of its figure's."""
LINE = 1.25
"""Height of a line of text, in sizes of its letters."""


class Label(NamedTuple):
    """A label to the right of a panel."""

    y: float
    """Value on the vertical axis that it labels."""
    text: str
    colour: str


def guide(y: float, name: str) -> Label:
    """Return the label of a level line: its name and its value."""
    return Label(y, f"{name}, {short(y, 3)}", GUIDE)


def label_ends(figure: Figure, axes: Axes, labels: Sequence[Label], panel: float = PANEL) -> None:
    """Write labels to the right of a panel, each as close to its place as the others let it be.

    The vertical limits must be set by now, and the axis linear.

    Args:
        figure: that of the panel.
        axes: the panel.
        labels: in any order.
        panel: height of the panel, as a share of its figure's.
    """
    size = points(figure, LEGEND_SIZE)
    low, high = axes.get_ylim()
    ordered = sorted(labels, key=lambda label: label.y)
    room = figure.get_figheight() * panel * 72
    heights = np.array([LINE * size * (1 + label.text.count("\n")) for label in ordered]) / room
    wanted = np.array([(label.y - low) / (high - low) for label in ordered])
    for label, place in zip(ordered, _apart(wanted, heights), strict=True):
        axes.annotate(
            label.text, (1, place), (4, 0), xycoords="axes fraction", textcoords="offset points",
            color=label.colour, fontsize=size, va="center", ha="left", annotation_clip=False, parse_math=False,
        )  # fmt: skip


def _apart(wanted: Float[np.ndarray, "N"], heights: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """Return places of labels, in rising order, that do not overlap: groups of neighbours stand around their mean.

    All are shares of the panel's height, which groups do not leave unless they are higher.
    """

    def kept_inside(group: list[int]) -> float:
        half = min(heights[group].sum() / 2, 0.5)
        return float(np.clip(wanted[group].mean(), half, 1 - half))

    groups: list[list[int]] = []
    centres: list[float] = []
    for number in range(len(wanted)):
        groups.append([number])
        centres.append(kept_inside([number]))
        while len(groups) > 1 and centres[-1] - centres[-2] < (
            heights[groups[-1]].sum() / 2 + heights[groups[-2]].sum() / 2
        ):
            groups[-2:] = [groups[-2] + groups[-1]]
            centres[-2:] = [kept_inside(groups[-1])]
    places = np.zeros_like(wanted)
    for group, centre in zip(groups, centres, strict=True):
        bottom = centre - heights[group].sum() / 2
        places[group] = bottom + np.cumsum(heights[group]) - heights[group] / 2
    return places
