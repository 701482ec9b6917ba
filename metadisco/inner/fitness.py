"""Fitness functions of a training run; higher is better. Axes: U updates."""

import math
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.errors import UserError
from metadisco.inner.train import TrainResult

ROUNDING = 1e-6  # so that the fraction 0.29 of 100 updates is 29 updates

Fitness: TypeAlias = Callable[[TrainResult], Float[Array, ""]]
"""(result of a training run) -> one number, higher is better."""


def final_return(result: TrainResult) -> Float[Array, ""]:
    """Return the mean return of the evaluation episodes at the end of training."""
    return result.evaluation[-1].mean()


def mean_evaluation(result: TrainResult, part: tuple[float, float] = (0.0, 1.0)) -> Float[Array, ""]:
    """Return the mean return of the evaluation episodes within a part of the lifetime.

    Evaluation v of V takes place when the fraction (v + 1)/V of the lifetime has elapsed.

    Args:
        result: result of a training run.
        part: start (exclusive) and end (inclusive) as fractions of the lifetime.

    Raises:
        UserError: while tracing, if there is no evaluation within the part.
    """
    num_evaluations = result.evaluation.shape[0]
    first, last = (math.floor(fraction * num_evaluations + ROUNDING) for fraction in part)
    if first == last:
        raise UserError(
            f"inner.fitness_part: got {list(part)}, which contains none of the {num_evaluations} evaluations; allowed: "
            "a longer part, or a larger inner.ppo.num_evaluations"
        )
    return result.evaluation[first:last].mean()


def area_under_curve(result: TrainResult, part: tuple[float, float] = (0.0, 1.0)) -> Float[Array, ""]:
    """Return the area under the learning curve: its mean over a part of the lifetime, with gaps filled.

    A gap is an update in which no episode ended. It is filled with the previous value, or with the mean return so far
    of the running episodes once these are longer, on average, than any episode that has ended. Leading gaps take the
    first value after them. Omitting gaps instead would penalise good agents, whose long episodes end in few updates. If
    no episode ended at all, the evaluation episodes count.

    Args:
        result: result of a training run.
        part: start and end as fractions of the lifetime; updates that overlap with it are included.

    Raises:
        UserError: while tracing, if there is no update within the part.
    """
    num_updates = result.curve.size
    first, last = math.floor(part[0] * num_updates + ROUNDING), math.ceil(part[1] * num_updates - ROUNDING)
    if first >= last:
        raise UserError(f"inner.fitness_part: got {list(part)}, which contains no update; allowed: a longer part")
    filled = fill_gaps(result.curve, result.running)[first:last]
    return jnp.where(jnp.isnan(result.curve).all(), final_return(result), filled.mean())


def fill_gaps(curve: Float[Array, "U"], running: Float[Array, "U"] | None = None) -> Float[Array, "U"]:
    """Replace each NaN by the value in `running`, else by the previous number; leading NaNs by the first number.

    A curve that consists of NaN only is returned unchanged.

    Args:
        curve: `TrainResult.curve`.
        running: `TrainResult.running`; if omitted, only episodes that have ended count.
    """
    known = ~jnp.isnan(curve)
    last_known = jax.lax.cummax(jnp.where(known, jnp.arange(curve.size), -1))
    filled = curve[jnp.where(last_known < 0, jnp.argmax(known), last_known)]
    return filled if running is None else jnp.where(known | jnp.isnan(running), filled, running)


def share_of_gaps(result: TrainResult) -> Float[Array, ""]:
    """Return the share of updates in which no episode ended."""
    return jnp.isnan(result.curve).mean()


FITNESS: dict[str, Callable[..., Float[Array, ""]]] = {
    "final_return": final_return,
    "mean_evaluation": mean_evaluation,
    "area_under_curve": area_under_curve,
}
"""Fitness functions by their names in a config; the last two can be restricted to a part of the lifetime."""
