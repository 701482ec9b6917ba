"""Histograms over minibatches of trainings: the inputs at which the losses of an objective are evaluated.

Axes: G bins of log r, H bins of A, N bins of value errors and of second inputs.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Int

from metadisco.config import Config
from metadisco.evaluation.lifetimes import HISTOGRAMS, map_over_devices, seed_keys
from metadisco.inner.envs import Env
from metadisco.inner.train import train
from metadisco.types import Key, Objective, Sample

LOG_RATIO_EDGES = 0.02 * np.sinh(np.linspace(-math.asinh(3 / 0.02), math.asinh(3 / 0.02), 162))
"""Up to ±3; finer near 0, where most ratios are."""
ADVANTAGE_EDGES = np.linspace(-8.0, 8.0, 130)
VALUE_EDGES = 0.01 * np.sinh(np.linspace(-math.asinh(1e6), math.asinh(1e6), 242))
"""Up to ±10,000; finer near 0, logarithmic further out."""


class MinibatchHistograms(NamedTuple):
    """Counts over the samples of all gradient steps of all lifetimes; samples beyond the edges are not counted."""

    policy: Int[np.ndarray | Array, "G H"]
    """Over log r (LOG_RATIO_EDGES) and A (ADVANTAGE_EDGES)."""
    target: Int[np.ndarray | Array, "N N"]
    """Over the value error V − target and the target (VALUE_EDGES for both)."""
    old_value: Int[np.ndarray | Array, "N N"]
    """Over the value error and the error of the old value (VALUE_EDGES for both)."""

    @property
    def error(self) -> Int[np.ndarray | Array, "N"]:
        """Over the value error only."""
        return self.target.sum(1)


def collect_histograms(objective: Objective, env: Env, config: Config, num_seeds: int) -> MinibatchHistograms:
    """Train agents, on other seeds than `run_lifetimes`, and collect the histograms of their minibatches.

    Args:
        objective: the losses that the agents minimise.
        env: the environment.
        config: settings; `outer` gives devices and chunk size.
        num_seeds: number of agents.
    """

    def lifetime(key: Key) -> MinibatchHistograms:
        observed: MinibatchHistograms = train(
            key, env, config.inner.ppo, objective, observe=_count
        ).diagnostics.observed
        return observed

    counted = map_over_devices(lifetime, config.outer, seed_keys(config.seed, num_seeds, HISTOGRAMS))
    return MinibatchHistograms(*(counts.sum(0, dtype=np.int64) for counts in counted))


def _count(sample: Sample) -> MinibatchHistograms:
    error = sample.value - sample.target
    return MinibatchHistograms(
        policy=_histogram((sample.log_ratio, LOG_RATIO_EDGES), (sample.advantage, ADVANTAGE_EDGES)),
        target=_histogram((error, VALUE_EDGES), (sample.target, VALUE_EDGES)),
        old_value=_histogram((error, VALUE_EDGES), (sample.old_value - sample.target, VALUE_EDGES)),
    )


def _histogram(first: tuple[Array, np.ndarray], second: tuple[Array, np.ndarray]) -> Array:
    """Return the joint histogram of two quantities; values beyond the edges and NaN are dropped."""
    shape = tuple(len(edges) - 1 for _, edges in (first, second))
    places = [
        jnp.searchsorted(jnp.asarray(edges, jnp.float32), values, side="right") - 1 for values, edges in (first, second)
    ]
    inside = jnp.stack([(place >= 0) & (place < size) for place, size in zip(places, shape, strict=True)]).all(0)
    flat = jnp.where(inside, places[0] * shape[1] + places[1], math.prod(shape))
    return jnp.zeros(math.prod(shape), jnp.int32).at[flat].add(1, mode="drop").reshape(shape)
