"""The plane of both players' payoffs. Axes: N lifetimes, T meta-steps, C corners."""

import math

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.ticker import FuncFormatter

from metadisco.inner.games import Game
from metadisco.inner.games.players.zero_determinant import is_dilemma
from metadisco.plotting.look import COLUMN, current, points
from metadisco.plotting.shaping.words import META_STEP, REWARD, Names
from metadisco.plotting.style import GUIDE, light_to_dark, robust_limits, set_legend, set_title, short, uncluttered

OUTCOMES = ("CC", "CD", "DC", "DD")
CHI = 3.0
"""Extortion factor of a line that is drawn."""
FAR = 5
"""How many times the extent of the other three payoffs one is away that is left outside."""
MARGIN = 0.09
"""Room around the polygon, as a share of its extent."""


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


def plane_figure(own: Float[np.ndarray, "N T"], other: Float[np.ndarray, "N T"], game: Game, names: Names) -> Figure:
    """Draw lifetimes in the plane of both players' rewards, within all feasible pairs, coloured by time on a log scale.

    Args:
        own: rewards of the shaper.
        other: rewards of the opponent.
        game: from the shaper's seat.
        names: for the title.
    """
    paper = current().paper
    figure = Figure(figsize=(COLUMN, 3.0) if paper else (7.0, 5.8), layout="constrained")
    axes = figure.subplots()
    corners = feasible_corners(game)
    axes.add_patch(Polygon(corners, facecolor="#f2f2f2", edgecolor=GUIDE, linewidth=0.8, zorder=0))
    size = points(figure, 9)
    far = _far_outcome(game)
    for outcome, payoffs in zip(OUTCOMES, zip(game.own, game.other, strict=True), strict=True):
        if outcome == far:
            place = f"{far}: {short(payoffs[0])}, {short(payoffs[1])}"
            axes.annotate(place, (0.03, 0.03), xycoords="axes fraction", fontsize=size, color="0.25")
            continue
        outward = np.array(payoffs) - corners.mean(0)
        side = 9 * outward / (np.linalg.norm(outward) or 1.0) * (size / 9)
        axes.annotate(
            outcome, payoffs, side, textcoords="offset points", ha="center", va="center", fontsize=size, color="0.25"
        )
    _draw_extortion(axes, game, size)
    lines = _draw_lifetimes(axes, own, other)
    near = [each for each, outcome in enumerate(OUTCOMES) if outcome != far]
    for along, paid, limit in ((own, game.own, axes.set_xlim), (other, game.other, axes.set_ylim)):
        ends = [*(paid[each] for each in near), *(robust_limits(along) if far else ())]
        margin = MARGIN * (max(ends) - min(ends))
        limit(min(ends) - margin, max(ends) + margin)
    axes.set_aspect("equal")
    uncluttered(axes)
    axes.set_xlabel(f"shaper's {REWARD}")
    axes.set_ylabel(f"opponent's {REWARD}")
    bar = figure.colorbar(lines, ax=axes, fraction=0.05, aspect=25, label=f"{META_STEP} (log scale)")
    bar.set_ticks([step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if step <= own.shape[1]])
    bar.minorticks_off()
    bar.formatter = FuncFormatter(lambda number, _: short(number))
    bar.update_ticks()
    set_title(figure, names.title(f"Where {len(own)} lifetimes go", game))
    end = Line2D(
        [], [], color="black", marker="o", linestyle="", markersize=1.5 if paper else 3, label="end of a lifetime"
    )
    set_legend(figure, [end])
    return figure


def _far_outcome(game: Game) -> str | None:
    """Return the outcome whose payoffs (as of a crash) are so far off that the other three would coincide."""
    found = np.stack([game.own, game.other], axis=1)
    for number, outcome in enumerate(OUTCOMES):
        rest = np.delete(found, number, axis=0)
        if np.abs(rest - found[number]).max(1).min() > FAR * np.ptp(rest, axis=0).max():
            return outcome
    return None


def _draw_extortion(axes: Axes, game: Game, size: float) -> None:
    """Draw lines of zero-determinant strategies."""
    for chi, sign in ((CHI, f"{CHI:g}"), (math.inf, "∞")):
        end = extortion_end(game, chi)
        if end is not None:
            axes.plot((game.own[3], end[0]), (game.other[3], end[1]), color=GUIDE, linestyle=(0, (4, 3)), linewidth=0.9)
            axes.annotate(
                f"extortion, χ = {sign}", end, (5, 0), textcoords="offset points", fontsize=size, color="0.35",
                ha="left", va="center",
            )  # fmt: skip


def _draw_lifetimes(axes: Axes, own: Float[np.ndarray, "N T"], other: Float[np.ndarray, "N T"]) -> LineCollection:
    """Draw a line for each lifetime, and a dot where it ends."""
    way = np.stack([own, other], axis=-1)
    pieces = np.stack([way[:, :-1], way[:, 1:]], axis=2)
    horizon = own.shape[1]
    lines = LineCollection(
        list(pieces.reshape(-1, 2, 2)),
        array=np.tile(np.arange(2, horizon + 1), len(own)), cmap=light_to_dark("viridis"),
        norm=LogNorm(1, max(horizon, 2)), linewidths=0.7 if current().paper else 1.1, alpha=0.8,
    )  # fmt: skip
    axes.add_collection(lines)
    end = way[:, -1]
    axes.plot(end[:, 0], end[:, 1], "o", color="black", markersize=1.5 if current().paper else 3, zorder=4)
    return lines
