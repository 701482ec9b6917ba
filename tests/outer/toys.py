"""Tiny meta-problems, searches on them, and a recorder in memory."""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from rows import TIMES

from metadisco.config import OuterConfig, StrategyConfig
from metadisco.outer.evaluate import Evaluator
from metadisco.outer.search import Progress, SearchState, search
from metadisco.types import Evaluation, TaskInfo

ENV_STEPS = 10  # of one evaluation
SIZE = 8  # of the population
KEYS = {
    "generation",
    "fitness_mean",
    "fitness_best",
    "fitness_worst",
    "fitness_std",
    "failed_members",
    "step_skipped",
    "std",
    "step_norm",
    "env_steps",
    "metrics/luck",
    *TIMES,
}


@dataclass(frozen=True)
class Quadratic:
    """Fitness −weight·|x − 1|² of a vector x, with noise from the key, on one or several tasks.

    Attributes:
        weight: zero makes all members that share a seed equal.
        noise: standard deviation of the noise of an evaluation.
        fails_above: evaluations whose first number is above it end in NaN.
        fails_by_luck: share of keys with which an evaluation ends in NaN, whatever x is.
        num_tasks: tasks; on task k the fitness is multiplied by k + 1.
        scales: names and scales of the tasks.
    """

    weight: float = 1.0
    noise: float = 0.0
    fails_above: float = float("inf")
    fails_by_luck: float = 0.0
    num_tasks: int = 1
    scales: tuple[TaskInfo, ...] = ()

    @property
    def tasks(self) -> tuple[TaskInfo, ...]:
        return self.scales or tuple(TaskInfo(f"task {number}") for number in range(self.num_tasks))

    @property
    def env_steps(self) -> int:
        return ENV_STEPS

    def init(self, key: Array) -> dict[str, Array]:
        return {"x": 0.1 * jax.random.normal(key, (3,))}

    def evaluate(self, key: Array, meta_params: dict[str, Array]) -> Evaluation:
        x = meta_params["x"]
        key_noise, key_luck = jax.random.split(key)
        fitness = -self.weight * jnp.square(x - 1).sum() + self.noise * jax.random.normal(key_noise)
        failed = (x[0] > self.fails_above) | (jax.random.uniform(key_luck) < self.fails_by_luck)
        tasks = jnp.where(failed, jnp.nan, fitness) * (1.0 + jnp.arange(self.num_tasks))
        return Evaluation(tasks, {"luck": jax.random.uniform(key_luck)})


@dataclass
class MemoryRecorder:
    """Keeps rows and states; starts from `saved` if given."""

    saved: tuple[SearchState, Progress] | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    started: list[Evaluator] = field(default_factory=list)
    states: dict[int, tuple[SearchState, Progress]] = field(default_factory=dict)

    def restore(self, template: SearchState) -> tuple[SearchState, Progress] | None:
        return self.saved

    def start(self, evaluator: Evaluator) -> None:
        self.started.append(evaluator)

    def log(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def save(self, state: SearchState, progress: Progress) -> None:
        self.states[progress.generation] = (state, progress)


NOISY = Quadratic(noise=0.1)


def config_of(num_generations: int = 6, name: str = "Open_ES", **settings: Any) -> OuterConfig:
    strategy = StrategyConfig(name=name, population_size=SIZE, std=0.1)
    defaults = {"num_devices": 1, "checkpoint_every": 1, "evaluate_every": 2, "num_rollouts": 2}
    return OuterConfig(num_generations=num_generations, strategy=strategy, **defaults | settings)


def ran(problem: Any = NOISY, *, saved: Any = None, seed: int = 0, **settings: Any) -> tuple[Any, MemoryRecorder]:
    """Search, and return the centre with the records."""
    recorder = MemoryRecorder(saved)
    return search(problem, config_of(**settings), recorder, seed=seed), recorder


def bits(tree: Any) -> list[bytes]:
    leaves = [
        jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        for leaf in jax.tree.leaves(tree)
    ]
    return [np.asarray(leaf).tobytes() for leaf in leaves]
