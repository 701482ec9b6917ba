"""The plane of both players' payoffs. Axes: N lifetimes, T meta-steps, C corners."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.patheffects import Normal, Stroke

from metadisco.evaluation.meetings import Followed
from metadisco.inner.games import Game
from metadisco.inner.games.lifetime import Trace
from metadisco.inner.games.players.zero_determinant import is_dilemma
from metadisco.plotting.look import COLUMN, current, points
from metadisco.plotting.shaping.words import META_STEP, OUTCOMES, REWARD, SHAPER, Names
from metadisco.plotting.style import GUIDE, robust_limits, set_legend, set_title, short, uncluttered

MARKED = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Meta-steps that are named along the mean path, where there is room."""
APART = 0.07
"""Distance of two of them, as a share of the extent of the plane."""
CHI = 3.0
"""Extortion factor of a line that is drawn."""
FAR = 5
"""How many times the extent of the other three payoffs one is away that is left outside."""
MARGIN = 0.13
"""Room around the polygon for names of its corners, as a share of its extent."""


def feasible_corners(game: Game) -> Float[np.ndarray, "C 2"]:
    """Return the corners of the polygon of all pairs of payoffs, anticlockwise; two where the game is zero-sum."""
    found = sorted(set(zip(game.own, game.other, strict=True)))
    return np.array([*_chain(found)[:-1], *_chain(found[::-1])[:-1]] or found)


