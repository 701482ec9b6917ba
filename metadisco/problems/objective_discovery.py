"""Objective discovery: agents are trained with the objective that the meta-parameters define. Axes: K tasks."""

from dataclasses import dataclass, replace
from typing import ClassVar

import jax
import jax.numpy as jnp

from metadisco.config import FITNESS_NAMES, Config, InnerConfig
from metadisco.config.problems import FINDS_OBJECTIVES, NoSettings
from metadisco.inner.fitness import Fitness, share_of_gaps
from metadisco.inner.train import train
from metadisco.objectives.arithmetic import gives_nan, in_float32
from metadisco.parametrisations import PARAMETRISATIONS, make_parametrisation
from metadisco.problems.tasks import Task, as_number, make_fitness, make_tasks, named, shorten
from metadisco.types import Evaluation, Key, MetaParams, Objective, Parametrisation


@dataclass(frozen=True)
class ObjectiveDiscovery:
    """The meta-problem of finding an objective with which PPO learns well.

    Attributes:
        parametrisation: the learned objective.
        tasks: environments with settings of PPO; each evaluation trains one agent on each of them.
        fitness: fitness of a training run; higher is better.
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
        return cls(parametrisation, make_tasks(config), fitness)

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
        objective = self.parametrisation.bind(meta_params)
        fitness, gaps = [], []
        for key_task, task in zip(jax.random.split(key, len(self.tasks)), self.tasks, strict=True):
            result = train(key_task, task.env, task.ppo, objective)
            fitness.append(jnp.where(result.finite, as_number(self.fitness(result)), jnp.nan))
            gaps.append(share_of_gaps(result))
        metrics = {
            "without_episode": (jnp.stack(gaps) == 1).sum(dtype=jnp.int32),
            "gaps": jnp.stack(gaps).mean(),
        }
        return Evaluation(jnp.stack(fitness), metrics)

    def rehearsal(self, num_updates: int) -> "ObjectiveDiscovery":
        """Return the same meta-problem with lifetimes of a few updates and no evaluation, for measuring speed.

        The fitness function is replaced, as a user-defined one may reject short lifetimes.
        """
        tasks = tuple(shorten(task, num_updates) for task in self.tasks)
        return replace(self, tasks=tasks, fitness=lambda result: result.evaluation.mean())
