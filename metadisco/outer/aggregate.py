"""Aggregating fitness over rollouts and tasks. Axes: P population, R rollouts, K tasks."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Float

from metadisco.types import TaskLike

ABOVE_ONE = 0.1
"""Weight of the excess above 1 under `capped_mean`."""
LEAST_SCALE = 0.1
"""Smallest scale of `capped_mean`, as a share of that of the references: where the baseline hardly learns at a draw, or
fails, the quotient would be noise."""


def aggregate(fitness: Float[jax.Array, "P K"], how: str, tasks: Sequence[TaskLike] = ()) -> Float[jax.Array, "P"]:
    """Aggregate fitness over tasks into one number per member; a failed task fails the member.

    Args:
        fitness: fitness per member and task.
        how: `mean`, `minimum`, or `mean_rank` (the mean over tasks of the rank within the population).
        tasks: scales by which fitness is normalised first; if empty, it is not normalised.
    """
    fitness = _on_scale(fitness, tasks) if tasks else jnp.where(jnp.isfinite(fitness), fitness, jnp.nan)
    if how == "mean":
        return fitness.mean(1)
    if how == "minimum":
        return fitness.min(1)
    # Failed members are ranked last, so that they do not change the ranks of the others.
    ranks = jax.scipy.stats.rankdata(jnp.where(jnp.isnan(fitness), jnp.inf, fitness), axis=0).mean(1)
    return jnp.where(jnp.isnan(fitness).any(1), jnp.nan, ranks)


def _on_scale(fitness: Float[jax.Array, "... K"], tasks: Sequence[TaskLike]) -> Float[jax.Array, "... K"]:
    """Return fitness normalised by the scales of the tasks; NaN where it is not finite."""
    zero, one = (jnp.asarray(bounds) for bounds in zip(*((task.zero, task.one) for task in tasks), strict=True))
    return (jnp.where(jnp.isfinite(fitness), fitness, jnp.nan) - zero) / (one - zero)


def aggregate_rollouts(
    fitness: Float[jax.Array, "P R K"],
    how: str,
    tasks: Sequence[TaskLike],
    baseline: Float[jax.Array, "*P R K"] | None = None,
) -> Float[jax.Array, "P"]:
    """Aggregate fitness over rollouts and tasks into one number per member; a failed one fails the member.

    Args:
        fitness: fitness per member, rollout and task.
        how: a value of `outer.aggregate`.
        tasks: scales of the tasks.
        baseline: for `capped_mean`, fitness of the baseline on the same seeds: [R, K] where all members share them.
    """
    if how == "capped_mean":
        assert baseline is not None
        return capped_mean(fitness, baseline, tasks)
    if how == "mean_rank_per_draw":
        return aggregate(fitness.reshape(len(fitness), -1), "mean_rank")
    return aggregate(fitness.mean(1), how, tasks)


def capped_mean(
    fitness: Float[jax.Array, "P R K"], baseline: Float[jax.Array, "*P R K"], tasks: Sequence[TaskLike]
) -> Float[jax.Array, "P"]:
    """Return the mean over rollouts and tasks of min(s, 1) + 0.1·max(s − 1, 0), so that two tasks cannot buy the third.

    s is fitness on a scale on which `zero` of the task, random actions, is 0 and the baseline on the same seed is 1.
    The scale is at least a tenth of that between `zero` and `one`, also where the baseline failed.

    Args:
        fitness: fitness per member, rollout and task.
        baseline: fitness of the baseline on the same seeds.
        tasks: scales of the tasks.
    """
    fitness, baseline = (_on_scale(each, tasks) for each in (fitness, baseline))
    scaled = fitness / jnp.fmax(baseline, LEAST_SCALE)  # `fmax` gives the other number where one is NaN
    capped = jnp.minimum(scaled, 1.0) + ABOVE_ONE * jnp.maximum(scaled - 1.0, 0.0)
    return capped.mean((1, 2))


def half_width(scores: Float[jax.Array | np.ndarray, "P"]) -> float:
    """Return half of the 95 % interval (Student's t) of a mean; NaN where a score is.

    Args:
        scores: means over rollouts, each of seeds of its own.
    """
    values = np.asarray(scores, np.float64)
    error = values.std(ddof=1) / math.sqrt(values.size)
    return float(scipy.special.stdtrit(values.size - 1, 0.975) * error)


def scores_of(fitness: Float[jax.Array | np.ndarray, "P K"], how: str, tasks: Sequence[TaskLike]) -> np.ndarray:
    """Return one score for each of P means over rollouts, for the interval of the centre; NaN where one failed.

    Args:
        fitness: P means over rollouts.
        how: `minimum` for the task with the lowest mean; else the mean over tasks, which also stands in for ranks.
        tasks: scales by which fitness is normalised before.
    """
    zero, one = (np.array([getattr(task, end) for task in tasks]) for end in ("zero", "one"))
    values = np.asarray(fitness, np.float64)
    scaled = (np.where(np.isfinite(values), values, math.nan) - zero) / (one - zero)
    scores: np.ndarray = scaled[:, scaled.mean(0).argmin()] if how == "minimum" else scaled.mean(1)
    return scores


def paired_difference(
    fitness: Float[jax.Array | np.ndarray, "P R K"],
    baseline: Float[jax.Array | np.ndarray, "P R K"],
    tasks: Sequence[TaskLike],
) -> tuple[float, float]:
    """Return the mean over tasks of fitness minus the baseline's on the same seeds, and its standard error.

    Args:
        fitness: of the search centre, each evaluation on a seed of its own.
        baseline: on the same seeds.
        tasks: by whose scales differences are divided.
    """
    scale = np.array([task.one - task.zero for task in tasks])
    differences = (np.asarray(fitness, np.float64) - np.asarray(baseline, np.float64)) / scale
    each = np.where(np.isfinite(differences), differences, math.nan).mean(-1).ravel()
    return float(each.mean()), float(each.std(ddof=1) / math.sqrt(each.size))
