"""The next policy of a meta-policy, as a function of its inputs. Axes: S states, G probabilities, M meta-steps."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from metadisco.inner.games import Game
from metadisco.plotting.heat import MAGNITUDES
from metadisco.plotting.look import COLUMN, TEXT, WIDE, current, points
from metadisco.plotting.shaping.words import META_STEP, Names, panel_titles
from metadisco.plotting.style import note, set_legend, set_title, uncluttered

ROOM = 0.06
"""Between the frame and the extreme probabilities, for dots there."""


def answers_figure(
    meta_step: tuple[int, ...],
    probability: Float[np.ndarray, "G"],
    answer: Float[np.ndarray, "M S G G"],
    seen: Float[np.ndarray, "M 2"],
    game: Game,
    names: Names,
) -> Figure:
    """Draw the next probabilities of C of a meta-policy over two of its inputs: a row for each of some meta-steps.

    Args:
        meta_step: at which the other inputs are.
        probability: values of either input: in a repeated game the opponent's probabilities of C after CC and after DC,
            from its own viewpoint; in a game of one round those of the opponent and of the shaper.
        answer: next probabilities of the shaper; the first input varies along the third axis.
        seen: medians of both inputs at these meta-steps.
        game: from the shaper's seat.
        names: for the title.
    """
    titles, paper = panel_titles(game), current().paper
    several, nrows = len(titles) > 1, len(meta_step)
    width = (TEXT if several else COLUMN) if paper else (WIDE if several else 5.6)
    height = (1.1 if several else 2.2) * nrows + 1.1 if paper else (1.35 if several else 3.4) * nrows + 1.9
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(nrows, len(titles), sharex=True, sharey=True, squeeze=False)
    for row, step, values, place in zip(panels, meta_step, answer, seen, strict=True):
        for axes, shown in zip(row, values, strict=True):
            _draw(axes, probability, shown, place)
        row[0].set_ylabel(
            f"{META_STEP} {step}\n" + ("opponent: C\nafter shaper C,\nopponent D" if several else "shaper: C"),
            fontsize=points(figure, 9),
        )
    for axes, title in zip(panels[0], titles, strict=True):
        axes.set_title(title, fontsize=points(figure, 10))
    for axes in panels[-1]:
        axes.set_xlabel("opponent: C\nafter both C" if several else "opponent: C", fontsize=points(figure, 9))
    mesh = panels[-1, -1].collections[0]
    bar = figure.colorbar(mesh, ax=panels.ravel().tolist(), fraction=0.5 / width, pad=0.01, aspect=20)
    bar.set_label("shaper's next probability of C", fontsize=points(figure, 9))
    set_title(figure, names.title("How the shaper responds to the opponent's probabilities of C", game))
    set_legend(
        figure,
        [
            _dot("the median opponent at this meta-step"),
            note("all other inputs: at their medians over lifetimes at this meta-step"),
        ],
    )
    return figure


def _draw(
    axes: Axes, probability: Float[np.ndarray, "G"], values: Float[np.ndarray, "G G"], place: Float[np.ndarray, "2"]
) -> None:
    axes.pcolormesh(
        probability, probability, values.T, shading="nearest", norm=Normalize(0, 1), cmap=MAGNITUDES, rasterized=True
    )
    axes.plot(*place, **_style())
    axes.set(xlim=(-ROOM, 1 + ROOM), ylim=(-ROOM, 1 + ROOM), aspect="equal")
    uncluttered(axes)
    axes.spines[:].set_visible(False)
    axes.set_xticks((0, 0.5, 1))
    axes.set_yticks((0, 0.5, 1))


def _style() -> dict[str, Any]:
    paper = current().paper
    size, edge = (3.0, 0.6) if paper else (5.5, 1.2)
    return {
        "marker": "o",
        "linestyle": "",
        "color": "white",
        "markeredgecolor": "black",
        "markeredgewidth": edge,
        "markersize": size,
    }


def _dot(words: str) -> Line2D:
    return Line2D([], [], label=words, **_style())
