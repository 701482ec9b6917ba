"""Samples with default values for the fields that a test does not set."""

import jax.numpy as jnp
from jax.typing import ArrayLike

from metadisco.types import Sample


def make_sample(
    log_ratio: ArrayLike = 0.0,
    advantage: ArrayLike = 0.0,
    value: ArrayLike = 0.0,
    old_value: ArrayLike = 0.0,
    target: ArrayLike = 0.0,
    progress: float = 0.5,
) -> Sample:
    """Return a sample of one shape, in float64 where that is switched on."""
    fields = jnp.broadcast_arrays(*(jnp.asarray(x, float) for x in (log_ratio, advantage, value, old_value, target)))
    return Sample(*fields, progress=jnp.asarray(progress, float))
