"""Meta-problems so small that a whole search takes no time, and a recorder in memory."""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from metadisco.outer.search import Progress, SearchState
from metadisco.types import Evaluation

ENV_STEPS = 10  # of one life


@dataclass(frozen=True)
class Quadratic:
    """Fitness −weight·|x − 1|² of a vector x, with noise from the key, on one or several tasks.

    Attributes:
        weight: zero makes all members that share a seed equal.
        noise: standard deviation of the noise of a life.
        fails_above: lives whose first number is above it end in NaN.
        fails_by_luck: share of keys with which a life ends in NaN, whatever x is.
        num_tasks: tasks; on task k the fitness is multiplied by k + 1.
    """

    weight: float = 1.0
    noise: float = 0.0
    fails_above: float = float("inf")
    fails_by_luck: float = 0.0
    num_tasks: int = 1

    def init(self, key: Array) -> dict[str, Array]:
        return {"x": 0.1 * jax.random.normal(key, (3,))}

    def evaluate(self, key: Array, meta_params: dict[str, Array]) -> Evaluation:
        x = meta_params["x"]
        key_noise, key_luck = jax.random.split(key)
        fitness = -self.weight * jnp.square(x - 1).sum() + self.noise * jax.random.normal(key_noise)
        failed = (x[0] > self.fails_above) | (jax.random.uniform(key_luck) < self.fails_by_luck)
        tasks = jnp.where(failed, jnp.nan, fitness) * (1.0 + jnp.arange(self.num_tasks))
        return Evaluation(tasks, {"env_steps": jnp.asarray(ENV_STEPS, jnp.int32), "luck": jax.random.uniform(key_luck)})


@dataclass
class MemoryRecorder:
    """Keeps rows and states; starts from `saved` if given."""

    saved: tuple[SearchState, Progress] | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    states: dict[int, tuple[SearchState, Progress]] = field(default_factory=dict)

    def restore(self, template: SearchState) -> tuple[SearchState, Progress] | None:
        return self.saved

    def log(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def save(self, state: SearchState, progress: Progress) -> None:
        self.states[progress.generation] = (state, progress)
