"""Reference returns: what uniformly random actions and PPO get, to put the fitness of several tasks on one scale."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco.config import Config, OuterConfig
from metadisco.errors import UserError
from metadisco.evaluation.lives import REFERENCE, live, seed_keys
from metadisco.inner.envs import Discrete, Env
from metadisco.inner.fitness import Fitness
from metadisco.inner.rollout import play_episodes
from metadisco.inner.train import train
from metadisco.objectives.closed import ppo
from metadisco.outer.devices import start_jax
from metadisco.problems import Task, make_fitness, make_tasks
from metadisco.storage.rows import format_number
from metadisco.types import Key

EPISODES_PER_SEED = 8
DIGITS = 5


class ReferenceReturns(NamedTuple):
    """What was measured, one entry per seed."""

    random: np.ndarray
    """Mean return of whole episodes with uniformly random actions."""
    ppo: np.ndarray
    """Fitness of lives with PPO's objective, its constants at their defaults; NaN for a life that failed."""


def measure_references(
    config: Config, num_seeds: int, say: Callable[[str], None] = lambda text: None
) -> list[dict[str, float]]:
    """Return the means of what random actions and PPO get in each environment of a config, in a few digits.

    Args:
        config: with several environments.
        num_seeds: lives per environment.
        say: told of each environment, and of what it gave.

    Raises:
        UserError: where PPO is no better than random actions, or fails on all seeds.
    """
    start_jax(config.outer.num_devices, config.deterministic)
    fitness = make_fitness(config.inner.fitness, config.inner.fitness_part)
    references = []
    for index, (task, made) in enumerate(zip(config.inner.tasks, make_tasks(config), strict=True)):
        say(f"{task.name}: {num_seeds} lives of {made.ppo.executed_env_steps:,} steps …")
        measured = measure_reference(made, fitness, config.seed, num_seeds, config.outer)
        place = f"inner.envs.{index}"
        values = {key: _mean(key, scores, place, say) for key, scores in measured._asdict().items()}
        if values["ppo"] <= values["random"]:
            raise UserError(
                f"{place}: PPO's fitness on {task.name} is {values['ppo']}, not above random actions' "
                f"{values['random']}; allowed: an environment and settings where PPO learns"
            )
        references.append(values)
    return references


def _mean(key: str, scores: np.ndarray, place: str, say: Callable[[str], None]) -> float:
    """Return the mean over the lives that did not fail, in a few digits, and tell it with its uncertainty."""
    finite = scores[np.isfinite(scores)].astype(np.float64)
    if finite.size == 0:
        raise UserError(f"{place}: all {scores.size} lives of PPO failed (NaN), so that there is no reference")
    error = f" ± {format_number(finite.std(ddof=1) / finite.size**0.5)} (standard error)" if finite.size > 1 else ""
    failed = scores.size - finite.size
    note = f"; {failed} of {scores.size} lives failed and are left out" if failed else ""
    say(f"  {key} {format_number(finite.mean())}{error}{note}")
    return float(f"{finite.mean():.{DIGITS}g}")


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
