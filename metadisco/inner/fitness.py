"""What counts as success of an inner life. Higher is better. Axes: U updates."""

import math
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.errors import UserError
from metadisco.inner.train import TrainResult

ROUNDING = 1e-6  # so that 0.29 of a hundred updates are 29 of them

Fitness: TypeAlias = Callable[[TrainResult], Float[Array, ""]]
"""(result of a life) -> one number, higher is better."""


def final_return(result: TrainResult) -> Float[Array, ""]:
    """Return the mean return of the evaluation episodes at the end of the life."""
    return result.evaluation[-1].mean()


def mean_evaluation(result: TrainResult, part: tuple[float, float] = (0.0, 1.0)) -> Float[Array, ""]:
    """Return the mean return of the evaluation episodes that were played within a part of the life.

    Evaluation v of V is played when the fraction (v + 1)/V of the life is over.

    Args:
        result: a life.
        part: start and end as fractions of the life; an evaluation at the start is not counted, one at the end is.

    Raises:
        UserError: while tracing, if no evaluation falls into the part.
    """
    num_evaluations = result.evaluation.shape[0]
    first, last = (math.floor(fraction * num_evaluations + ROUNDING) for fraction in part)
    if first == last:
        raise UserError(
            f"inner.fitness_part: got {list(part)}, in which none of {num_evaluations} evaluations falls; allowed: a "
            "longer part, or a larger inner.ppo.num_evaluations"
        )
    return result.evaluation[first:last].mean()


def area_under_curve(result: TrainResult, part: tuple[float, float] = (0.0, 1.0)) -> Float[Array, ""]:
    """Return the mean of the learning curve over a part of the life, its gaps filled.

    A gap (an update in which no episode ended) takes the last value before it, or what the running episodes have
    collected by then, once on average they have outlasted every episode that ended before; a leading gap takes the
    first value after it. Leaving gaps out instead would punish good agents, whose long episodes end in few updates. A
    life in which no episode ended is scored by its evaluation episodes.

    Args:
        result: a life.
        part: start and end as fractions of the life; every update that lies in it at least partly is counted.

    Raises:
        UserError: while tracing, if no update falls into the part.
    """
    num_updates = result.curve.size
    first, last = math.floor(part[0] * num_updates + ROUNDING), math.ceil(part[1] * num_updates - ROUNDING)
    if first >= last:
        raise UserError(f"inner.fitness_part: got {list(part)}, in which no update falls; allowed: a longer part")
    filled = fill_gaps(result.curve, result.running)[first:last]
    return jnp.where(jnp.isnan(result.curve).all(), final_return(result), filled.mean())


def fill_gaps(curve: Float[Array, "U"], running: Float[Array, "U"] | None = None) -> Float[Array, "U"]:
    """Replace each NaN by what is running, else by the last number before it, leading ones by the first after them.

    A curve of NaN alone stays one.

    Args:
        curve: of a `TrainResult`.
        running: of the same one; when left out, episodes count only when they have ended.
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
"""Fitness functions by the name they have in a config; the last two take a part of the life."""
