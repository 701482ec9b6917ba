"""A search over several suites together, with and without legal actions, on two devices."""

from pathlib import Path

import jax
import numpy as np
import pytest

import metadisco
from metadisco.config import read_yaml

ROOT = Path(__file__).parent.parent
SHORT = {"num_envs": 2, "num_steps": 8, "num_env_steps": 64, "num_minibatches": 2, "hidden_sizes": [4]}
ENVS = ("gymnax/CartPole-v1", "jumanji/Snake-v1", "pgx/connect_four")


def short_mixed():
    """Return the mixed config with lifetimes of a few steps, and references that put all fitness on one scale."""
    data = read_yaml(ROOT / "experiments" / "lpo_drift" / "mixed.yaml")
    data["inner"]["ppo"] |= SHORT
    data["inner"]["envs"] = [env for env in data["inner"]["envs"] if env["env"] in ENVS]  # each takes long to compile
    for env in data["inner"]["envs"]:
        env["ppo"] = {}
        env["reference"] = {"random": -1.0, "ppo": 9.0}
        if env["env"] == "jumanji/Snake-v1":
            env["env_settings"]["episode_length"] = 20
    data["outer"] |= {"num_generations": 2, "num_rollouts": 1, "evaluate_every": 2, "checkpoint_every": 1}
    data["outer"]["strategy"]["population_size"] = 4
    return data


@pytest.mark.slow
def test_a_search_over_suites_has_a_row_of_each_environment_and_resumes(tmp_path):
    assert jax.device_count() == 2
    data = short_mixed()
    first = metadisco.evolve(data, tmp_path / "run", progress=False).metrics
    assert len(first) == 2
    continued = metadisco.evolve(data, tmp_path / "run", overrides={"outer.num_generations": 3}, progress=False).metrics
    assert len(continued) == 3
    for env in ENVS:
        (column,) = [name for name in continued.columns if name.startswith("fitness_mean/") and env in name]
        assert np.isfinite(continued[column]).all()
        np.testing.assert_array_equal(continued[column][:2], first[column])
    assert np.isfinite(continued.fitness_mean).all()
