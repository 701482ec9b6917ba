"""The next policy of a meta-policy, as a function of its inputs. Axes: S states, G probabilities, T or H meta-steps."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke

from metadisco.inner.games import Game
from metadisco.plotting.heat import MAGNITUDES
from metadisco.plotting.look import COLUMN, TEXT, WIDE, current, points
from metadisco.plotting.shaping.words import Names, panel_titles
from metadisco.plotting.style import set_legend, set_title, uncluttered

CC, DC = 1, 3
"""Where these states stand in a policy."""


def answers_figure(
    probability: Float[np.ndarray, "G"],
    answer: Float[np.ndarray, "S G G"],
    own: Float[np.ndarray, "T S"],
    other: Float[np.ndarray, "T S"],
    game: Game,
    names: Names,
) -> Figure:
    """Draw the next probabilities of C of a meta-policy over two of its inputs, and where lifetimes go there.

    Args:
        probability: values of either input: in a repeated game the opponent's probabilities of C after CC and after DC,
            from its own viewpoint; in a game of one round those of the opponent and of the shaper.
        answer: next probabilities of the shaper; the first input varies along the second axis.
        own: probabilities that the shaper played, meta-step by meta-step: the mean over lifetimes.
        other: the same of the opponent.
        game: from the shaper's seat.
        names: for the title.
    """
    titles, paper = panel_titles(game), current().paper
    several = len(titles) > 1
    size = ((TEXT, 2.2) if several else (COLUMN, 3.0)) if paper else ((WIDE, 3.1) if several else (5.6, 5.0))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(titles), sharex=True, sharey=True, squeeze=False)[0]
    way = (other[:, CC], other[:, DC]) if several else (other[:, 0], own[:, 0])
    norm = Normalize(0, 1)
    for axes, title, values in zip(panels, titles, answer, strict=True):
        mesh = axes.pcolormesh(
            probability, probability, values.T, shading="nearest", norm=norm, cmap=MAGNITUDES, rasterized=True
        )
        _draw_way(axes, *way)
        axes.set_title(title, fontsize=points(figure, 10))
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        uncluttered(axes)
        axes.set_xticks((0, 0.5, 1))
        axes.set_yticks((0, 0.5, 1))
        axes.set_xlabel("opponent:\nC after CC" if several else "opponent: probability of C")
    panels[0].set_ylabel("opponent:\nC after DC" if several else "shaper: probability of C")
    bar = figure.colorbar(mesh, ax=list(panels), fraction=0.5 / figure.get_figwidth(), pad=0.01, aspect=20)
    bar.set_label("shaper's next\nprobability of C", fontsize=points(figure, 9))
    set_title(figure, names.title("How the shaper responds", game))
    set_legend(figure, [_course()])
    return figure


def _draw_way(axes: Axes, x: Float[np.ndarray, "H"], y: Float[np.ndarray, "H"]) -> None:
    """Draw where lifetimes go; a dot where they start."""
    paper = current().paper
    outlined = [Stroke(linewidth=2.2 if paper else 3.6, foreground="black"), Normal()]
    style: dict[str, Any] = {"color": "white", "path_effects": outlined, "clip_on": False}
    axes.plot(x, y, linewidth=1.0 if paper else 1.6, **style)
    axes.plot(x[:1], y[:1], "o", markersize=2.5 if paper else 4.5, **style)


def _course() -> Line2D:
    """Return the entry of a legend for where lifetimes go."""
    words = "mean course of lifetimes, from the dot on"
    return Line2D([], [], color="black", linewidth=1.4, marker="o", markersize=3.5, markevery=[0], label=words)