def _chain(found: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the lower half of a convex hull, of points in the order of their first numbers (Andrew, 1979)."""
    chain: list[tuple[float, float]] = []
    for point in found:
        while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    return chain


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Return whether a way a, b, c turns left (above 0) or right (below 0)."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def extortion_end(game: Game, chi: float) -> tuple[float, float] | None:
    """Return the payoffs that are best for an extortioner, whose surplus over mutual defection is χ times the other's.

    Pairs under extortion lie on the line from mutual defection to it; at χ = ∞ the other player gets no more than
    at mutual defection. None where the game is no iterated prisoner's dilemma.

    Args:
        game: from the extortioner's seat.
        chi: χ, at least 1; may be infinite.
    """
    if not is_dilemma(game):
        return None
    start = np.array([game.own[3], game.other[3]])
    along = np.array([1.0, 0.0]) if math.isinf(chi) else np.array([chi, 1.0])
    corners = feasible_corners(game)
    furthest = 0.0
    for corner, following in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        edge = following - corner
        system = np.stack([along, -edge], axis=1)
        if abs(np.linalg.det(system)) > 1e-12:
            distance, share = np.linalg.solve(system, corner - start)
            furthest = max(furthest, float(distance)) if -1e-9 <= share <= 1 + 1e-9 else furthest
    own, other = start + furthest * along
    return float(own), float(other)


def plane_figure(followed: Followed, trace: Trace, game: Game, names: Names) -> Figure:
    """Draw lifetimes in the plane of both players' rewards, within all feasible pairs: thin a few, thick the mean.

    Args:
        followed: the few.
        trace: all lifetimes, whose mean is drawn.
        game: from the shaper's seat.
        names: for the title.
    """
    paper = current().paper
    figure = Figure(figsize=(COLUMN, 3.7) if paper else (6.4, 6.6), layout="constrained")
    axes = figure.subplots()
    corners = feasible_corners(game)
    axes.add_patch(Polygon(corners, facecolor="#f2f2f2", edgecolor=GUIDE, linewidth=0.8, zorder=0))
    size = points(figure, 9)
    far = _far_outcome(game)
    _name_outcomes(axes, game, far, size)
    handles = [*_draw_lifetimes(axes, followed, trace, size), *_draw_extortion(axes, game, size)]
    near = [each for each, outcome in enumerate(OUTCOMES) if outcome != far]
    for along, paid, limit in (
        (followed.own, game.own, axes.set_xlim),
        (followed.other, game.other, axes.set_ylim),
    ):
        ends = [*(paid[each] for each in near), *(robust_limits(along) if far else ())]
        margin = MARGIN * (max(ends) - min(ends))
        limit(min(ends) - margin, max(ends) + margin)
    axes.set_aspect("equal")
    uncluttered(axes)
    axes.set_xlabel(f"shaper's {REWARD}")
    axes.set_ylabel(f"opponent's {REWARD}")
    set_title(figure, names.title("Where lifetimes go", game))
    set_legend(figure, handles)
    return figure


def _name_outcomes(axes: Axes, game: Game, far: str | None, size: float) -> None:
    """Write beside the corners what is played there."""
    centre = feasible_corners(game).mean(0)
    for (outcome, words), payoffs in zip(OUTCOMES.items(), zip(game.own, game.other, strict=True), strict=True):
        if outcome == far:
            place = f"{words}: {short(payoffs[0])}, {short(payoffs[1])}"
            axes.annotate(place, (0.03, 0.03), xycoords="axes fraction", fontsize=size, color="0.25")
            continue
        up = np.sign(round(payoffs[1] - centre[1], 9))
        axes.annotate(
            words.replace(", ", ",\n"), payoffs, (0, 5 * up * size / 9), textcoords="offset points", fontsize=size,
            color="0.25", ha="left" if up > 0 else "right", va="bottom" if up > 0 else "top",
        )  # fmt: skip


def _far_outcome(game: Game) -> str | None:
    """Return the outcome whose payoffs (as of a crash) are so far off that the other three would coincide."""
    found = np.stack([game.own, game.other], axis=1)
    for number, outcome in enumerate(OUTCOMES):
        rest = np.delete(found, number, axis=0)
        if np.abs(rest - found[number]).max(1).min() > FAR * np.ptp(rest, axis=0).max():
            return outcome
    return None


def _draw_extortion(axes: Axes, game: Game, size: float) -> list[Line2D]:
    """Draw lines of zero-determinant strategies; return the entry of a legend, if there are any."""
    style: dict[str, Any] = {"color": GUIDE, "linestyle": (0, (4, 3)), "linewidth": 0.9}
    if not is_dilemma(game):
        return []
    for chi, sign in ((CHI, f"{CHI:g}"), (math.inf, "∞")):
        end = extortion_end(game, chi)
        assert end is not None
        axes.plot((game.own[3], end[0]), (game.other[3], end[1]), zorder=1, **style)
        axes.annotate(
            f"χ = {sign}", end, (6, 0), textcoords="offset points", fontsize=size, color="0.35", ha="left", va="center"
        )
    words = "extortion factor χ: shaper's gain over both D ÷ the opponent's"
    return [Line2D([], [], label=words, **style)]


def _draw_lifetimes(axes: Axes, followed: Followed, trace: Trace, size: float) -> list[Line2D]:
    """Draw thin lines for some lifetimes and a thick one for the mean of all, with its meta-steps; return entries."""
    thin, thick, dot = (0.4, 1.2, 3.0) if current().paper else (0.7, 2.2, 6.0)
    each: dict[str, Any] = {"color": "#9a9a9a", "linewidth": thin}
    mean: dict[str, Any] = {"color": SHAPER, "linewidth": thick}
    marker: dict[str, Any] = {"marker": "o", "linestyle": "", "color": SHAPER, "markersize": dot}
    pairs = np.stack([followed.own, followed.other], axis=-1)
    lines = LineCollection(list(pairs), colors=each["color"], linewidths=thin, alpha=0.6)
    axes.add_collection(lines)
    path = np.stack([trace.own_reward.mean, trace.other_reward.mean], axis=-1)
    axes.plot(*path.T, zorder=3, **mean)
    marked = _marked(path, np.ptp([[*axes.dataLim.intervalx], [*axes.dataLim.intervaly]], axis=1).max())
    for step in marked:
        axes.plot(*path[step - 1], zorder=4, **{**marker, "markersize": 0.5 * dot})
        axes.annotate(
            f"{step}", path[step - 1], (-4, -4), textcoords="offset points", fontsize=size, color=SHAPER, ha="right",
            va="top", zorder=5, path_effects=[Stroke(linewidth=2, foreground="white"), Normal()],
        )  # fmt: skip
    start: dict[str, Any] = {**marker, "markerfacecolor": "white"}
    axes.plot(*path[0], zorder=4, **start)
    axes.plot(*path[-1], zorder=4, **marker)
    return [
        Line2D([], [], label=f"each of {len(pairs)} lifetimes", **each),
        Line2D([], [], label=f"mean over all lifetimes, with the number of the {META_STEP}", **mean),
        Line2D([], [], label="its start", **start),
        Line2D([], [], label="its end", **marker),
    ]


def _marked(path: Float[np.ndarray, "T 2"], extent: float) -> list[int]:
    """Return meta-steps that are far enough apart to be named: the first, the last, and what fits of MARKED."""
    horizon = len(path)
    chosen = [1, *([horizon] if horizon > 1 else [])]
    for step in MARKED:
        if step < horizon and all(np.linalg.norm(path[step - 1] - path[each - 1]) > APART * extent for each in chosen):
            chosen.append(step)
    return sorted(chosen)
