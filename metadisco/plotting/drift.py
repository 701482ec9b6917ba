"""Drifts as maps over the probability ratio and the advantage. Axes: G log ratios, H advantages."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator
from scipy.interpolate import RegularGridInterpolator

from metadisco.distillation.features import NEGLIGIBLE_GRADIENT, densest_levels, optimism, relative_gradient, rollback
from metadisco.distillation.surfaces import DriftSurface
from metadisco.evaluation.histograms import ADVANTAGE_EDGES, LOG_RATIO_EDGES
from metadisco.plotting.heat import Scale, heat_map, outline
from metadisco.plotting.look import COLUMN, TEXT, WIDE, current, points
from metadisco.plotting.style import set_legend, set_title, short, uncluttered, wrapped

RATIO, ADVANTAGE = "probability ratio r (log scale)", "advantage A"
DRIFT_BAR = "drift D(r, A),\nsubtracted from rA"
RELATIVE_GRADIENT = "∂(rA − D)/∂r / |A|"
GRADIENT_BAR = f"{RELATIVE_GRADIENT}\n(above 0 it raises r)"
CLIP_EPS = 0.2  # of the PPO that optimism is measured against
SHARE = 0.99
"""Of the samples in minibatches, that a contour encloses; outside it a drift hardly matters."""
ROLLBACK_STYLE = {"colors": "black", "linewidths": 1.6, "linestyles": "-"}
OPTIMISM_STYLE = {"colors": "black", "linewidths": 1.2, "linestyles": "--"}
VISITS_STYLE: dict[str, Any] = {"colors": "black", "linewidths": 1.0, "linestyles": ":"}
VEIL = 0.65
"""Opacity of the white that covers what hardly any sample meets."""
PANEL, BESIDE = 2.05, 1.5  # inches of a panel, and of what is beside all of them
MAX_PANELS = 8
MAX_ROOMY = 3  # columns, with room for a long label below each
ROUNDING = 1e-9
"""Of a drift, whose size is that of rA."""
RATIO_TICKS = (1, 0.5, 2, 0.25, 4, 0.1, 10, 0.05, 20, 0.02, 50, 0.8, 1.25, 0.9, 1.1, 0.95, 1.05, 0.98, 1.02)
"""The first first, as far as there is room."""


def drift_figure(
    surfaces: Mapping[str, DriftSurface],
    *,
    title: str,
    visits: Int[np.ndarray, "G H"] | None = None,
    whose: str = "",
    annotate: bool = False,
) -> Figure:
    """Draw for drifts side by side the gradient of the surrogate with respect to r, and below it the drift.

    The surrogate is r·A − D(r, A), which the policy maximises: a positive gradient raises r. It is drawn in units of
    |A|, in which that of the policy gradient is ±1.

    Args:
        surfaces: by name, one for each column; ascending grids of log r and A.
        title: of the figure.
        visits: histogram of the samples in minibatches, by LOG_RATIO_EDGES and ADVANTAGE_EDGES; a contour encloses
            99 % of them, and what is outside is paler.
        whose: name of the objective whose trainings had these samples.
        annotate: whether to outline two regions of the gradient: rollback, where it has the sign opposite to the
            advantage; and optimism, where it has the sign of the advantage although that of PPO-clip is zero.
    """
    figure = _figure(2, len(surfaces))
    panels = figure.subplots(2, len(surfaces), squeeze=False)
    slopes = [relative_gradient(surface) for surface in surfaces.values()]
    drifts = [without_rounding(surface.drift) for surface in surfaces.values()]
    pushes = Scale(slopes, signed=True, unit=1.0)
    heights = Scale(drifts, signed=False, within=[_inside(surface, visits) for surface in surfaces.values()])
    size = points(figure, 10)
    for (upper, lower), (name, surface), slope, drift in zip(panels.T, surfaces.items(), slopes, drifts, strict=True):
        heat_map(upper, surface.log_ratio, surface.advantage, slope, pushes)
        heat_map(lower, surface.log_ratio, surface.advantage, drift, heights)
        _draw_visits((upper, lower), surface, visits)
        if annotate:
            _outline_regions(upper, surface)
        room = 0.95 * (figure.get_figwidth() - BESIDE) / len(surfaces)
        upper.set_title(wrapped(figure, name, size, room), fontsize=size, parse_math=False)
    more_lines = max(upper.get_title().count("\n") for upper in panels[0])
    figure.set_figheight(figure.get_figheight() + more_lines * 1.2 * size / 72)
    _label(list(panels.flat), list(surfaces.values()))
    pushes.bar(figure, panels[0], GRADIENT_BAR)
    heights.bar(figure, panels[1], DRIFT_BAR)
    set_title(figure, title)
    regions = _region_handles(list(surfaces.values())) if annotate else []
    set_legend(figure, [*regions, *_visit_handles(visits, whose)])
    return figure


def drift_evolution_figure(
    surfaces: Mapping[int, DriftSurface],
    *,
    title: str,
    visits: Int[np.ndarray, "G H"] | None = None,
    whose: str = "",
    annotate: bool = False,
) -> Figure:
    """Draw how the gradient of the surrogate changed over the generations, in at most eight maps on one scale.

    Args:
        surfaces: by number of generations; of more than eight some are left out, evenly.
        title: of the figure.
        visits: as for `drift_figure`.
        whose: as for `drift_figure`.
        annotate: as for `drift_figure`.
    """
    generations = sorted(surfaces)
    chosen = [generations[place] for place in _evenly(len(generations), MAX_PANELS)]
    num_rows = 1 if len(chosen) <= MAX_PANELS // 2 else 2
    num_columns = -(-len(chosen) // num_rows)
    figure = _figure(num_rows, num_columns)
    panels = [figure.add_subplot(num_rows, num_columns, number) for number in range(1, len(chosen) + 1)]
    drawn = [surfaces[generation] for generation in chosen]
    slopes = [relative_gradient(surface) for surface in drawn]
    scale = Scale(slopes, signed=True, unit=1.0)
    for axes, generation, surface, slope in zip(panels, chosen, drawn, slopes, strict=True):
        heat_map(axes, surface.log_ratio, surface.advantage, slope, scale)
        _draw_visits((axes,), surface, visits)
        if annotate:
            _outline_regions(axes, surface)
        heading = f"{generation:,} generation{'' if generation == 1 else 's'}"
        axes.set_title(heading, fontsize=points(figure, 9))
    _label(panels, drawn)
    scale.bar(figure, panels, GRADIENT_BAR)
    set_title(figure, title)
    set_legend(figure, [*(_region_handles(drawn) if annotate else []), *_visit_handles(visits, whose)])
    return figure


def _figure(num_rows: int, num_columns: int) -> Figure:
    """Return a figure for a grid of maps, which are about square."""
    if current().paper:
        width = COLUMN if num_columns == 1 else TEXT
    else:
        width = max(BESIDE + PANEL * num_columns, 5.0) if num_columns < 3 else max(WIDE, BESIDE + 1.6 * num_columns)
    across = min((width - BESIDE) / num_columns, PANEL)
    height = 1.25 + num_rows * (across + 0.15)
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(wspace=0.05))


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
    crowded = len({column for _, column in taken}) > MAX_ROOMY
    for axes, place in places.items():
        lowest, leftmost = (place.rowspan.stop, place.colspan.start) not in taken, place.colspan.start == 0
        uncluttered(axes)
        ratio_axis(axes, low, high, 0.18 if crowded else 0.11)
        axes.set_ylim(bottom, top)
        axes.axhline(0, color="black", linewidth=0.5, alpha=0.5)
        axes.axvline(0, color="black", linewidth=0.5, alpha=0.5)
        size = points(axes.get_figure(root=True), 9)  # type: ignore[arg-type]
        axes.set_xlabel("" if not lowest else "ratio r" if crowded else RATIO, fontsize=size)
        axes.set_ylabel(ADVANTAGE if leftmost else "", fontsize=size)
        axes.tick_params(labelbottom=lowest, labelleft=leftmost, labelsize=size)


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


def _draw_visits(panels: Sequence[Axes], surface: DriftSurface, visits: Int[np.ndarray, "G H"] | None) -> None:
    """Draw the contour of the smallest region that holds most samples, and a veil over what is outside."""
    if visits is None or not visits.any():
        return
    shown, level = _density(surface, visits)
    place = np.meshgrid(surface.log_ratio, surface.advantage)
    for axes in panels:
        if shown.min() < level:
            axes.contourf(*place, shown, levels=[-1.0, level], colors="white", alpha=VEIL)
        axes.contour(*place, shown, levels=[level], **VISITS_STYLE)


def _density(surface: DriftSurface, visits: Int[np.ndarray, "G H"]) -> tuple[Float[np.ndarray, "A R"], float]:
    """Return the density of samples on the grid of a surface, and the one at the border of the densest region."""
    smooth = scipy.ndimage.gaussian_filter(visits.astype(float), 1.0)
    density = smooth / np.outer(np.diff(LOG_RATIO_EDGES), np.diff(ADVANTAGE_EDGES))
    (level,) = densest_levels(density, smooth, (SHARE,))
    centres = tuple((edges[1:] + edges[:-1]) / 2 for edges in (LOG_RATIO_EDGES, ADVANTAGE_EDGES))
    at = RegularGridInterpolator(centres, density, bounds_error=False, fill_value=0.0)
    place = np.meshgrid(surface.log_ratio, surface.advantage)
    return at((place[0], place[1])), float(level)


def _inside(surface: DriftSurface, visits: Int[np.ndarray, "G H"] | None) -> Bool[np.ndarray, "R A"]:
    """Return where most samples are: everywhere, if that is not known."""
    if visits is None or not visits.any():
        return np.ones((len(surface.log_ratio), len(surface.advantage)), bool)
    density, level = _density(surface, visits)
    return np.asarray(level <= density.T)


def _visit_handles(visits: Int[np.ndarray, "G H"] | None, whose: str) -> list[Line2D]:
    if visits is None or not visits.any():
        return []
    samples = f"the samples of {whose}" if whose else "the samples"
    return [_handle(VISITS_STYLE, f"{100 * SHARE:g} % of {samples}, in r and A jointly, are inside; paler outside")]
