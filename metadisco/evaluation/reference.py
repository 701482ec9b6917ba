"""Reference returns: what uniformly random actions and PPO get, to put the fitness of several tasks on one scale."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco.config import OuterConfig
from metadisco.evaluation.lives import REFERENCE, live, seed_keys
from metadisco.inner.envs import Discrete, Env
from metadisco.inner.fitness import Fitness
from metadisco.inner.rollout import play_episodes
from metadisco.inner.train import train
from metadisco.objectives.closed import ppo
from metadisco.problems import Task
from metadisco.types import Key

EPISODES_PER_SEED = 8


class ReferenceReturns(NamedTuple):
    """What was measured, one entry per seed."""

    random: np.ndarray
    """Mean return of whole episodes with uniformly random actions."""
    ppo: np.ndarray
    """Fitness of lives with PPO's objective, its constants at their defaults; NaN for a life that failed."""


def measure_reference(task: Task, fitness: Fitness, seed: int, num_seeds: int, outer: OuterConfig) -> ReferenceReturns:
    """Measure the reference returns of one task, on seeds that nothing else with this seed uses.

    Args:
        task: environment and learner.
        fitness: how a life is judged.
        seed: as in a config.
        num_seeds: lives.
        outer: gives devices and chunk.
    """

    def life(key: Key) -> tuple[Array, Array]:
        key_random, key_life = jax.random.split(key)
        result = train(key_life, task.env, task.ppo, ppo())
        return random_return(key_random, task.env), jnp.where(result.finite, fitness(result), jnp.nan)

    return ReferenceReturns(*live(life, outer, seed_keys(seed, num_seeds, REFERENCE)))


def random_return(key: Key, env: Env, num_episodes: int = EPISODES_PER_SEED) -> Array:
    """Return the mean return of whole episodes with actions drawn uniformly from the action space."""
    space = env.action_space

    def act(key: Key, obs: Array) -> Array:
        num = obs.shape[0]
        if isinstance(space, Discrete):
            return jax.random.randint(key, (num,), 0, space.num_actions)
        return jax.random.uniform(key, (num, *space.low.shape), minval=space.low, maxval=space.high)

    return play_episodes(key, env, act, num_episodes).mean()
