"""Discovering an objective: meta-parameters are bound to an objective, and agents trained with it. Axes: K tasks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metadisco.config import FITNESS_OF_A_PART, Config, PPOConfig, check_fitness_name
from metadisco.config.code.imports import load_object
from metadisco.errors import UserError, shown
from metadisco.inner import envs
from metadisco.inner.envs import Env
from metadisco.inner.fitness import FITNESS, Fitness, share_of_gaps
from metadisco.inner.train import check_evaluation, train
from metadisco.objectives.arithmetic import gives_nan, in_float32
from metadisco.objectives.tabulate import NUM_NODES
from metadisco.parametrisations import make_parametrisation
from metadisco.types import Evaluation, Key, MetaParams, Parametrisation, TaskInfo


class Task(NamedTuple):
    """An environment and how PPO is set there."""

    env: Env
    ppo: PPOConfig


@dataclass(frozen=True)
class ObjectiveDiscovery:
    """The meta-problem of finding an objective with which PPO trains well.

    Attributes:
        parametrisation: what is learned.
        tasks: on what; one inner life is trained on each.
        fitness: how a life is judged; higher is better.
    """

    parametrisation: Parametrisation
    tasks: tuple[Task, ...]
    fitness: Fitness

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
            fitness.append(jnp.where(result.finite, _scalar(self.fitness(result)), jnp.nan))
            gaps.append(share_of_gaps(result))
        env_steps = sum(task.ppo.executed_env_steps for task in self.tasks)
        metrics = {
            "env_steps": jnp.asarray(env_steps, jnp.int32),
            "without_episode": (jnp.stack(gaps) == 1).sum(dtype=jnp.int32),
            "gaps": jnp.stack(gaps).mean(),
        }
        return Evaluation(jnp.stack(fitness), metrics)


def shorten(problem: ObjectiveDiscovery, num_updates: int) -> ObjectiveDiscovery:
    """Return the same meta-problem with lives of a few updates and no evaluation, to measure speed with.

    Fitness is not looked at: one that was written for longer lives may refuse short ones.
    """

    def task(each: Task) -> Task:
        # Long enough for a tabulated loss, if the whole life is.
        updates = max(num_updates, math.ceil(NUM_NODES / (each.ppo.batch_size * each.ppo.num_epochs)))
        steps = min(each.ppo.executed_env_steps, updates * each.ppo.batch_size)
        short = replace(each.ppo, num_env_steps=steps, num_evaluations=1, num_evaluation_episodes=1)
        return Task(each.env._replace(episode_length=1), short)

    return replace(problem, tasks=tuple(map(task, problem.tasks)), fitness=lambda result: result.evaluation.mean())


def _scalar(fitness: Any) -> Array:
    """Refuse a fitness that is not one real number, while tracing."""
    try:
        number = jnp.asarray(fitness)
    except (TypeError, ValueError):
        number = None
    if fitness is None or number is None:
        raise UserError(f"inner.fitness: got {shown(fitness)}, allowed: one number per life")
    if number.shape != () or jnp.iscomplexobj(number):
        raise UserError(f"inner.fitness: got {number.dtype} of shape {number.shape}, allowed: one number per life")
    return number


def make_objective_discovery(config: Config) -> ObjectiveDiscovery:
    """Build the meta-problem that a config describes.

    Raises:
        UserError: for a name that nothing here has, or a setting that does not fit.
    """
    parametrisation = make_parametrisation(config.parametrisation)
    fitness = make_fitness(config.inner.fitness, config.inner.fitness_part)
    return ObjectiveDiscovery(parametrisation, make_tasks(config), fitness)


def make_task(env: str, env_settings: Mapping[str, Any], ppo: PPOConfig) -> Task:
    """Make an environment in which agents are to be trained.

    Raises:
        UserError: for an environment or a setting of one that does not exist, or episodes too long to evaluate.
    """
    made = envs.make(env, **env_settings)
    check_evaluation(made, ppo)
    return Task(made, ppo)


def make_tasks(config: Config) -> tuple[Task, ...]:
    """Make the environments of a config.

    Raises:
        UserError: for an environment or a setting of one that does not exist.
    """
    made = []
    for index, task in enumerate(config.inner.tasks):
        try:
            made.append(make_task(task.env, task.env_settings, task.ppo))
        except UserError as error:
            if not config.inner.envs:
                raise
            raise UserError(str(error).replace("inner.", f"inner.envs.{index}.", 1)) from error
    return tuple(made)


def task_infos(config: Config) -> tuple[TaskInfo, ...]:
    """Return names of a config's tasks, and the scales of their fitness where references are given."""
    return tuple(
        TaskInfo(task.name)
        if task.reference is None
        else TaskInfo(task.name, task.reference.random, task.reference.ppo)
        for task in config.inner.tasks
    )


def make_fitness(name: str, part: tuple[float, float] = (0.0, 1.0)) -> Fitness:
    """Return a fitness function by name, or `package.module:my_fitness`.

    Args:
        name: as in a config.
        part: of the life, for those that look at one.

    Raises:
        UserError: for an unknown name.
    """
    check_fitness_name(name)
    if name in FITNESS_OF_A_PART:
        return partial(FITNESS[name], part=part)
    if name in FITNESS:
        return FITNESS[name]
    fitness: Fitness = load_object(name, key="inner.fitness")
    if not callable(fitness):
        raise UserError(f"inner.fitness: {name} is {type(fitness).__name__}, allowed: a function of a TrainResult")
    return fitness
