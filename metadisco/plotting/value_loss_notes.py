"""What is notable about a value loss: its mirror image, minimum, flat parts, and the nearest Huber loss."""

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from metadisco.distillation.features import (
    FLAT,
    asymmetry,
    flat_intervals,
    minimum,
    mirror_image,
    nearest_huber,
    non_convex_intervals,
)
from metadisco.distillation.surfaces import ValueLossCurve
from metadisco.plotting.style import PALETTE, line_style, short

NON_CONVEX, FLAT_PART = PALETTE[4], PALETTE[7]


def annotate_value_loss(upper: Axes, lower: Axes, curve: ValueLossCurve) -> list[Artist]:
    """Draw what is notable about a loss into the panels of it and of its derivative; return the legend."""
    return [*_draw_huber(upper, lower, curve), *_draw_mirror(upper, lower, curve), *_draw_features(upper, lower, curve)]


def _draw_huber(upper: Axes, lower: Axes, curve: ValueLossCurve) -> list[Artist]:
    """Draw the nearest Huber loss, where one is nearer than the squared error; by its limit where it has no bend."""
    error, _, derivative = curve
    if not derivative.any():
        return []
    huber = nearest_huber(error, derivative)
    if huber.threshold >= np.abs(error).max():
        return []
    if huber.threshold <= 2 * np.diff(error).min():
        name = f"absolute error |δ| × {short(huber.threshold * huber.scale, 3)}"
    else:
        name = f"Huber loss, threshold {short(huber.threshold, 3)}, × {short(huber.scale, 3)}"
    style = line_style(2) | {"linewidth": 1.5, "label": name}
    lower.plot(error, huber.derivative(error), **style)
    return [*upper.plot(error, huber.loss(error), **style)]


def _draw_mirror(upper: Axes, lower: Axes, curve: ValueLossCurve) -> list[Artist]:
    error, loss, derivative = curve
    share = asymmetry(error, derivative)
    if not np.isfinite(share):
        return []
    name = f"mirror image φ(−δ), −φ′(−δ): asymmetry {share:.2f} of 1"
    style: dict[str, Any] = {"color": PALETTE[0], "linestyle": (0, (2, 2)), "linewidth": 1.0, "label": name}
    lower.plot(error, -mirror_image(error, derivative), **style)
    return [*upper.plot(error, mirror_image(error, loss), **style)]


def _draw_features(upper: Axes, lower: Axes, curve: ValueLossCurve) -> list[Artist]:
    """Mark the minimum, and where the loss is not convex or flat; return their legend."""
    error, loss, derivative = curve
    handles: list[Artist] = []
    least = minimum(error, loss, derivative)
    if np.isfinite(least.error):
        where = "minimum of φ" if least.inside else "φ is least at the end of the range,"
        name = f"{where} at δ = {short(round(least.error, 9), 3)}"
        style: dict[str, Any] = {"marker": "D", "color": "black", "linestyle": "none", "clip_on": False, "label": name}
        handles += upper.plot(least.error, np.interp(least.error, error, loss), **style)
        lower.plot(least.error, np.interp(least.error, error, derivative), **style)
    flat = f"flat: |φ′| < {100 * FLAT:g} % of its maximum" if derivative.any() else "φ is constant"
    for name, colour, hatch, intervals in (
        (flat, FLAT_PART, None, flat_intervals(error, derivative)),
        ("not convex: φ′ falls", NON_CONVEX, "/", non_convex_intervals(error, derivative)),
    ):
        style = {"facecolor": f"{colour}2a", "edgecolor": f"{colour}66", "hatch": hatch, "linewidth": 0, "label": name}
        spans = [axes.axvspan(*interval, zorder=0, **style) for axes in (upper, lower) for interval in intervals]
        handles += spans[:1]
    return handles
