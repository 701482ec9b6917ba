"""Features of a loss on a grid, in pure NumPy. Axes: G errors or log ratios, H advantages.

The terms rollback and optimism are from Lu et al., "Discovered Policy Optimisation" (2022).
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from metadisco.distillation.surfaces import DriftSurface

FLAT = 0.02  # of the largest |φ′|, below which φ counts as flat
FLAT_WIDTH = 0.05  # of the range; a zero crossing of φ′ is narrower and no flat part
BENDING = 1e-3  # of the mean slope of φ′ over the range, below which φ′ does not count as falling
NEGLIGIBLE_GRADIENT = 0.01  # of |A|, below which the gradient of the surrogate counts as zero


class Minimum(NamedTuple):
    """Minimum of a loss."""

    error: float
    """δ at the minimum; NaN for a constant loss."""
    loss: float
    inside: bool
    """Whether the loss rises on both sides within the range."""


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
        """Return the derivative with respect to the error."""
        return self.scale * np.clip(error, -self.threshold, self.threshold)


def minimum(error: Float[np.ndarray, "G"], loss: Float[np.ndarray, "G"], derivative: Float[np.ndarray, "G"]) -> Minimum:
    """Return the minimum of a loss, refined between grid points at the zero crossing of the derivative.

    Among equal minima the one nearest to zero is returned.

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
    """Return the intervals in which the derivative decreases and the loss is not convex, to the precision of the grid.

    Decreases much slower than the mean slope of φ′ (by the factor BENDING) do not count.
    """
    # The bound matters for a linear φ, whose rounding errors are no decrease.
    rise = max(np.ptp(derivative), 1e-6 * np.abs(derivative).max())
    steepness = BENDING * rise / np.ptp(error)
    falls = np.diff(derivative) < -steepness * np.diff(error)
    return [(float(error[start]), float(error[stop])) for start, stop in _runs(falls)]


def flat_intervals(error: Float[np.ndarray, "G"], derivative: Float[np.ndarray, "G"]) -> list[tuple[float, float]]:
    """Return the intervals wider than FLAT_WIDTH in which |φ′| is below FLAT times its maximum.

    The width is a fraction of the range: φ′ of any smooth loss is small near its minimum, which is no flat part.
    """
    small = np.abs(derivative) < FLAT * np.abs(derivative).max() if derivative.any() else np.ones(len(error), bool)
    intervals = [(float(error[start]), float(error[stop - 1])) for start, stop in _runs(small)]
    return [(low, high) for low, high in intervals if high - low >= FLAT_WIDTH * np.ptp(error)]


def asymmetry(error: Float[np.ndarray, "G"], derivative: Float[np.ndarray, "G"]) -> float:
    """Return the asymmetry of a loss: the root mean square of the even part of φ′ over that of φ′.

    0: φ is even, φ(−δ) = φ(δ). 1: φ is odd, up to a constant. Only errors whose mirror image is in the range count; NaN
    if there are none or φ′ is zero.
    """
    mirrored = mirror_image(error, derivative)
    both = np.isfinite(mirrored)
    size = np.sqrt(np.square(derivative[both]).mean()) if both.any() else 0.0
    if size == 0:
        return math.nan
    return float(np.sqrt(np.square((derivative + mirrored)[both] / 2).mean()) / size)


def mirror_image(error: Float[np.ndarray, "G"], values: Float[np.ndarray, "G"]) -> Float[np.ndarray, "G"]:
    """Return values at −error, interpolated; NaN if −error is out of range."""
    return np.interp(-error, error, values, left=math.nan, right=math.nan)


def squared_error_scale(error: Float[np.ndarray, "G"], derivative: Float[np.ndarray, "G"]) -> float:
    """Return c for which c·½δ² has the same root mean square derivative over the range."""
    return float(np.sqrt(np.square(derivative).mean() / np.square(error).mean()))


def nearest_huber(error: Float[np.ndarray, "G"], derivative: Float[np.ndarray, "G"]) -> Huber:
    """Return the Huber loss with the same root mean square derivative whose derivative is nearest.

    The threshold is searched on a logarithmic grid from the smallest spacing to the largest error, then on a finer grid
    around the best.
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
    """Return ∂(r·A − D)/∂r ÷ |A|, the gradient of the surrogate relative to that of the policy gradient, ±1.

    Where A is 0 the divisor is half the smallest |A| of the grid.
    """
    size = np.abs(surface.advantage)
    floor = 0.5 * size[size > 0].min(initial=math.inf)
    return surface.gradient / np.maximum(size, floor if math.isfinite(floor) else 1.0)


def rollback(surface: DriftSurface) -> Bool[np.ndarray, "G H"]:
    """Return where the gradient opposes the policy gradient: it increases r for A < 0 and decreases r for A > 0.

    Gradients below NEGLIGIBLE_GRADIENT · |A| count as zero.
    """
    return np.asarray(relative_gradient(surface) * np.sign(surface.advantage) < -NEGLIGIBLE_GRADIENT)


def optimism(surface: DriftSurface, clip_eps: float = 0.2) -> Bool[np.ndarray, "G H"]:
    """Return where the gradient agrees with the policy gradient although that of clipped PPO is zero.

    The gradient of PPO is zero for r > 1 + ε and A > 0, and for r < 1 − ε and A < 0. Gradients below
    NEGLIGIBLE_GRADIENT · |A| count as zero.

    Args:
        surface: of the objective.
        clip_eps: PPO's ε.
    """
    ratio = np.exp(surface.log_ratio)[:, None]
    clipped = np.where(surface.advantage > 0, ratio > 1 + clip_eps, ratio < 1 - clip_eps)
    agrees = relative_gradient(surface) * np.sign(surface.advantage) > NEGLIGIBLE_GRADIENT
    return np.asarray(clipped & agrees)


def densest_levels(
    density: Float[np.ndarray, "G H"],
    mass: Float[np.ndarray, "G H"] | Int[np.ndarray, "G H"],
    shares: tuple[float, ...],
) -> list[float]:
    """Return for each share the density level whose superlevel set is the smallest region with that share of the mass.

    Args:
        density: per unit of area.
        mass: of each cell.
        shares: each in (0, 1).
    """
    order = np.argsort(density, axis=None)[::-1]
    enclosed = np.cumsum(mass.ravel()[order]) / mass.sum()
    places = np.minimum(np.searchsorted(enclosed, shares), enclosed.size - 1)
    return [float(level) for level in density.ravel()[order][places]]


def quantiles(
    counts: Int[np.ndarray, "N"] | Float[np.ndarray, "N"], edges: Float[np.ndarray, "E"], shares: tuple[float, ...]
) -> list[float]:
    """Return quantiles of a histogram, linear within bins; NaN for an empty one.

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
