"""Fresh agents trained with one objective on many seeds. Axes: S seeds, U updates."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco.config import Config, OuterConfig
from metadisco.inner.envs import Env
from metadisco.inner.fitness import area_under_curve, fill_gaps, final_return
from metadisco.inner.optimise import Hyperparameters
from metadisco.inner.policy import Policy
from metadisco.inner.ppo import policy_of
from metadisco.inner.train import train
from metadisco.outer.mesh import default_chunk_size, make_mesh, spread
from metadisco.types import Key, Objective

ROOT = 2**31 - 1
LIVES, VISITS, RANDOM, TRAINING, REFERENCE, PLAYING = range(6)
"""Streams of keys: agents that are judged, agents whose minibatches are counted, random actions, agents of `metadisco
train`, by which settings are chosen, those of `metadisco reference`, and lifetimes in which players of games are
judged. None is judged on what it was chosen by."""


class Lives(NamedTuple):
    """How agents fared that differ in their seed alone."""

    final_return: np.ndarray
    """[S] mean return of the last evaluation; NaN where parameters or losses were not finite."""
    area_under_curve: np.ndarray
    """[S] mean of the learning curve, its gaps filled; NaN likewise."""
    curve: np.ndarray
    """[S, U] mean return of the episodes that ended in each update; NaN where none did."""
    filled: np.ndarray
    """[S, U] the same with its gaps filled: `area_under_curve` is its mean."""

    @property
    def gaps(self) -> np.ndarray:
        """[S] share of the updates in which no episode ended."""
        share: np.ndarray = np.isnan(self.curve).mean(1)
        return share


def untraced(config: Config) -> Config:
    """Return a config with its traced settings blanked: equal for configs that can share a compiled program."""
    blank: dict[str, float] = dict.fromkeys(Hyperparameters._fields, 0.5)
    ppo = dataclasses.replace(config.inner.ppo, **blank)
    return dataclasses.replace(config, inner=dataclasses.replace(config.inner, ppo=ppo))


def seed_keys(seed: int, num_seeds: int, stream: int = LIVES) -> Key:
    """Return one key per seed, apart from the streams that a search with this seed splits off.

    Args:
        seed: as in a config.
        num_seeds: keys.
        stream: what they are for; keys of different streams differ.
    """
    root = jax.random.fold_in(jax.random.key(seed), ROOT - stream)
    return jax.vmap(jax.random.fold_in, (None, 0))(root, jnp.arange(num_seeds))


def live(life: Callable[..., Any], outer: OuterConfig, *arguments: Any) -> Any:
    """Return the results of `life` for every entry of `arguments`, spread over devices, as NumPy arrays.

    Args:
        life: takes one entry of each argument.
        outer: gives devices and chunk.
        *arguments: arrays or pytrees of arrays with a common leading axis.
    """
    num_lives = len(jax.tree.leaves(arguments)[0])
    num_devices = math.gcd(num_lives, outer.num_devices or jax.device_count())
    mesh = make_mesh(num_devices)
    share = num_lives // num_devices
    chunk_size = outer.given_chunk_size or default_chunk_size(share, mesh.devices.flat[0].platform)
    return jax.device_get(spread(life, mesh, chunk_size)(*arguments))


def train_lives(objective: Objective, env: Env, configs: Sequence[Config], num_seeds: int) -> list[Lives]:
    """Train agents as `train_agents` does; return how they fared."""
    return [lives for lives, _ in train_agents(objective, env, configs, num_seeds)]


def train_agents(
    objective: Objective, env: Env, configs: Sequence[Config], num_seeds: int, stream: int = LIVES
) -> list[tuple[Lives, Policy]]:
    """Train agents under every config on the same seeds, spread over devices.

    Seed i is key i below the config's `seed`, whatever the number of seeds, devices or configs. These keys are others
    than a search with the same `seed` uses.

    Args:
        objective: what the agents minimise.
        env: where they learn.
        configs: may differ in traced settings alone (see `Hyperparameters`); `outer` gives devices and chunk.
        num_seeds: S.
        stream: what the agents are for.

    Returns:
        For each config how they fared, and the policies at the end, whose arrays have a leading axis S.
    """
    config = configs[0]
    settings = [Hyperparameters.from_config(each.inner.ppo) for each in configs]
    stacked = jax.tree.map(lambda *values: jnp.repeat(jnp.asarray(values, jnp.float32), num_seeds), *settings)
    keys = jnp.tile(seed_keys(config.seed, num_seeds, stream), len(configs))

    def life(key: Key, hyperparameters: Hyperparameters) -> tuple[tuple[Array, ...], Policy]:
        result = train(key, env, config.inner.ppo, objective, hyperparameters=hyperparameters)
        final, area = (jnp.where(result.finite, score(result), jnp.nan) for score in (final_return, area_under_curve))
        filled = fill_gaps(result.curve, result.running)
        filled = jnp.where(jnp.isnan(filled), final_return(result), filled)  # where no episode ended
        return (final, area, result.curve, filled), policy_of(result.state)

    scores, policies = live(life, config.outer, keys, stacked)
    parts = [slice(index * num_seeds, (index + 1) * num_seeds) for index in range(len(configs))]
    return [
        (Lives(*(array[part] for array in scores)), jax.tree.map(lambda leaf, part=part: leaf[part], policies))
        for part in parts
    ]
