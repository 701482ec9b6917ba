"""The style and the formats in which figures are made: for the screen, or for a column of a paper."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

COLUMN, TEXT = 3.3, 6.9
"""Inches: one column of a paper in two columns, and both."""
WIDE = 8.0
"""Inches: the widest figure on a screen, so that letters of 9 points can be read where it is shown 700 pixels wide."""
SMALLEST, LARGEST = 6.0, 8.0  # points, in a paper
PAPER: Any = {
    "font.size": 7, "axes.titlesize": 7, "xtick.labelsize": SMALLEST, "ytick.labelsize": SMALLEST,
    "legend.fontsize": SMALLEST, "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "xtick.major.size": 2.5, "ytick.major.size": 2.5, "axes.labelpad": 2,
    "svg.fonttype": "none", "pdf.fonttype": 42,  # text that can be edited
}  # fmt: skip


class Look(NamedTuple):
    """How figures are made."""

    formats: tuple[str, ...] = ("png", "svg")
    """In which `save` writes them."""
    paper: bool = False
    """Whether they have the width of a column, small letters, short names, and text that can be edited."""

    @property
    def suffixes(self) -> str:
        """What follows the name of a file, in words: `.png and .svg`."""
        *others, last = (f".{kind}" for kind in self.formats)
        return f"{', '.join(others)} and {last}"


_LOOK: ContextVar[Look | None] = ContextVar("look", default=None)


def current() -> Look:
    """Return how figures are made here."""
    return _LOOK.get() or Look()


@contextmanager
def look(style: str | None = None, formats: Sequence[str] = ()) -> Iterator[Look]:
    """Make figures in another style, and save them in further formats: those that are drawn and saved meanwhile.

    Args:
        style: "paper", or None for the screen.
        formats: in which they are saved beside PNG and SVG.
    """
    chosen = Look(tuple(dict.fromkeys([*Look().formats, *formats])), style == "paper")
    token = _LOOK.set(chosen)
    try:
        with rc_context(PAPER if chosen.paper else None):
            yield chosen
    finally:
        _LOOK.reset(token)


def points(figure: Figure, size: float) -> float:
    """Return the size of letters that are `size` points large on the screen."""
    if not current().paper:
        return size
    width: float = figure.get_figwidth()
    return max(SMALLEST, size * LARGEST / 12) * width / _paper_width(width)


def _paper_width(width: float) -> float:
    """Return the width in a paper of a figure of this width."""
    return width if width in (COLUMN, TEXT) else TEXT if width > TEXT else COLUMN


def fit(figure: Figure) -> None:
    """In a paper, make a figure that was laid out for the screen as wide as a column or the text."""
    width: float = figure.get_figwidth()
    scale: float = _paper_width(width) / width
    if not current().paper or scale == 1:
        return
    figure.set_size_inches(scale * width, scale * figure.get_figheight())
    for text in figure.findobj(Text):
        text.set_fontsize(min(max(scale * float(text.get_fontsize()), SMALLEST), LARGEST))
    for line in figure.findobj(Line2D):
        line.set_linewidth(scale * line.get_linewidth())
        line.set_markersize(scale * line.get_markersize())
    for collection in figure.findobj(Collection):
        collection.set_linewidth([scale * float(each) for each in np.ravel(collection.get_linewidth())])
    for axes in figure.axes:
        axes.tick_params(labelsize=max(scale * 10, SMALLEST))
        for axis in (axes.xaxis, axes.yaxis):
            axis.labelpad *= scale
            axis.label.set_fontsize(max(scale * 10, SMALLEST))
