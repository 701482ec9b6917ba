"""Tiny searches of cheap talk on a probe environment, and a user-defined goal."""

from typing import Any

import jax
import jax.numpy as jnp

from metadisco.inner.envs.goals import Goal

ENV = "probes:matching_action"
NUM_GENERATIONS = 4


def wanted_sign() -> Goal:
    """Be rewarded in half of all episodes, and not in the others."""

    def pay(wanted: jax.Array, obs: jax.Array, reward: jax.Array) -> tuple[jax.Array, jax.Array]:
        return wanted, wanted * reward

    return Goal(lambda key: jax.random.rademacher(key, (), jnp.float32), lambda wanted: wanted[None], pay, 1)


def wrong_goal() -> Goal:
    """Say that there are more features than there are."""
    return wanted_sign()._replace(num_features=2)


def talk_config(**problem: Any) -> dict[str, Any]:
    """Return a config in which a search takes seconds; `problem` are settings of that section."""
    return {
        "problem": {"name": "cheap_talk", **problem},
        "parametrisation": {"name": "message", "hidden_sizes": [4]},
        "inner": {
            "env": ENV,
            "fitness": "final_return",
            "ppo": {
                "num_envs": 2, "num_steps": 8, "num_env_steps": 64, "num_minibatches": 1, "num_epochs": 2,
                "hidden_sizes": [4], "learning_rate": 0.05, "num_evaluation_episodes": 8,
            },
        },
        "outer": {
            "num_generations": NUM_GENERATIONS, "num_devices": 1, "chunk_size": 1, "evaluate_every": 2,
            "checkpoint_every": 2, "strategy": {"population_size": 4, "std": 1.0},
        },
    }  # fmt: skip


CONTROL = talk_config(aim="control", goal="talking:wanted_sign", num_episodes=3)
