"""A search over brax, end to end: slow, as physics take long to compile."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from processes import Process, assert_same_run, rows_of

from metadisco.config import write_yaml

pytestmark = pytest.mark.slow

CONFIG = {
    "parametrisation": {"name": "lpo_drift", "hidden_sizes": [4]},
    "inner": {
        "env": "brax/ant",
        "env_settings": {"episode_length": 8, "num_initial_states": 4},
        "fitness": "final_return",
        "ppo": {
            "num_envs": 2,
            "num_steps": 4,
            "num_env_steps": 16,
            "num_minibatches": 2,
            "num_epochs": 2,
            "learning_rate": 0.01,
            "hidden_sizes": [4],
            "value_hidden_sizes": [4, 4],
            "initialisation": "lecun_uniform",
            "activation": "swish",
            "policy": "tanh_gaussian",
            "normalise_observations": True,
            "max_grad_norm": None,
            "num_evaluation_episodes": 2,
        },
    },
    "outer": {
        "num_generations": 2,
        "checkpoint_every": 1,
        "evaluate_every": 2,
        "num_devices": 2,
        "strategy": {"population_size": 4, "std": 1.0},
    },
}


def searched(config: Path, run: Path) -> str:
    """Search in a separate process; return its output."""
    with Process(["evolve", str(config), "--run", str(run)], config.parent) as process:
        code, out, err = process.finish()
    assert (code, out) == (0, ""), err
    return err


def test_a_search_over_ant_runs_on_two_devices_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0", prepend=" ")  # half the time
    config, run, whole = (tmp_path / name for name in ("ant.yaml", "run", "whole"))
    config.write_text(write_yaml(CONFIG))
    assert f"done: 2 generations in {whole}" in searched(config, whole)
    shutil.copytree(whole, run)
    shutil.rmtree(run / "checkpoints" / "2")
    (run / "centres" / "000002.npz").unlink()
    searched(config, run)
    rows = rows_of(run)
    assert_same_run(run, whole)
    assert [row["generation"] for row in rows] == [0, 1]
    assert [row["env_steps"] for row in rows] == [4 * 16, 8 * 16]
    for row in rows:
        assert row["failed_members"] == 0
        assert np.isfinite([value for value in row.values() if not isinstance(value, bool)]).all()
        assert row["fitness_std"] > 0  # the drift that was learned tells in the actions
    assert "centre_fitness" in rows[1]
    starts = json.loads((run / "provenance.json").read_text())
    assert [(start["devices"], start["generation"]) for start in starts] == [(2, 0), (2, 1)]
