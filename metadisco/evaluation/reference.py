"""Reference returns of uniformly random actions and of PPO, which put the fitness of several tasks on one scale."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco.config import Config, OuterConfig
from metadisco.errors import UserError
from metadisco.evaluation.lifetimes import REFERENCE, map_over_devices, seed_keys
from metadisco.inner.distributions import make_distribution, mask_logits
from metadisco.inner.envs import Box, Discrete, Env, split_mask
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
    """Measured returns, one entry per seed."""

    random: np.ndarray
    """Mean return of whole episodes with uniformly random actions."""
    ppo: np.ndarray
    """Fitness of lifetimes with PPO's objective and its default constants; NaN for a failed lifetime."""


def measure_references(
    config: Config, num_seeds: int, say: Callable[[str], None] = lambda text: None
) -> list[dict[str, float]]:
    """Return the rounded reference returns of random actions and PPO in each environment of a config.

    Args:
        config: with several environments.
        num_seeds: lifetimes per environment.
        say: receives messages about each environment and its results.

    Raises:
        UserError: where PPO is no better than random actions, or fails on all seeds.
    """
    start_jax(config.outer.num_devices, config.deterministic)
    fitness = make_fitness(config.inner.fitness, config.inner.fitness_part)
    references = []
    for index, (task, made) in enumerate(zip(config.inner.tasks, make_tasks(config), strict=True)):
        say(f"{task.name}: {num_seeds} lifetimes of {made.ppo.executed_env_steps:,} steps …")
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
    """Return the rounded mean over the lifetimes that did not fail; report it with its standard error."""
    finite = scores[np.isfinite(scores)].astype(np.float64)
    if finite.size == 0:
        raise UserError(f"{place}: all {scores.size} lifetimes of PPO failed (NaN), so there is no reference return")
    error = f" ± {format_number(finite.std(ddof=1) / finite.size**0.5)} (standard error)" if finite.size > 1 else ""
    failed = scores.size - finite.size
    note = f"; {failed} of {scores.size} lifetimes failed and are excluded" if failed else ""
    say(f"  {key} {format_number(finite.mean())}{error}{note}")
    return float(f"{finite.mean():.{DIGITS}g}")


def measure_reference(task: Task, fitness: Fitness, seed: int, num_seeds: int, outer: OuterConfig) -> ReferenceReturns:
    """Measure the reference returns of one task, on a stream of keys of its own.

    Args:
        task: environment and learner.
        fitness: fitness function of a lifetime.
        seed: of the config.
        num_seeds: number of lifetimes.
        outer: gives the number of devices and the chunk size.
    """

    def lifetime(key: Key) -> tuple[Array, Array]:
        key_random, key_life = jax.random.split(key)
        result = train(key_life, task.env, task.ppo, ppo())
        return random_return(key_random, task.env), jnp.where(result.finite, fitness(result), jnp.nan)

    return ReferenceReturns(*map_over_devices(lifetime, outer, seed_keys(seed, num_seeds, REFERENCE)))


def random_return(key: Key, env: Env, num_episodes: int = EPISODES_PER_SEED) -> Array:
    """Return the mean return of whole episodes with actions drawn uniformly from the legal ones of the action space."""
    space = env.action_space

    def act(key: Key, obs: Array) -> Array:
        num = obs.shape[0]
        if isinstance(space, Box):
            return jax.random.uniform(key, (num, *space.low.shape), minval=space.low, maxval=space.high)
        if isinstance(space, Discrete) and not space.masked:
            return jax.random.randint(key, (num,), 0, space.num_actions)
        distribution = make_distribution(space, "gaussian")  # the policy is of no account here
        logits = jnp.zeros((num, distribution.num_outputs))
        if space.masked:
            logits = mask_logits(logits, split_mask(obs, space)[1])
        return distribution.sample(key, logits)

    return play_episodes(key, env, act, num_episodes).mean()
