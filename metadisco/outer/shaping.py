"""Fitness shaping: transforms raw fitness before a gradient estimate. Higher remains better. Axes: P population."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


def centred_rank(fitness: Float[Array, "P"]) -> Float[Array, "P"]:
    """Return ranks scaled to [−½, ½]; ties get their mean rank, so that equal members have equal weights."""
    ranks = jax.scipy.stats.rankdata(fitness) - 1
    return ranks / (fitness.size - 1) - 0.5


def z_score(fitness: Float[Array, "P"]) -> Float[Array, "P"]:
    """Return fitness with mean 0 and standard deviation 1."""
    return (fitness - fitness.mean()) / (fitness.std() + 1e-8)


def raw(fitness: Float[Array, "P"]) -> Float[Array, "P"]:
    """Return fitness unchanged."""
    return fitness


SHAPING: dict[str, Callable[[Array], Array]] = {"centred_rank": centred_rank, "z_score": z_score, "raw": raw}
"""Fitness shaping functions by their names in a config."""


def tied_weights(weights: Float[Array, "P"], losses: Float[Array, "P"]) -> Float[Array, "P"]:
    """Return the weight of each member by the rank of its loss, lowest first; ties get the mean of their weights.

    evosax 0.3 rounds the mean rank of ties down instead, so that CMA-ES and SNES move even if all members tie.
    """
    below = (losses[None] < losses[:, None]).sum(-1)
    not_above = (losses[None] <= losses[:, None]).sum(-1)
    cumulative = jnp.concatenate([jnp.zeros(1, weights.dtype), jnp.cumsum(weights)])
    return (cumulative[not_above] - cumulative[below]) / (not_above - below)
