"""What counts as success of an inner life. Higher is better. Axes: U updates."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.inner.train import TrainResult

Fitness: TypeAlias = Callable[[TrainResult], Float[Array, ""]]
"""(result of a life) -> one number, higher is better."""


def final_return(result: TrainResult) -> Float[Array, ""]:
    """Return the mean return of the evaluation episodes at the end of the life."""
    return result.evaluation[-1].mean()


def area_under_curve(result: TrainResult) -> Float[Array, ""]:
    """Return the mean of the learning curve, its gaps filled.

    A gap (an update in which no episode finished) takes the last value before it, a leading gap the first value after
    it. Leaving gaps out instead would punish good agents, whose long episodes finish in few updates. A life in which
    no episode finished is scored by its evaluation episodes.
    """
    filled = fill_gaps(result.curve)
    return jnp.where(jnp.isnan(result.curve).all(), final_return(result), filled.mean())


def fill_gaps(curve: Float[Array, "U"]) -> Float[Array, "U"]:
    """Replace each NaN by the last number before it, leading ones by the first number after them.

    A curve of NaN alone stays one.
    """
    known = ~jnp.isnan(curve)
    last_known = jax.lax.cummax(jnp.where(known, jnp.arange(curve.size), -1))
    return curve[jnp.where(last_known < 0, jnp.argmax(known), last_known)]


FITNESS: dict[str, Fitness] = {"final_return": final_return, "area_under_curve": area_under_curve}
"""Fitness functions by the name they have in a config."""
