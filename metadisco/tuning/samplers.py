"""Proposals of settings, a batch at a time. A proposal depends on the seed, its batch and the scores so far alone.

Axes: N settings, D ranges.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.stats import qmc

from metadisco.config import StrategyConfig
from metadisco.evaluation.lifetimes import PROPOSING, seed_keys
from metadisco.outer.strategy import Strategy, make_strategy
from metadisco.tuning.ranges import Range, Values
from metadisco.tuning.study import ask
from metadisco.tuning.trials import Trial

STD_CMA_ES = 0.3
"""Of the first generation, as a fraction of each range; Hansen's "The CMA Evolution Strategy: A Tutorial" (2016) has
0.3 of it, too."""


class Proposals(NamedTuple):
    """The task of a sampler."""

    ranges: Sequence[Range]
    seed: int
    objective: int
    """Place of the objective among those of the search, so that each has its own proposals."""
    batch: int
    """Number of the batch, from 0."""
    size: int
    """Settings in a whole batch."""
    total: int
    """Settings of the whole search."""
    trials: Sequence[Trial]
    """All whole batches before this one, in order."""

    @property
    def entropy(self) -> list[int]:
        """Seed of this batch for NumPy."""
        return [self.seed, self.objective, self.batch]

    @property
    def num_settings(self) -> int:
        """Settings to propose; the last batch may be smaller."""
        return min(self.size, self.total - self.batch * self.size)


def propose(sampler: str, asked: Proposals) -> list[Values]:
    """Return the settings of a batch."""
    return SAMPLERS[sampler](asked)


def _values(ranges: Sequence[Range], positions: Float[np.ndarray, "N D"]) -> list[Values]:
    return [{each.key: each.at(float(at)) for each, at in zip(ranges, row, strict=True)} for row in positions]


def _random(asked: Proposals) -> list[Values]:
    positions = np.random.default_rng(asked.entropy).random((asked.num_settings, len(asked.ranges)))
    return _values(asked.ranges, positions)


def _quasi_random(asked: Proposals) -> list[Values]:
    """Return points of a scrambled Sobol' sequence, which goes on from batch to batch."""
    rng = np.random.default_rng([asked.seed, asked.objective])
    points = qmc.Sobol(len(asked.ranges), rng=rng).random_base2(max(asked.total - 1, 1).bit_length())
    start = asked.batch * asked.size
    return _values(asked.ranges, points[start : start + asked.num_settings])


def _grid(asked: Proposals) -> list[Values]:
    """Return points of the grid; the last range varies fastest, as for `metadisco train`."""
    axes = [each.all_values for each in asked.ranges]
    start = asked.batch * asked.size
    points = itertools.islice(itertools.product(*(axis for axis in axes if axis)), start, start + asked.num_settings)
    return [dict(zip((each.key for each in asked.ranges), point, strict=True)) for point in points]


@functools.cache
def _strategy(num_ranges: int, population_size: int) -> Strategy:
    """Return CMA-ES, compiled once for all batches."""
    config = StrategyConfig(name="CMA_ES", population_size=population_size, std=STD_CMA_ES)
    return make_strategy(config, jnp.zeros(num_ranges))


def _cma_es(asked: Proposals) -> list[Values]:
    """Return members of CMA-ES in the unit cube, which is unfolded by reflection at its faces.

    The strategy is told all earlier batches anew, so that its state need not be kept.
    """
    strategy = _strategy(len(asked.ranges), asked.size)
    keys = seed_keys(asked.seed, asked.objective + 1, PROPOSING)[asked.objective]
    state = strategy.init(jax.random.fold_in(keys, 0), jnp.zeros(len(asked.ranges)))
    for batch in range(asked.batch + 1):
        key_ask, key_tell = jax.random.split(jax.random.fold_in(keys, batch + 1))
        population, state = strategy.ask(key_ask, state)
        if batch < asked.batch:
            told = asked.trials[batch * asked.size : (batch + 1) * asked.size]
            fitness = jnp.array([trial.score for trial in told], jnp.float32)
            state, _ = strategy.tell(key_tell, population, fitness, state)
    positions = np.asarray(population, float)[: asked.num_settings] + 0.5
    return _values(asked.ranges, 1 - np.abs(np.mod(positions, 2) - 1))


def _tpe(asked: Proposals) -> list[Values]:
    seed = int(np.random.SeedSequence(asked.entropy).generate_state(1)[0])
    return ask(asked.ranges, asked.trials, asked.num_settings, seed, num_startup=asked.size)


SAMPLERS: dict[str, Callable[[Proposals], list[Values]]] = {
    "tpe": _tpe,
    "random": _random,
    "quasi_random": _quasi_random,
    "cma_es": _cma_es,
    "grid": _grid,
}
"""By the names in a space file."""
