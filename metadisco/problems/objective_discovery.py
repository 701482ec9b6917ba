"""Objective discovery: agents are trained with the objective that the meta-parameters define. Axes: K tasks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.config import FITNESS_NAMES, Config, InnerConfig
from metadisco.config.problems import FINDS_OBJECTIVES, NoSettings
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.names import check_pinned
from metadisco.errors import UnknownNameError, UserError
from metadisco.inner.fitness import Fitness, share_of_gaps
from metadisco.inner.train import TrainResult, train
from metadisco.objectives.arithmetic import gives_nan, in_float32
from metadisco.parametrisations import PARAMETRISATIONS, make_parametrisation
from metadisco.problems.tasks import Task, as_number, draws_of, make_fitness, make_tasks, named, shorten
from metadisco.types import Evaluation, Key, MetaParams, Objective, Parametrisation


@dataclass(frozen=True)
class ObjectiveDiscovery:
    """The meta-problem of finding an objective with which PPO learns well.

    Attributes:
        parametrisation: the learned objective.
        tasks: environments with settings of PPO; each evaluation trains one agent on each of them.
        fitness: fitness of a training run; higher is better.
        compared_with: objective of the baseline, which is trained on the same seeds and draws; None for no baseline.
    """

    finds: ClassVar[str] = FINDS_OBJECTIVES
    settings: ClassVar[type] = NoSettings
    inner: ClassVar[type] = InnerConfig
    parametrisations: ClassVar[dict[str, str]] = PARAMETRISATIONS
    fitness_names: ClassVar[tuple[str, ...]] = FITNESS_NAMES
    source: ClassVar[str] = "metadisco.export.source_of:source_text"
    results: ClassVar[str] = "metadisco.evaluation.results:read_results"
    over_all: ClassVar = {"lives_without_episode": "without_episode", "curve_gaps": "gaps"}

    parametrisation: Parametrisation[Objective]
    tasks: tuple[Task, ...]
    fitness: Fitness
    compared_with: Objective | None = None

    def __post_init__(self) -> None:
        """Give unnamed tasks a name."""
        object.__setattr__(self, "tasks", named(self.tasks))

    @classmethod
    def from_config(cls, config: Config) -> "ObjectiveDiscovery":
        """Create the problem that a config describes.

        Raises:
            UserError: for an unknown name or an invalid setting.
        """
        parametrisation = make_parametrisation(config.parametrisation)
        fitness = make_fitness(config.inner.fitness, config.inner.fitness_part)
        return cls(parametrisation, make_tasks(config), fitness, _named_objective(config.outer.baseline))

    @staticmethod
    def evaluate_words(config: Config, run: str) -> list[str]:
        """Return the words of `metadisco evaluate` that compare what a run found with PPO."""
        return [
            "--objectives",
            "ppo",
            run,
            "--envs",
            *dict.fromkeys(task.env for task in config.tasks),
            "--config",
            run,
        ]

    @property
    def env_steps(self) -> int:
        """Environment steps of one evaluation: of training one agent on each task."""
        return sum(task.ppo.executed_env_steps for task in self.tasks)

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the initial meta-parameters of the search."""
        return self.parametrisation.init(key)

    @gives_nan
    @in_float32
    def evaluate(self, key: Key, meta_params: MetaParams) -> Evaluation:
        """Train one agent per task. The fitness of a task is NaN if parameters or losses were not finite.

        Returns do not decide this, as they can look normal even if the policy is NaN.
        """
        results = self._train(key, self.parametrisation.bind(meta_params))
        gaps = jnp.stack([share_of_gaps(result) for result in results])
        metrics = {"without_episode": (gaps == 1).sum(dtype=jnp.int32), "gaps": gaps.mean()}
        return Evaluation(self._fitness(results), metrics)

    @property
    def baseline(self) -> Callable[[Key], Float[Array, "K"]] | None:
        """(key) -> fitness of the baseline on the seeds and draws of an evaluation; None where there is no baseline."""
        return None if self.compared_with is None else self._baseline

    def draws(self, key: Key) -> dict[str, Float[Array, ""]]:
        """Return the settings that the trainings of an evaluation draw; see `draws_of`."""
        return draws_of(key, self.tasks)

    @gives_nan
    @in_float32
    def _baseline(self, key: Key) -> Float[Array, "K"]:
        assert self.compared_with is not None
        return self._fitness(self._train(key, self.compared_with))

    def _train(self, key: Key, objective: Objective) -> list[TrainResult]:
        """Train one agent per task, under settings that may be drawn from its key."""
        keys = jax.random.split(key, len(self.tasks))
        return [
            train(own, task.env, task.ppo, objective, hyperparameters=task.hyperparameters(own))
            for own, task in zip(keys, self.tasks, strict=True)
        ]

    def _fitness(self, results: list[TrainResult]) -> Float[Array, "K"]:
        scores = [jnp.where(result.finite, as_number(self.fitness(result)), jnp.nan) for result in results]
        return jnp.stack(scores)

    def rehearsal(self, num_updates: int) -> "ObjectiveDiscovery":
        """Return the same meta-problem with lifetimes of a few updates and no evaluation, for measuring speed.

        The fitness function is replaced, as a user-defined one may reject short lifetimes.
        """
        tasks = tuple(shorten(task, num_updates) for task in self.tasks)
        return replace(self, tasks=tasks, fitness=lambda result: result.evaluation.mean())


def _named_objective(name: str | None) -> Objective | None:
    """Return the objective of the baseline, if there is one.

    Raises:
        UserError: for an unknown name, or a run that may go on.
    """
    if name is None:
        return None
    check_pinned("outer.baseline", name)
    try:
        return load_objective(name)
    except UnknownNameError as error:
        raise UserError(f"outer.baseline: {error}") from error
