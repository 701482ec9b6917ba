"""Discovering an objective: meta-parameters are bound to an objective, and agents trained with it. Axes: K tasks."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metadisco.config import Config, PPOConfig, check_fitness_name
from metadisco.errors import UserError
from metadisco.imports import load_object
from metadisco.inner import envs
from metadisco.inner.envs import Env
from metadisco.inner.fitness import FITNESS, Fitness
from metadisco.inner.train import train
from metadisco.parametrisations import make_parametrisation
from metadisco.types import Evaluation, Key, MetaParams, Parametrisation


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

    def init(self, key: Key) -> MetaParams:
        """Return the meta-parameters at which the search starts."""
        return self.parametrisation.init(key)

    def evaluate(self, key: Key, meta_params: MetaParams) -> Evaluation:
        """Train one agent per task; the fitness of a task is NaN where parameters or losses were not finite.

        Returns, which can look healthy when a policy is NaN, are not what decides that.
        """
        objective = self.parametrisation.bind(meta_params)
        fitness = []
        for key_task, task in zip(jax.random.split(key, len(self.tasks)), self.tasks, strict=True):
            result = train(key_task, task.env, task.ppo, objective)
            fitness.append(jnp.where(result.finite, _scalar(self.fitness(result)), jnp.nan))
        env_steps = sum(task.ppo.executed_env_steps for task in self.tasks)
        return Evaluation(jnp.stack(fitness), {"env_steps": jnp.asarray(env_steps, jnp.int32)})


def _scalar(fitness: Array) -> Array:
    """Refuse a fitness that is not one number, while tracing."""
    if jnp.shape(fitness) != ():
        raise UserError(f"inner.fitness: got shape {jnp.shape(fitness)}, allowed: one number per life")
    return fitness


def make_objective_discovery(config: Config) -> ObjectiveDiscovery:
    """Build the meta-problem that a config describes.

    Raises:
        UserError: for a name that nothing here has, or a setting that does not fit.
    """
    parametrisation = make_parametrisation(config.parametrisation)
    fitness = make_fitness(config.inner.fitness)
    env = envs.make(config.inner.env, **config.inner.env_settings)
    return ObjectiveDiscovery(parametrisation, (Task(env, config.inner.ppo),), fitness)


def make_fitness(name: str) -> Fitness:
    """Return a fitness function by name, or `package.module:my_fitness`.

    Raises:
        UserError: for an unknown name.
    """
    check_fitness_name(name)
    if name in FITNESS:
        return FITNESS[name]
    fitness: Fitness = load_object(name, key="inner.fitness")
    if not callable(fitness):
        raise UserError(f"inner.fitness: {name} is {type(fitness).__name__}, allowed: a function of a TrainResult")
    return fitness
