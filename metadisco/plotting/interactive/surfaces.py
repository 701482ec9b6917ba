"""Functions of two inputs as surfaces to turn, side by side, with a slider over generations. Axes: G by H."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from metadisco.plotting.interactive.look import HEIGHT, buttons, colour_scale, figure_of, rounded, slider

DARKER = 0.88
GAP = 0.02
"""Between panels, of the width."""
CAMERA = {"eye": {"x": -1.4, "y": -1.5, "z": 0.9}, "center": {"x": 0, "y": 0, "z": -0.12}}


class Quantity(NamedTuple):
    """Something that is drawn over two inputs."""

    name: str
    colours: str
    """Name of a colour map of matplotlib."""
    signed: bool
    """Whether both signs reach equally far, and zero has the middle colour."""
    limit: float
    """The largest absolute value that is drawn."""
    saturated: float
    """The absolute value from which on all have one colour."""


class Panel(NamedTuple):
    """One function, by quantity."""

    name: str
    values: Mapping[str, Float[np.ndarray, "G H"]]


def limit_of(grids: Sequence[Float[np.ndarray, "G H"]]) -> float:
    """Return a limit that holds all but the outermost hundredth of absolute values."""
    size = np.abs(np.concatenate([np.ravel(grid[np.isfinite(grid)]) for grid in grids]))
    return float(np.percentile(size, 99)) or float(size.max()) or 1.0


def surfaces_figure(
    axes: tuple[dict[str, Any], dict[str, Any]],
    grid: tuple[Float[np.ndarray, "G"], Float[np.ndarray, "H"]],
    history: Mapping[int, Panel],
    beside: Sequence[Panel],
    quantities: Sequence[Quantity],
    *,
    title: str,
) -> go.Figure:
    """Draw a learned function as a surface, and others beside it.

    Args:
        axes: Plotly's attributes of both horizontal axes, with their titles.
        grid: values of both inputs.
        history: the learned function by number of generations; the last one is drawn first, the others by a slider.
        beside: what it is compared with.
        quantities: the first one is drawn first, the others by a button.
        title: of the figure.
    """
    panels = [history[max(history)], *beside]
    traces = [
        _surface(grid, panel, quantity, axes, place, shown=number == 0)
        for number, quantity in enumerate(quantities)
        for place, panel in enumerate(panels)
    ]
    learned = [number * len(panels) for number in range(len(quantities))]
    frames = [
        go.Frame(
            name=str(generation),
            data=[go.Surface(z=_clipped(panel.values[each.name], each)) for each in quantities],
            traces=learned,
        )
        for generation, panel in sorted(history.items())
    ]
    names = [str(generation) for generation in sorted(history)]
    scenes = {
        f"scene{place + 1 if place else ''}": _scene(axes, quantities[0], place, len(panels))
        for place in range(len(panels))
    }
    return figure_of(
        traces,
        frames if len(frames) > 1 else (),
        title={"text": title, "yref": "container", "y": 0.98},
        height=HEIGHT + 60 * (len(quantities) > 1) + 70 * (len(frames) > 1),
        margin={"l": 0, "r": 0, "t": 120 if len(quantities) > 1 else 90, "b": 0},
        sliders=slider(
            names, [f"{generation:,}" for generation in sorted(history)], "after generations: ", len(names) - 1
        ),
        updatemenus=[{**menu, "y": 1.1} for menu in buttons(_choices(quantities, len(panels)))],
        annotations=[_heading(panel.name, place, len(panels)) for place, panel in enumerate(panels)],
        meta={"stacked": len(panels)},
        **scenes,
    )


def _surface(
    grid: tuple[np.ndarray, np.ndarray],
    panel: Panel,
    quantity: Quantity,
    axes: tuple[dict[str, Any], dict[str, Any]],
    place: int,
    shown: bool,
) -> go.Surface:
    x, y = (axis["title"]["text"] for axis in axes)
    lowest = -quantity.saturated if quantity.signed else 0.0
    return go.Surface(
        x=rounded(grid[0]), y=rounded(grid[1]), z=_clipped(panel.values[quantity.name], quantity),
        cmin=lowest, cmax=quantity.saturated, colorscale=colour_scale(quantity.colours, DARKER), showscale=False,
        scene=f"scene{place + 1 if place else ''}", name=panel.name, visible=shown,
        contours={"x": {"highlight": False}, "y": {"highlight": False}, "z": {"highlight": False}},
        hovertemplate=f"{x} %{{x:.3g}}<br>{y} %{{y:.3g}}<br>{quantity.name} %{{z:.3g}}<extra>{panel.name}</extra>",
    )  # fmt: skip


def _clipped(values: Float[np.ndarray, "G H"], quantity: Quantity) -> list[Any]:
    return rounded(np.clip(values.T, -quantity.limit, quantity.limit))


def _scene(axes: tuple[dict[str, Any], dict[str, Any]], quantity: Quantity, place: int, number: int) -> dict[str, Any]:
    start, stop = _extent(place, number)
    return {
        "xaxis": axes[0], "yaxis": {"nticks": 5, **axes[1]}, "zaxis": _height(quantity), "camera": CAMERA,
        "aspectmode": "manual", "aspectratio": {"x": 1, "y": 1, "z": 0.7}, "domain": {"x": [start, stop]},
    }  # fmt: skip


def _extent(place: int, number: int) -> tuple[float, float]:
    width = (1 - GAP * (number - 1)) / number
    start = place * (width + GAP)
    return start, start + width


def _height(quantity: Quantity) -> dict[str, Any]:
    lowest = -quantity.limit if quantity.signed else min(0.0, -0.02 * quantity.limit)
    return {"range": [lowest, 1.02 * quantity.limit], "title": {"text": ""}, "nticks": 6}


def _heading(name: str, place: int, number: int) -> dict[str, Any]:
    start, stop = _extent(place, number)
    return {"text": f"<b>{name}</b>", "x": (start + stop) / 2, "y": 1, "xref": "paper", "yref": "paper",
            "xanchor": "center", "yanchor": "bottom", "showarrow": False, "font": {"size": 13}}  # fmt: skip


def _choices(quantities: Sequence[Quantity], number: int) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    return [
        (
            quantity.name,
            {"visible": [each == quantity for each in quantities for _ in range(number)]},
            {f"scene{place + 1 if place else ''}.zaxis": _height(quantity) for place in range(number)},
        )
        for quantity in quantities
    ]
