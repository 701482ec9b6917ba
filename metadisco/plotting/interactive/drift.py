"""A drift to turn, and its slices by advantage. Axes: G log ratios, H advantages."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from metadisco.distillation.features import quantiles, relative_gradient
from metadisco.distillation.surfaces import DriftSurface
from metadisco.evaluation.histograms import ADVANTAGE_EDGES, LOG_RATIO_EDGES
from metadisco.plotting.drift import without_rounding
from metadisco.plotting.interactive.look import CLEAR, DASHES, HEIGHT, LINES, figure_of, ratio_axis, rounded, slider
from metadisco.plotting.interactive.surfaces import Panel, Quantity, limit_of, surfaces_figure

GRADIENT, DRIFT = "∂(rA − D)/∂r ÷ |A|", "drift D"
MOST = 3.0
"""Times |A|."""
NEIGHBOURS = 0.25
"""Of A, whose samples count as those at an advantage."""
MET = "rgba(230,159,0,0.22)"


def drift_surfaces_figure(
    history: Mapping[int, DriftSurface], beside: Mapping[str, DriftSurface], *, name: str, title: str
) -> go.Figure:
    """Draw the gradient of the surrogate in units of |A| over r and A, and the drift D by a button.

    Args:
        history: by number of generations, on one grid; a slider chooses where there are several.
        beside: others by name, on the same grid.
        name: of the learned one.
        title: of the figure.
    """
    last = history[max(history)]
    drawn = [*history.values(), *beside.values()]
    height = limit_of([each.drift for each in drawn])
    quantities = [
        Quantity(GRADIENT, "PuOr_r", True, _limit([relative_gradient(each) for each in drawn]), 2.0),
        Quantity(DRIFT, "cividis", False, height, height),
    ]
    low, high = float(last.log_ratio[0]), float(last.log_ratio[-1])
    axes = ({**ratio_axis(low, high), "title": {"text": "r"}}, {"title": {"text": "A"}})
    return surfaces_figure(
        axes,
        (np.exp(last.log_ratio), last.advantage),
        {generation: _panel(name, each) for generation, each in history.items()},
        [_panel(other, each) for other, each in beside.items()],
        quantities,
        title=title,
    )


def _limit(slopes: Sequence[Float[np.ndarray, "G H"]]) -> float:
    """Return the largest gradient that is drawn: beyond a few times |A| only the sign matters."""
    return min(max(limit_of(slopes), 1.3), MOST)


def _panel(name: str, surface: DriftSurface) -> Panel:
    return Panel(name, {GRADIENT: relative_gradient(surface), DRIFT: without_rounding(surface.drift)})


def drift_slices_slider_figure(
    surfaces: Mapping[str, DriftSurface], *, title: str, visits: Int[np.ndarray, "G H"] | None = None
) -> go.Figure:
    """Draw the gradient of the surrogate in units of |A| over r, at an advantage that a slider chooses.

    Args:
        surfaces: by name, on one grid; the first one is drawn thick.
        title: of the figure.
        visits: histogram of the samples in minibatches, by LOG_RATIO_EDGES and ADVANTAGE_EDGES: the middle 99 % of r at
            about this advantage are shaded.
    """
    first = next(iter(surfaces.values()))
    slopes = {name: relative_gradient(surface) for name, surface in surfaces.items()}
    chosen = [place for place, advantage in enumerate(first.advantage) if abs(advantage) > 1e-9]
    start = min(range(len(chosen)), key=lambda place: abs(first.advantage[chosen[place]] - 1))
    limit = _limit(list(slopes.values()))
    ratio = np.exp(first.log_ratio)

    def frame(name: str, place: int) -> go.Frame:
        lines = [go.Scatter(y=rounded(slope[:, place])) for slope in slopes.values()]
        return go.Frame(name=name, data=[_shade(visits, float(first.advantage[place]), limit), *lines])

    lines = [_line(number, name, ratio, slope[:, chosen[start]]) for number, (name, slope) in enumerate(slopes.items())]
    names = [f"{first.advantage[place]:.3g}".replace("-", "−") for place in chosen]
    return figure_of(
        [_shade(visits, float(first.advantage[chosen[start]]), limit), *lines],
        [frame(*each) for each in zip(names, chosen, strict=True)],
        title={"text": title},
        height=HEIGHT + 90,
        xaxis=ratio_axis(float(first.log_ratio[0]), float(first.log_ratio[-1])),
        yaxis={"range": [-1.05 * limit, 1.05 * limit], "title": {"text": GRADIENT}},
        hovermode="x unified",
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
        sliders=slider(names, names, "advantage A = ", start, 62),
    )


def _line(number: int, name: str, ratio: Float[np.ndarray, "G"], values: Float[np.ndarray, "G"]) -> go.Scatter:
    style = {"color": LINES[number % len(LINES)], "dash": DASHES[number % len(DASHES)], "width": 2 if number else 3.5}
    return go.Scatter(
        x=rounded(ratio), y=rounded(values), name=name, mode="lines", line=style, hovertemplate="%{y:.3f}"
    )


def _shade(visits: Int[np.ndarray, "G H"] | None, advantage: float, limit: float) -> go.Scatter:
    """Return the rectangle that holds most samples at an advantage; an empty one where nothing is known."""
    low = high = float("nan")
    if visits is not None:
        centres = (ADVANTAGE_EDGES[1:] + ADVANTAGE_EDGES[:-1]) / 2
        near = visits[:, np.abs(centres - advantage) <= NEIGHBOURS].sum(1)
        low, high = np.exp(quantiles(near, LOG_RATIO_EDGES, (0.005, 0.995)))
    x, y = rounded([low, low, high, high]), rounded([-2 * limit, 2 * limit, 2 * limit, -2 * limit])
    return go.Scatter(
        x=x, y=y, fill="toself", fillcolor=MET, mode="lines",
        line={"color": CLEAR, "width": 0}, name="middle 99 % of samples", hoverinfo="skip",
        showlegend=visits is not None,
    )  # fmt: skip
