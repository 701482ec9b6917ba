"""What can be read off a loss on a grid, in pure NumPy. Axes: G errors or log ratios, H advantages.

Lu et al., "Discovered Policy Optimisation" (2022), name rollback and optimism.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from metadisco.distillation.surfaces import DriftSurface

FLAT = 0.02  # of the largest |φ′|, below which φ counts as flat
FLAT_WIDTH = 0.05  # of the range, so that where φ′ passes through zero is no flat part
BENDING = 1e-3  # of the mean slope of φ′ over the range, below which φ′ does not count as falling
NEGLIGIBLE_GRADIENT = 0.01  # of |A|, below which the objective counts as not pushing


class Minimum(NamedTuple):
    """Where a loss is least."""

    error: float
    """δ; NaN where the loss is constant."""
    loss: float
    inside: bool
    """Whether the loss rises again on both sides before the range ends."""


class Huber(NamedTuple):
    """A Huber loss: c·½δ² where |δ| ≤ k, and c·k·(|δ| − ½k) beyond."""

    threshold: float
    """k, in units of the error."""
    scale: float
    """c."""

    def loss(self, error: Float[np.ndarray, "G"]) -> Float[np.ndarray, "G"]:
        """Return the loss."""
        inner = np.minimum(np.abs(error), self.threshold)
        return self.scale * inner * (np.abs(error) - 0.5 * inner)

    def derivative(self, error: Float[np.ndarray, "G"]) -> Float[np.ndarray, "G"]:
        """Return its derivative by the error."""
        return self.scale * np.clip(error, -self.threshold, self.threshold)


def minimum(error: Float[np.ndarray, "G"], loss: Float[np.ndarray, "G"], derivative: Float[np.ndarray, "G"]) -> Minimum:
    """Return where a loss is least, refined between grid points by where its derivative passes through zero.

    Of several equal minima it is the one nearest to zero.

    Args:
        error: δ, ascending.
        loss: φ(δ).
        derivative: φ′(δ).
    """
    if np.ptp(loss) == 0:
        return Minimum(math.nan, float(loss[0]), False)
    candidates = np.flatnonzero(loss == loss.min())
    place = int(candidates[np.argmin(np.abs(error[candidates]))])
    inside = bool(loss[0] > loss[place] < loss[-1])
    for left in (place - 1, place):
        right = left + 1
        if left >= 0 and right < len(error) and derivative[left] < 0 < derivative[right]:
            weight = derivative[right] / (derivative[right] - derivative[left])
            return Minimum(float(weight * error[left] + (1 - weight) * error[right]), float(loss[place]), inside)
    return Minimum(float(error[place]), float(loss[place]), inside)


def non_convex_intervals(
    error: Float[np.ndarray, "G"], derivative: Float[np.ndarray, "G"]
) -> list[tuple[float, float]]:
    """Return the intervals in which the derivative falls, so that the loss is not convex; to the precision of the grid.

    A fall much slower than the slope of φ′ over the whole range (BENDING) does not count.
    """
    rise = max(np.ptp(derivative), 1e-6 * np.abs(derivative).max())  # of a straight φ, whose rounding is no fall
    steepness = BENDING * rise / np.ptp(error)
    falls = np.diff(derivative) < -steepness * np.diff(error)
    return [(float(error[start]), float(error[stop])) for start, stop in _runs(falls)]


def flat_intervals(error: Float[np.ndarray, "G"], derivative: Float[np.ndarray, "G"]) -> list[tuple[float, float]]:
    """Return the intervals in which |φ′| is below FLAT times its maximum, and that are wider than FLAT_WIDTH.

    The width is a part of the range: φ′ of any smooth loss is small near the minimum, which makes no flat part.
    """
    small = np.abs(derivative) < FLAT * np.abs(derivative).max() if derivative.any() else np.ones(len(error), bool)
    intervals = [(float(error[start]), float(error[stop - 1])) for start, stop in _runs(small)]
    return [(low, high) for low, high in intervals if high - low >= FLAT_WIDTH * np.ptp(error)]


def asymmetry(error: Float[np.ndarray, "G"], derivative: Float[np.ndarray, "G"]) -> float:
    """Return how far a loss is from symmetric: root mean square of the even part of φ′, over that of φ′.

    0: errors of either sign are pushed back equally, φ(−δ) = φ(δ). 1: φ is odd, so that it pushes one way whatever the
    sign. Over the errors whose mirror image lies in the range too; NaN where there are none, or φ′ is zero.
    """
    mirrored = mirror_image(error, derivative)
    both = np.isfinite(mirrored)
    size = np.sqrt(np.square(derivative[both]).mean()) if both.any() else 0.0
    if size == 0:
        return math.nan
    return float(np.sqrt(np.square((derivative + mirrored)[both] / 2).mean()) / size)


def mirror_image(error: Float[np.ndarray, "G"], values: Float[np.ndarray, "G"]) -> Float[np.ndarray, "G"]:
    """Return values at −error, interpolated; NaN where −error is outside of the range."""
    return np.interp(-error, error, values, left=math.nan, right=math.nan)


def squared_error_scale(error: Float[np.ndarray, "G"], derivative: Float[np.ndarray, "G"]) -> float:
    """Return c for which c·½δ² has the same root mean square derivative over the range."""
    return float(np.sqrt(np.square(derivative).mean() / np.square(error).mean()))


def nearest_huber(error: Float[np.ndarray, "G"], derivative: Float[np.ndarray, "G"]) -> Huber:
    """Return, of the Huber losses with the same root mean square derivative, the one whose derivative is nearest.

    The threshold is searched on a logarithmic grid from the spacing of the errors to the largest, and once more more
    finely about the best.
    """
    largest, smallest = float(np.abs(error).max()), float(np.diff(error).min())
    size = np.sqrt(np.square(derivative).mean())

    def scaled(threshold: float) -> Huber:
        shape = np.clip(error, -threshold, threshold)
        return Huber(float(threshold), float(size / np.sqrt(np.square(shape).mean())))

    def best(thresholds: Float[np.ndarray, "K"]) -> Huber:
        found = [scaled(threshold) for threshold in thresholds]
        return min(found, key=lambda huber: float(np.square(huber.derivative(error) - derivative).mean()))

    coarse = np.geomspace(smallest, largest, 101)
    step = coarse[1] / coarse[0]
    middle = best(coarse).threshold
    return best(np.clip(middle * np.geomspace(1 / step, step, 41), smallest, largest))


def relative_gradient(surface: DriftSurface) -> Float[np.ndarray, "G H"]:
    """Return ∂(r·A − D)/∂r ÷ |A|: how an objective pushes r, where the policy gradient's push is ±1.

    Where A is 0 it is divided by half the smallest |A| of the grid instead.
    """
    size = np.abs(surface.advantage)
    floor = 0.5 * size[size > 0].min(initial=math.inf)
    return surface.gradient / np.maximum(size, floor if math.isfinite(floor) else 1.0)


def rollback(surface: DriftSurface) -> Bool[np.ndarray, "G H"]:
    """Return where an objective pushes the ratio against the advantage: r up where A < 0, down where A > 0.

    A push of less than NEGLIGIBLE_GRADIENT · |A| does not count.
    """
    return np.asarray(relative_gradient(surface) * np.sign(surface.advantage) < -NEGLIGIBLE_GRADIENT)


def optimism(surface: DriftSurface, clip_eps: float = 0.2) -> Bool[np.ndarray, "G H"]:
    """Return where an objective still pushes the ratio with the advantage, though PPO-clip has ceased to.

    PPO ceases where r > 1 + ε and A > 0, and where r < 1 − ε and A < 0. A push of less than NEGLIGIBLE_GRADIENT · |A|
    does not count.

    Args:
        surface: of the objective.
        clip_eps: PPO's ε.
    """
    ratio = np.exp(surface.log_ratio)[:, None]
    clipped = np.where(surface.advantage > 0, ratio > 1 + clip_eps, ratio < 1 - clip_eps)
    pushes = relative_gradient(surface) * np.sign(surface.advantage) > NEGLIGIBLE_GRADIENT
    return np.asarray(clipped & pushes)


def densest_levels(
    density: Float[np.ndarray, "G H"],
    mass: Float[np.ndarray, "G H"] | Int[np.ndarray, "G H"],
    shares: tuple[float, ...],
) -> list[float]:
    """Return for each share the density above which lies that share of the mass: the smallest such region.

    Args:
        density: per unit of area.
        mass: of each cell; its sum is all there is.
        shares: each in (0, 1).
    """
    order = np.argsort(density, axis=None)[::-1]
    enclosed = np.cumsum(mass.ravel()[order]) / mass.sum()
    places = np.minimum(np.searchsorted(enclosed, shares), enclosed.size - 1)
    return [float(level) for level in density.ravel()[order][places]]


def quantiles(
    counts: Int[np.ndarray, "N"] | Float[np.ndarray, "N"], edges: Float[np.ndarray, "E"], shares: tuple[float, ...]
) -> list[float]:
    """Return quantiles of a histogram, linear within bins; NaN where it is empty.

    Args:
        counts: of E − 1 bins.
        edges: of the bins, ascending.
        shares: each in [0, 1].
    """
    total = counts.sum()
    if total == 0:
        return [math.nan] * len(shares)
    enclosed = np.append(0.0, np.cumsum(counts)) / total
    return [float(x) for x in np.interp(shares, enclosed, edges)]


def _runs(flags: Bool[np.ndarray, "N"]) -> list[tuple[int, int]]:
    """Return start and end (exclusive) of each run of true flags."""
    changes = np.flatnonzero(np.diff(np.pad(flags.astype(np.int8), 1)))
    return [(int(start), int(stop)) for start, stop in changes.reshape(-1, 2)]
