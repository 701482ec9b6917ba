"""The effect of messages over the number of channels or their scale."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from metadisco.errors import UserError
from metadisco.plotting.look import COLUMN, current
from metadisco.plotting.style import GUIDE, PALETTE, line_style, set_legend, set_title, short, uncluttered

if TYPE_CHECKING:
    import pandas

ALONG = {"num_channels": "number of channels", "scale": "scale of the message"}
"""Columns that may stand along the horizontal axis, and what they are called."""
APART = 0.12
"""By how much aims stand apart, in places of the horizontal axis."""
WITHIN = 0.35
"""The same of all meta-seeds of an aim, of APART."""


def effect_figure(frame: "pandas.DataFrame", *, title: str, label: str = "difference from the zero message") -> Figure:
    """Draw the effect of messages over the number of channels, or over their scale.

    Each meta-seed is a point with its interval; lines go through the medians of meta-seeds. Below 0 learners do worse
    than with zeros in place of the message.

    Args:
        frame: tidy data, a row for each message: `num_channels` or `scale` (the one that differs), `aim`, `seed`,
            `difference`, and the edges of its interval, `low` and `high`.
        title: of the figure.
        label: of the vertical axis.

    Raises:
        UserError: if a column is missing.
    """
    key = _varied(frame)
    paper = current().paper
    figure = Figure(figsize=(COLUMN, 2.6) if paper else (6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    places = {value: place for place, value in enumerate(sorted(frame[key].unique()))}
    aims = list(dict.fromkeys(frame["aim"]))
    axes.axhline(0, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    lines = []
    for number, aim in enumerate(aims):
        own = frame[frame["aim"] == aim]
        shift = APART * (number - (len(aims) - 1) / 2)
        style = {**line_style(number), "color": PALETTE[(1, 2, 0, 3)[number % 4]]}
        middle = own.groupby(key)["difference"].median()
        x = [places[value] + shift for value in middle.index]
        lines += axes.plot(x, middle.to_numpy(), linewidth=1.2 if paper else 2.0, label=str(aim), **style)
        _draw_seeds(axes, own, key, places, shift, style["color"])
    uncluttered(axes)
    axes.set_xticks(range(len(places)), [short(float(value), 3) for value in places])
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_xlabel(ALONG[key])
    axes.set_ylabel(label)
    set_title(figure, title)
    set_legend(figure, lines)
    return figure


def _varied(frame: "pandas.DataFrame") -> str:
    """Return the column that stands along the horizontal axis."""
    missing = [key for key in ("aim", "seed", "difference", "low", "high") if key not in frame]
    found = [key for key in ALONG if key in frame]
    if missing or not found:
        lacking = ", ".join([*missing, *([] if found else [" or ".join(ALONG)])])
        raise UserError(f"frame: got no column {lacking}, allowed: one row for each message with all of them")
    return max(found, key=lambda key: frame[key].nunique())


def _draw_seeds(
    axes: Any, own: "pandas.DataFrame", key: str, places: dict[Any, int], shift: float, colour: str
) -> None:
    """Draw the points of an aim, those of the same place beside one another."""
    paper = current().paper
    seeds = sorted(own["seed"].unique())
    beside = dict(zip(seeds, WITHIN * APART * np.linspace(-1, 1, len(seeds)), strict=True)) if len(seeds) > 1 else {}
    x = [places[value] + shift + beside.get(seed, 0.0) for value, seed in zip(own[key], own["seed"], strict=True)]
    axes.vlines(x, own["low"], own["high"], color=colour, linewidth=0.7 if paper else 1.2, alpha=0.8)
    axes.plot(x, own["difference"], "o", color=colour, markersize=2 if paper else 4)
