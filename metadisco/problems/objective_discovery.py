"""Discovering an objective: meta-parameters are bound to an objective, and agents trained with it. Axes: K tasks."""

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
    """The meta-problem of finding an objective with which PPO trains well.

    Attributes:
        parametrisation: what is learned.
        tasks: on what; one inner life is trained on each.
        fitness: how a life is judged; higher is better.
    """

    finds: ClassVar[str] = FINDS_OBJECTIVES
    settings: ClassVar[type] = NoSettings
    inner: ClassVar[type] = InnerConfig
    parametrisations: ClassVar[dict[str, str]] = PARAMETRISATIONS
    fitness_names: ClassVar[tuple[str, ...]] = FITNESS_NAMES
    over_all: ClassVar = {"lives_without_episode": "without_episode", "curve_gaps": "gaps"}

    parametrisation: Parametrisation[Objective]
    tasks: tuple[Task, ...]
    fitness: Fitness

    def __post_init__(self) -> None:
        """Name tasks that have no name."""
        object.__setattr__(self, "tasks", named(self.tasks))

    @classmethod
    def from_config(cls, config: Config) -> "ObjectiveDiscovery":
        """Build what a config describes.

        Raises:
            UserError: for a name that nothing here has, or a setting that does not fit.
        """
        parametrisation = make_parametrisation(config.parametrisation)
        fitness = make_fitness(config.inner.fitness, config.inner.fitness_part)
        return cls(parametrisation, make_tasks(config), fitness)

    @property
    def env_steps(self) -> int:
        """Environment steps of one life on each task."""
        return sum(task.ppo.executed_env_steps for task in self.tasks)

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the meta-parameters at which the search starts."""
        return self.parametrisation.init(key)

    @gives_nan
    @in_float32
    def evaluate(self, key: Key, meta_params: MetaParams) -> Evaluation:
        """Train one agent per task; the fitness of a task is NaN where parameters or losses were not finite.

        Returns, which can look healthy when a policy is NaN, are not what decides that.
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
        """Return the same meta-problem with lives of a few updates and no evaluation, to measure speed with.

        Fitness is not looked at: one that was written for longer lives may refuse short ones.
        """
        tasks = tuple(shorten(task, num_updates) for task in self.tasks)
        return replace(self, tasks=tasks, fitness=lambda result: result.evaluation.mean())
