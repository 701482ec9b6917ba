"""Schedules of an objective as numbers. Axes: G points in time."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from metadisco.types import Schedule


def factors_over(schedule: Schedule, progress: Float[np.ndarray, "G"]) -> dict[str, Float[np.ndarray, "G"]]:
    """Return the factors of a schedule by name of the setting, without those that it leaves at the constant 1.

    Args:
        schedule: of an objective.
        progress: elapsed fractions of the lifetime.
    """

    def curves(progress: Array) -> dict[str, Array]:
        factors = schedule(progress)._asdict()
        return {name: factor for name, factor in factors.items() if not isinstance(factor, float)}

    return {name: np.asarray(values) for name, values in jax.vmap(curves)(jnp.asarray(progress, jnp.float32)).items()}
