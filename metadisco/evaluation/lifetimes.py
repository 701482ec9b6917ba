"""Lifetimes: fresh agents trained with one objective on many seeds. Axes: S seeds, U updates."""

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
from metadisco.inner.train import TrainResult, train
from metadisco.outer.mesh import default_chunk_size, make_mesh, spread
from metadisco.types import Key, Objective

ROOT = 2**31 - 1
EVALUATION, HISTOGRAMS, RANDOM, TRAINING, REFERENCE, PLAYING, OBSERVING, STEERING = range(8)
TUNING, CHOOSING, REPORTING, PROPOSING = range(8, 12)
"""Disjoint streams of keys: agents that are evaluated, agents whose minibatches fill histograms, random actions, agents
of `metadisco train` (for choosing settings), agents of `metadisco reference`, lifetimes in which players of games are
evaluated, agents whose observations scrambled messages are about, episodes in which agents are steered; agents of
`metadisco tune`, by which settings are searched, chosen among the best, and judged, and its proposals of settings."""


class Lifetimes(NamedTuple):
    """Scores and learning curves of agents that differ only in their seed."""

    final_return: np.ndarray
    """[S] mean return of the last evaluation; NaN for a failed lifetime (non-finite parameters or losses)."""
    area_under_curve: np.ndarray
    """[S] mean of the gap-filled learning curve; NaN for a failed lifetime."""
    curve: np.ndarray
    """[S, U] mean return of the episodes that ended in each update; NaN if none ended."""
    filled: np.ndarray
    """[S, U] the curve with its gaps filled; `area_under_curve` is its mean."""

    @property
    def gaps(self) -> np.ndarray:
        """[S] fraction of updates in which no episode ended."""
        share: np.ndarray = np.isnan(self.curve).mean(1)
        return share


def untraced(config: Config) -> Config:
    """Return a config with blanked traced settings; configs that can share a compiled program become equal."""
    blank: dict[str, float] = dict.fromkeys(Hyperparameters._fields, 0.5)
    ppo = dataclasses.replace(config.inner.ppo, **blank)
    return dataclasses.replace(config, inner=dataclasses.replace(config.inner, ppo=ppo))


def seed_keys(seed: int, num_seeds: int, stream: int = EVALUATION) -> Key:
    """Return one key per seed; a search with the same seed uses none of them.

    Args:
        seed: of the config.
        num_seeds: number of keys.
        stream: purpose of the keys; different streams have different keys.
    """
    root = jax.random.fold_in(jax.random.key(seed), ROOT - stream)
    return jax.vmap(jax.random.fold_in, (None, 0))(root, jnp.arange(num_seeds))


def map_over_devices(function: Callable[..., Any], outer: OuterConfig, *arguments: Any) -> Any:
    """Map a function over the leading axis of its arguments, spread over devices; return NumPy arrays.

    Args:
        function: takes one entry of each argument.
        outer: gives the number of devices and the chunk size.
        *arguments: arrays or pytrees of arrays with a common leading axis.
    """
    num_entries = len(jax.tree.leaves(arguments)[0])
    num_devices = math.gcd(num_entries, outer.num_devices or jax.device_count())
    mesh = make_mesh(num_devices)
    share = num_entries // num_devices
    chunk_size = outer.given_chunk_size or default_chunk_size(share, mesh.devices.flat[0].platform)
    return jax.device_get(spread(function, mesh, chunk_size)(*arguments))


def scores_of(result: TrainResult) -> tuple[Array, Array]:
    """Return final return and area under the curve of a lifetime; NaN for one that failed."""
    final, area = (jnp.where(result.finite, score(result), jnp.nan) for score in (final_return, area_under_curve))
    return final, area


def run_lifetimes(objective: Objective, env: Env, configs: Sequence[Config], num_seeds: int) -> list[Lifetimes]:
    """Train agents as `train_agents` does; return their lifetimes without the policies."""
    return [lifetimes for lifetimes, _ in train_agents(objective, env, configs, num_seeds)]


def train_agents(
    objective: Objective, env: Env, configs: Sequence[Config], num_seeds: int, stream: int = EVALUATION
) -> list[tuple[Lifetimes, Policy]]:
    """Train agents under every config on the same seeds, spread over devices.

    The key of seed i depends on the config's `seed` and on i only. A search with the same `seed` uses other keys.

    Args:
        objective: the losses that the agents minimise.
        env: the environment.
        configs: differ only in traced settings (see `Hyperparameters`); `outer` gives devices and chunk size.
        num_seeds: S.
        stream: purpose of the agents, see `seed_keys`.

    Returns:
        For each config the lifetimes and the final policies, whose arrays have a leading axis S.
    """
    config = configs[0]
    settings = [Hyperparameters.from_config(each.inner.ppo) for each in configs]
    stacked = jax.tree.map(lambda *values: jnp.repeat(jnp.asarray(values, jnp.float32), num_seeds), *settings)
    keys = jnp.tile(seed_keys(config.seed, num_seeds, stream), len(configs))

    def lifetime(key: Key, hyperparameters: Hyperparameters) -> tuple[tuple[Array, ...], Policy]:
        result = train(key, env, config.inner.ppo, objective, hyperparameters=hyperparameters)
        final, area = scores_of(result)
        filled = fill_gaps(result.curve, result.running)
        filled = jnp.where(jnp.isnan(filled), final_return(result), filled)  # where no episode ended
        return (final, area, result.curve, filled), policy_of(result.state)

    scores, policies = map_over_devices(lifetime, config.outer, keys, stacked)
    parts = [slice(index * num_seeds, (index + 1) * num_seeds) for index in range(len(configs))]
    return [
        (Lifetimes(*(array[part] for array in scores)), jax.tree.map(lambda leaf, part=part: leaf[part], policies))
        for part in parts
    ]
