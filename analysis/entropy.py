"""Agents whose entropy is recorded while they train. Axes: S seeds, U updates."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco import make
from metadisco.config import Config
from metadisco.evaluation.lifetimes import map_over_devices, seed_keys
from metadisco.inner import ppo
from metadisco.inner.cpu.threefry import unrolled_key
from metadisco.inner.fitness import fill_gaps
from metadisco.inner.networks import make_agent
from metadisco.inner.optimise import Hyperparameters, Learner
from metadisco.objectives.arithmetic import in_float32
from metadisco.storage.cells import CellStore
from metadisco.types import Key, Objective

LAST = 0.25  # of a lifetime


class Watched(NamedTuple):
    """Scores of agents, and their entropy at the end."""

    area_under_curve: np.ndarray
    """[S] mean of the gap-filled learning curve."""
    entropy: np.ndarray
    """[S] mean entropy of the policy over the last quarter of training, in nats."""


def watched(objective: Objective, identity: Any, config: Config, num_seeds: int, folder: Path) -> Watched:
    """Train agents as `run_lifetimes` does, on the same seeds; finished agents are not trained again.

    Args:
        objective: the losses.
        identity: everything that determines them, as plain data.
        config: with one environment.
        num_seeds: S.
        folder: where results are kept.
    """
    by = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    store, named = CellStore(folder / "cells", config), {"watched": identity, "seeds": num_seeds, "by": by}
    kept = store.load(named, Watched._fields)
    if kept is None:
        kept = Watched(*_train(objective, config, num_seeds))._asdict()
        store.keep(named, kept)
    return Watched(**kept)


def _train(objective: Objective, config: Config, num_seeds: int) -> list[np.ndarray]:
    (task,) = config.inner.tasks
    env, settings = make(task.env, **task.env_settings), task.ppo
    learner = Learner(make_agent(env, settings), objective, Hyperparameters.from_config(settings))

    @in_float32
    def lifetime(key: Key) -> tuple[Array, Array]:
        key_init, key_updates, _ = jax.random.split(unrolled_key(key), 3)  # as `train` does

        def step(state: ppo.TrainState, index: Array) -> tuple[ppo.TrainState, tuple[Any, Array]]:
            state, returns, metrics = ppo.learn(jax.random.fold_in(key_updates, index), state, env, learner)
            return state, (returns, metrics.entropy)

        steps = jnp.arange(settings.num_updates)
        _, (returns, entropy) = jax.lax.scan(step, ppo.init(key_init, env, settings), steps)
        first = int((1 - LAST) * settings.num_updates)
        return fill_gaps(returns.ended, returns.running).mean(), entropy[first:].mean()

    arrays: list[np.ndarray] = map_over_devices(lifetime, config.outer, seed_keys(config.seed, num_seeds))
    return arrays
