"""How gradients of early and late states of episodes agree while victims train. Axes: S victims, P points."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from matplotlib.typing import LineStyleType

from metadisco.evaluation.resampling import mean_band
from metadisco.plotting.labels import Label, label_ends
from metadisco.plotting.look import COLUMN, current
from metadisco.plotting.style import GUIDE, band, note, say, set_legend, set_title, uncluttered
from metadisco.plotting.talk.words import BAND, HEARD, SILENT

BAND_WORDS = "95 % interval of the mean over victims"
NOTES = (
    "early and late: the two halves of the states of a rollout, by their time in the episode",
    "1: both gradients point the same way; below 0: they undo each other",
)
STYLES: tuple[tuple[str, LineStyleType], ...] = ((HEARD, "-"), (SILENT, "--"))


def interference_figure(
    share: Float[np.ndarray, "P"], cosines: Mapping[str, Float[np.ndarray, "S P"]], *, title: str
) -> Figure:
    """Draw the cosine between the policy gradients of early and of late states of episodes, over training.

    Below 0 the two undo each other's steps: they interfere. Lines are means over victims, bands 95 % bootstrap
    intervals of the mean.

    Args:
        share: of the lifetime, in [0, 1].
        cosines: of at most two kinds of victims; NaN where there is no gradient.
        title: of the figure.
    """
    paper = current().paper
    figure = Figure(figsize=(COLUMN, 2.9) if paper else (6.4, 5.0), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    labels, bands = [], False
    for (name, values), (colour, dashes) in zip(cosines.items(), STYLES, strict=False):
        known = values[np.isfinite(values).all(1)]
        if not len(known):
            continue
        if len(known) > 1:
            bands = True
            axes.fill_between(share, *mean_band(known), color=colour, alpha=BAND, linewidth=0)
        mean = known.mean(0)
        axes.plot(
            share, mean, color=colour, linestyle=dashes, linewidth=1.2 if paper else 2.0, marker="o",
            markersize=2 if paper else 4, clip_on=False,
        )  # fmt: skip
        labels.append(Label(float(mean[-1]), name.replace(" in ", "\nin "), colour))
    if not labels:
        say(axes, "no gradients")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -0.05), max(high, 0.05))
    uncluttered(axes)
    axes.set_xlim(float(share[0]), float(share[-1]))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.set_xlabel("elapsed share of the lifetime")
    axes.set_ylabel("cosine between policy gradients of\nearly and late states of episodes")
    label_ends(figure, axes, labels)
    set_title(figure, title)
    set_legend(figure, [*([band(BAND_WORDS)] if bands else []), *map(note, NOTES)])
    return figure
