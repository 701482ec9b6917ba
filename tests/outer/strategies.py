"""Strategies compiled once for all tests, and generations by them. Axes: P population, D dimensions."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metadisco.config import STRATEGIES, StrategyConfig
from metadisco.outer.strategy import Strategy, StrategyState, TellReport, make_strategy

SIZE = 16
STD = 0.2
STD_DECAY = 0.95
STD_LIMIT = 0.1
TARGET = 0.5
START = {"kernel": jnp.zeros((2, 3)), "bias": jnp.zeros(2)}
POPULATION_BASED = [name for name, traits in STRATEGIES.items() if traits.population_based]


def config_of(name: str, **changes: Any) -> StrategyConfig:
    traits = STRATEGIES[name]
    settings: dict[str, Any] = {"population_size": SIZE, "std": STD}
    if traits.has_optimizer:
        settings["learning_rate"] = 0.1
    if traits.std_knob == "schedule":
        settings |= {"std_decay": STD_DECAY, "std_limit": STD_LIMIT}
    return StrategyConfig(name=name, **settings | changes)


@cache
def strategy_of(name: str, **changes: Any) -> Strategy:
    return make_strategy(config_of(name, **changes), START)


def matrix(population: Any) -> np.ndarray:
    """Return a population as [P, D]."""
    return np.concatenate([np.asarray(leaf).reshape(leaf.shape[0], -1) for leaf in jax.tree.leaves(population)], 1)


def vector(params: Any) -> np.ndarray:
    """Return one set of meta-parameters as [D]."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])


def closeness(population: Any) -> jax.Array:
    """Return fitness [P]: minus the squared distance to the target."""
    return jnp.asarray(-np.square(matrix(population) - TARGET).sum(1))


def key_of(*numbers: int) -> jax.Array:
    key = jax.random.key(0)
    for number in numbers:
        key = jax.random.fold_in(key, number)
    return key


def generation(
    strategy: Strategy, state: StrategyState, number: int, fitness: jax.Array | None = None
) -> tuple[StrategyState, TellReport]:
    """Run one generation; fitness is the closeness to the target unless given."""
    population, asked = strategy.ask(key_of(number, 0), state)
    values = closeness(population) if fitness is None else fitness
    return strategy.tell(key_of(number, 1), population, values, asked)


def started(strategy: Strategy, num_generations: int = 0) -> StrategyState:
    state = strategy.init(key_of(7), START)
    for number in range(num_generations):
        state, _ = generation(strategy, state, number)
    return state
