"""Drifts as maps over the probability ratio and the advantage. Axes: G log ratios, H advantages."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.ndimage
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator
from matplotlib.typing import LineStyleType

from metadisco.distillation.features import NEGLIGIBLE_GRADIENT, densest_levels, optimism, relative_gradient, rollback
from metadisco.distillation.surfaces import DriftSurface
from metadisco.evaluation.histograms import ADVANTAGE_EDGES, LOG_RATIO_EDGES
from metadisco.plotting.heat import Scale, heat_map, outline
from metadisco.plotting.style import set_legend, set_title, short, uncluttered, wrapped

RATIO, ADVANTAGE = "probability ratio r (log scale)", "advantage A"
DRIFT = "drift D(r, A)"
RELATIVE_GRADIENT = "∂(rA − D)/∂r / |A|"
CLIP_EPS = 0.2  # of the PPO that optimism is measured against
SHARES: dict[float, LineStyleType] = {0.5: "-", 0.9: "--", 0.99: ":"}  # of the samples, that contours enclose
ROLLBACK_STYLE = {"colors": "black", "linewidths": 1.6, "linestyles": "-"}
OPTIMISM_STYLE = {"colors": "black", "linewidths": 1.2, "linestyles": "--"}
VISITS_COLOUR = "#e8175d"
PANEL = 3.4  # inches
MAX_PANELS = 8
ROUNDING = 1e-9
"""Of a drift, whose size is that of rA."""
RATIO_TICKS = (1, 0.5, 2, 0.25, 4, 0.1, 10, 0.05, 20, 0.02, 50, 0.8, 1.25, 0.9, 1.1, 0.95, 1.05, 0.98, 1.02)
"""The first first, as far as there is room."""


def drift_figure(
    surfaces: Mapping[str, DriftSurface],
    *,
    title: str,
    visits: Int[np.ndarray, "G H"] | None = None,
) -> Figure:
    """Draw drifts side by side on common scales, and below each the gradient of its surrogate with respect to r.

    The surrogate is r·A − D(r, A), which the policy maximises: a positive gradient raises r. Two regions are outlined:
    rollback, where the gradient has the sign opposite to the advantage; and optimism, where it has the sign of the
    advantage although that of PPO-clip is zero.

    Args:
        surfaces: by name, one for each column; ascending grids of log r and A.
        title: of the figure.
        visits: histogram of the samples in minibatches, by LOG_RATIO_EDGES and ADVANTAGE_EDGES; drawn as contours.
    """
    figure = Figure(figsize=(1.6 + PANEL * len(surfaces), 2.1 + 2 * PANEL), layout=ConstrainedLayoutEngine(wspace=0.05))
    panels = figure.subplots(2, len(surfaces), squeeze=False)
    slopes = [relative_gradient(surface) for surface in surfaces.values()]
    drifts = [without_rounding(surface.drift) for surface in surfaces.values()]
    heights = Scale(drifts, signed=False)
    pushes = Scale(slopes, signed=True, unit=1.0)
    for (upper, lower), (name, surface), drift, slope in zip(panels.T, surfaces.items(), drifts, slopes, strict=True):
        heat_map(upper, surface.log_ratio, surface.advantage, drift, heights)
        heat_map(lower, surface.log_ratio, surface.advantage, slope, pushes)
        _outline_regions(lower, surface)
        if visits is not None and visits.any():
            _draw_visits((upper, lower), visits)
        upper.set_title(wrapped(figure, name, 11, 0.95 * PANEL), fontsize=11, parse_math=False)
    _label(list(panels.flat), list(surfaces.values()))
    heights.bar(figure, panels[0], DRIFT)
    pushes.bar(figure, panels[1], RELATIVE_GRADIENT)
    set_title(figure, title)
    set_legend(figure, [*_region_handles(list(surfaces.values())), *_visit_handles(visits)])
    return figure


def drift_evolution_figure(surfaces: Mapping[int, DriftSurface], *, title: str) -> Figure:
    """Draw how the gradient of the surrogate changed over the generations, in at most eight maps on one scale.

    Args:
        surfaces: by number of generations; of more than eight some are left out, evenly.
        title: of the figure.
    """
    generations = sorted(surfaces)
    chosen = [generations[place] for place in _evenly(len(generations), MAX_PANELS)]
    num_rows = 1 if len(chosen) <= MAX_PANELS // 2 else 2
    num_columns = -(-len(chosen) // num_rows)
    figure = Figure(
        figsize=(1.6 + 2.7 * num_columns, 1.5 + 2.7 * num_rows), layout=ConstrainedLayoutEngine(wspace=0.05)
    )
    panels = [figure.add_subplot(num_rows, num_columns, number) for number in range(1, len(chosen) + 1)]
    drawn = [surfaces[generation] for generation in chosen]
    slopes = [relative_gradient(surface) for surface in drawn]
    scale = Scale(slopes, signed=True, unit=1.0)
    for axes, generation, surface, slope in zip(panels, chosen, drawn, slopes, strict=True):
        heat_map(axes, surface.log_ratio, surface.advantage, slope, scale)
        _outline_regions(axes, surface)
        axes.set_title(f"{generation:,} generation{'' if generation == 1 else 's'}", fontsize=10)
    _label(panels, drawn)
    scale.bar(figure, panels, RELATIVE_GRADIENT)
    set_title(figure, title)
    set_legend(figure, _region_handles(drawn))
    return figure


def ratio_axis(axes: Axes, low: float, high: float, room: float = 0.11) -> None:
    """Give an axis of log r its limits, and ticks at round ratios: 1 first, then those that fit between.

    Args:
        axes: of which x is log r.
        low: lowest log r.
        high: highest log r.
        room: of the range, at least, between two ticks.
    """
    ticks: list[float] = []
    for candidate in RATIO_TICKS:
        place = np.log(candidate)
        if low - 1e-9 <= place <= high + 1e-9 and all(
            abs(place - np.log(tick)) >= room * (high - low) for tick in ticks
        ):
            ticks.append(candidate)
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator([float(np.log(tick)) for tick in sorted(ticks)]))
    axes.xaxis.set_major_formatter(FixedFormatter([short(tick) for tick in sorted(ticks)]))


def without_rounding(drift: Float[np.ndarray, "G H"]) -> Float[np.ndarray, "G H"]:
    """Return a drift with zeros for what is nothing but rounding of r·A."""
    return np.where(np.abs(drift) < ROUNDING, 0.0, drift)


def _evenly(size: int, most: int) -> list[int]:
    """Return at most so many places, the first and the last among them."""
    return sorted({round(place) for place in np.linspace(0, size - 1, min(size, most))})


def _label(panels: Sequence[Axes], surfaces: Sequence[DriftSurface]) -> None:
    """Label the outer panels of a grid, and give all of them the limits of all surfaces together."""
    low, bottom = (min(float(surface[axis][0]) for surface in surfaces) for axis in (0, 1))
    high, top = (max(float(surface[axis][-1]) for surface in surfaces) for axis in (0, 1))
    places = {axes: spec for axes in panels if (spec := axes.get_subplotspec()) is not None}
    taken = {(place.rowspan.start, place.colspan.start) for place in places.values()}
    for axes, place in places.items():
        lowest, leftmost = (place.rowspan.stop, place.colspan.start) not in taken, place.colspan.start == 0
        uncluttered(axes)
        ratio_axis(axes, low, high)
        axes.set_ylim(bottom, top)
        axes.axhline(0, color="black", linewidth=0.5, alpha=0.5)
        axes.axvline(0, color="black", linewidth=0.5, alpha=0.5)
        axes.set_xlabel(RATIO if lowest else "", fontsize=9)
        axes.set_ylabel(ADVANTAGE if leftmost else "", fontsize=9)
        axes.tick_params(labelbottom=lowest, labelleft=leftmost)


def _outline_regions(axes: Axes, surface: DriftSurface) -> None:
    for inside, style in ((rollback(surface), ROLLBACK_STYLE), (optimism(surface, CLIP_EPS), OPTIMISM_STYLE)):
        outline(axes, surface.log_ratio, surface.advantage, inside, **style)


def _region_handles(surfaces: Sequence[DriftSurface]) -> list[Line2D]:
    """Return the legend of the regions that some surface has."""
    threshold = f"(> {100 * NEGLIGIBLE_GRADIENT:g} % of |A|)".replace(" ", "\N{NO-BREAK SPACE}")
    handles = []
    if any(rollback(surface).any() for surface in surfaces):
        handles.append(_handle(ROLLBACK_STYLE, f"rollback: gradient against A {threshold}"))
    if any(optimism(surface, CLIP_EPS).any() for surface in surfaces):
        name = f"optimism: gradient with A where PPO-clip({CLIP_EPS:g}) has none {threshold}"
        handles.append(_handle(OPTIMISM_STYLE, name))
    return handles


def _handle(style: Mapping[str, Any], name: str) -> Line2D:
    color, width, dashes = style["colors"], style["linewidths"], style["linestyles"]
    return Line2D([], [], color=color, linewidth=width, linestyle=dashes, label=name)


def _draw_visits(panels: Sequence[Axes], visits: Int[np.ndarray, "G H"]) -> None:
    """Draw the contours of the smallest regions that hold given shares of all samples."""
    smooth = scipy.ndimage.gaussian_filter(visits.astype(float), 1.0)
    density = smooth / np.outer(np.diff(LOG_RATIO_EDGES), np.diff(ADVANTAGE_EDGES))
    levels = densest_levels(density, smooth, tuple(SHARES))
    log_ratio, advantage = ((edges[1:] + edges[:-1]) / 2 for edges in (LOG_RATIO_EDGES, ADVANTAGE_EDGES))
    for axes in panels:
        for level, dashes in zip(levels, SHARES.values(), strict=True):
            axes.contour(log_ratio, advantage, density.T, levels=[level], **_visits_style(dashes))


def _visits_style(dashes: LineStyleType) -> dict[str, Any]:
    return {"colors": VISITS_COLOUR, "linewidths": 1.2, "linestyles": dashes}


def _visit_handles(visits: Int[np.ndarray, "G H"] | None) -> list[Line2D]:
    if visits is None or not visits.any():
        return []
    names = {f"{100 * share:g} % of the samples in minibatches": dashes for share, dashes in SHARES.items()}
    return [_handle(_visits_style(dashes), name) for name, dashes in names.items()]
