"""Compiled programs that train a fixed number of agents, for any number of them. Axes: S seeds, N agents of a program.

Agents of a program differ in their key and in settings that can be traced. A program is compiled once, however many
agents it is given: they come in parts of N, and the last part is filled up with agents that nobody asked for.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco.config import Config, OuterConfig
from metadisco.evaluation.lifetimes import scores_of, untraced
from metadisco.inner.envs import Env
from metadisco.inner.optimise import Hyperparameters
from metadisco.inner.train import train
from metadisco.outer.mesh import ACCELERATOR_CHUNK, CPU_CHUNK, make_mesh, spread
from metadisco.types import Key, Objective

Result = tuple[np.ndarray, np.ndarray]
"""Final returns and areas under the curve, [S] each; NaN for a failed lifetime."""


def by_program(configs: Sequence[Config], constants: Sequence[Any]) -> list[list[int]]:
    """Return the indices of trainings in groups that share a compiled program.

    Args:
        configs: of the trainings, in one environment.
        constants: of their objectives, as far as they are not traced.
    """
    groups: dict[Any, list[int]] = {}
    for index, (config, own) in enumerate(zip(configs, constants, strict=True)):
        groups.setdefault((program_key(config), repr(own)), []).append(index)
    return list(groups.values())


def program_key(config: Config) -> str:
    """Return a text that is equal for configs that can share a compiled program."""
    return repr(untraced(config))


def share_of(outer: OuterConfig, num_agents: int) -> int:
    """Return how many agents each device trains beside one another, in a program that mostly trains `num_agents`.

    Args:
        outer: gives the chunk size, and the number of devices.
        num_agents: usual number of agents per call.
    """
    num_devices = outer.num_devices or jax.device_count()
    limit = outer.given_chunk_size or (CPU_CHUNK if jax.devices()[0].platform == "cpu" else ACCELERATOR_CHUNK)
    return min(limit, 2 ** max(math.ceil(math.log2(num_agents / num_devices)), 0))


class Program:
    """A compiled training of N agents, which are spread over the devices.

    Args:
        objective: a function of traced constants, given by name.
        env: the environment.
        config: settings; those that can be traced are given with the agents.
        names: of the traced constants.
        share: agents per device.
    """

    def __init__(self, objective: Callable[..., Objective], env: Env, config: Config, names: Sequence[str], share: int):
        mesh = make_mesh(config.outer.num_devices or jax.device_count())
        self._num_agents, self._names = share * mesh.size, tuple(names)
        ppo = config.inner.ppo

        def lifetime(key: Key, settings: Hyperparameters, constants: Mapping[str, Array]) -> tuple[Array, Array]:
            result = train(key, env, ppo, objective(**constants), hyperparameters=settings)
            return scores_of(result)

        self._run = spread(lifetime, mesh, share)

    def start(
        self, keys: Key, settings: Sequence[Hyperparameters], constants: Sequence[Mapping[str, float]]
    ) -> Callable[[], list[Result]]:
        """Start to train all settings on all seeds; return a function that waits for the scores of each setting.

        Args:
            keys: [S], the same for all settings.
            settings: those in which agents differ.
            constants: of the objective, for each of `settings`.
        """
        num_seeds, total = len(keys), len(keys) * len(settings)
        agents = np.resize(np.arange(total), math.ceil(total / self._num_agents) * self._num_agents)
        hyperparameters = jax.tree.map(lambda *values: np.array(values, np.float32), *settings)
        named = {name: np.array([each[name] for each in constants], np.float32) for name in self._names}
        started = []
        for part in np.split(agents, len(agents) // self._num_agents):
            which, seeds = np.divmod(part, num_seeds)
            own = jax.tree.map(lambda values, which=which: jnp.asarray(values[which]), (hyperparameters, named))
            started.append(self._run(keys[jnp.asarray(seeds)], *own))

        def scores() -> list[Result]:
            parts = jax.device_get(started)
            final, area = (np.concatenate(each)[:total].reshape(-1, num_seeds) for each in zip(*parts, strict=True))
            return list(zip(final, area, strict=True))

        return scores
