"""Shared parts of problems that train PPO: tasks and fitness functions. Axes: K tasks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metadisco.config import PARTIAL_FITNESS_NAMES, Config, PPOConfig, Range, check_fitness_name
from metadisco.config.code.imports import load_object
from metadisco.discoveries.environments import make as make_env
from metadisco.errors import UserError, shown
from metadisco.inner.draws import draw, drawn_hyperparameters
from metadisco.inner.envs import Env
from metadisco.inner.fitness import FITNESS, Fitness
from metadisco.inner.optimise import Hyperparameters
from metadisco.inner.train import check_evaluation
from metadisco.objectives.tabulate import NUM_NODES
from metadisco.types import Key


class Task(NamedTuple):
    """An environment with its settings of PPO, and the fields of a `TaskInfo`."""

    env: Env
    ppo: PPOConfig
    name: str = ""
    """Name of the task; `task 1`, `task 2`, … by default."""
    zero: float = 0.0
    one: float = 1.0
    randomise: tuple[Range, ...] = ()
    """Settings that each training draws."""

    def hyperparameters(self, key: Key) -> Hyperparameters:
        """Return the traced settings of the training with this key, some of which may be drawn."""
        return drawn_hyperparameters(key, self.ppo, self.randomise)


def draws_of(key: Key, tasks: Sequence[Task]) -> dict[str, Array]:
    """Return the settings that the trainings of one evaluation draw, as `NAME`, or `NAME/TASK` if there are several.

    Args:
        key: of the evaluation, which is split into those of the tasks.
        tasks: of the problem.
    """
    keys = jax.random.split(key, len(tasks))
    return {
        name if len(tasks) == 1 else f"{name}/{task.name}": value
        for key_task, task in zip(keys, tasks, strict=True)
        for name, value in draw(key_task, task.randomise).items()
    }


def named(tasks: tuple[Task, ...]) -> tuple[Task, ...]:
    """Return tasks with default names for unnamed ones."""
    return tuple(task if task.name else task._replace(name=f"task {number}") for number, task in enumerate(tasks, 1))


def make_task(env: str, env_settings: Mapping[str, Any], ppo: PPOConfig) -> Task:
    """Create a task with a single environment.

    Raises:
        UserError: for an unknown environment or setting, or episodes that are too long to evaluate.
    """
    made = make_env(env, **env_settings)
    check_evaluation(made, ppo)
    return Task(made, ppo)


def make_tasks(config: Config) -> tuple[Task, ...]:
    """Create the tasks of a config; reference returns set the scales of their fitness.

    Raises:
        UserError: for an unknown environment or setting.
    """
    made = []
    for index, task in enumerate(config.tasks):
        scale = () if task.reference is None else (task.reference.random, task.reference.ppo)
        try:
            env, ppo, *_ = make_task(task.env, task.env_settings, task.ppo)
        except UserError as error:
            if not config.inner.envs:
                raise
            raise UserError(str(error).replace("inner.", f"inner.envs.{index}.", 1)) from error
        zero, one = scale or (0.0, 1.0)
        made.append(Task(env, ppo, task.name, zero, one, task.randomise))
    return tuple(made)


def shorten(task: Task, num_updates: int) -> Task:
    """Return a task with a lifetime of a few updates and no evaluation, for measuring speed."""
    # Long enough to use a tabulated loss if the full lifetime does.
    updates = max(num_updates, math.ceil(NUM_NODES / (task.ppo.batch_size * task.ppo.num_epochs)))
    steps = min(task.ppo.executed_env_steps, updates * task.ppo.batch_size)
    short = replace(task.ppo, num_env_steps=steps, num_evaluations=1, num_evaluation_episodes=1)
    return task._replace(env=task.env._replace(episode_length=1), ppo=short)


def make_fitness(name: str, part: tuple[float, float] = (0.0, 1.0)) -> Fitness:
    """Return a fitness function by name, or `package.module:my_fitness`.

    Args:
        name: its name in a config.
        part: part of the lifetime, for fitness functions that support it.

    Raises:
        UserError: for an unknown name.
    """
    check_fitness_name(name)
    if name in PARTIAL_FITNESS_NAMES:
        return partial(FITNESS[name], part=part)
    if name in FITNESS:
        return FITNESS[name]
    fitness: Fitness = load_object(name, key="inner.fitness")
    if not callable(fitness):
        raise UserError(f"inner.fitness: {name} is {type(fitness).__name__}, allowed: a function of a TrainResult")
    return fitness


def as_number(fitness: Any) -> Array:
    """Reject a fitness that is not a single real number; called while tracing."""
    try:
        number = jnp.asarray(fitness)
    except (TypeError, ValueError):
        number = None
    if fitness is None or number is None:
        raise UserError(f"inner.fitness: got {shown(fitness)}, allowed: one number per lifetime")
    if number.shape != () or jnp.iscomplexobj(number):
        raise UserError(f"inner.fitness: got {number.dtype} of shape {number.shape}, allowed: one number per lifetime")
    return number
