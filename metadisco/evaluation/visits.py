"""What trainings show to an objective: histograms over what a loss looks at.

Axes: G bins of log r, H bins of A, N bins of value errors and of second inputs.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Int

from metadisco.config import Config
from metadisco.evaluation.lives import VISITS, live, seed_keys
from metadisco.inner.envs import Env
from metadisco.inner.train import train
from metadisco.types import Key, Objective, Sample

LOG_RATIO_EDGES = 0.02 * np.sinh(np.linspace(-math.asinh(3 / 0.02), math.asinh(3 / 0.02), 162))
"""Finer near 0, where policies stay; to ±3."""
ADVANTAGE_EDGES = np.linspace(-8.0, 8.0, 130)
VALUE_EDGES = 0.01 * np.sinh(np.linspace(-math.asinh(1e6), math.asinh(1e6), 242))
"""Finer near 0, on a logarithmic scale further out; to ±10,000."""


class Visits(NamedTuple):
    """How often trainings met what, over all gradient steps of all lives; what lies beyond the edges is left out."""

    policy: Int[np.ndarray | Array, "G H"]
    """By log r (LOG_RATIO_EDGES) and A (ADVANTAGE_EDGES)."""
    target: Int[np.ndarray | Array, "N N"]
    """By value error V − target and target (VALUE_EDGES for both)."""
    old_value: Int[np.ndarray | Array, "N N"]
    """By value error and the old value's error (VALUE_EDGES for both)."""

    @property
    def error(self) -> Int[np.ndarray | Array, "N"]:
        """By value error alone."""
        return self.target.sum(1)


def count_visits(objective: Objective, env: Env, config: Config, num_seeds: int) -> Visits:
    """Train agents, on other seeds than `train_lives`, and count what their minibatches show to the objective.

    Args:
        objective: what they minimise.
        env: where they learn.
        config: settings; `outer` gives devices and chunk.
        num_seeds: agents.
    """

    def life(key: Key) -> Visits:
        observed: Visits = train(key, env, config.inner.ppo, objective, observe=_count).diagnostics.observed
        return observed

    counted = live(life, config.outer, seed_keys(config.seed, num_seeds, VISITS))
    return Visits(*(counts.sum(0, dtype=np.int64) for counts in counted))


def _count(sample: Sample) -> Visits:
    error = sample.value - sample.target
    return Visits(
        policy=_histogram((sample.log_ratio, LOG_RATIO_EDGES), (sample.advantage, ADVANTAGE_EDGES)),
        target=_histogram((error, VALUE_EDGES), (sample.target, VALUE_EDGES)),
        old_value=_histogram((error, VALUE_EDGES), (sample.old_value - sample.target, VALUE_EDGES)),
    )


def _histogram(first: tuple[Array, np.ndarray], second: tuple[Array, np.ndarray]) -> Array:
    """Return counts by two quantities; values beyond the edges, and NaN, are dropped."""
    shape = tuple(len(edges) - 1 for _, edges in (first, second))
    places = [
        jnp.searchsorted(jnp.asarray(edges, jnp.float32), values, side="right") - 1 for values, edges in (first, second)
    ]
    inside = jnp.stack([(place >= 0) & (place < size) for place, size in zip(places, shape, strict=True)]).all(0)
    flat = jnp.where(inside, places[0] * shape[1] + places[1], math.prod(shape))
    return jnp.zeros(math.prod(shape), jnp.int32).at[flat].add(1, mode="drop").reshape(shape)
