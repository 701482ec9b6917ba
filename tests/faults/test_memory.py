"""Insufficient memory, by a real limit on the process: messages and recovery."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from metadisco.config import write_yaml

pytestmark = pytest.mark.faults

HERE = Path(__file__).parent
BOUND = 450  # mebibytes that the process may grow by; an evaluation needs some forty, each compilation as much
NUM_GENERATIONS = 4
CONFIG = {
    "parametrisation": {"name": "value_loss", "hidden_sizes": [4]},
    "inner": {
        "env": "small_memory:wide_env",
        "ppo": {
            "num_envs": 2,
            "num_steps": 8,
            "num_env_steps": 32,
            "num_epochs": 1,
            "num_minibatches": 1,
            "hidden_sizes": [2],
            "num_evaluation_episodes": 1,
        },
    },
    "outer": {
        "num_generations": NUM_GENERATIONS,
        "num_devices": 1,
        "checkpoint_every": 1,
        "evaluate_every": 0,
        "strategy": {"population_size": 16},
    },
}


def evolve(tmp_path, folder, *words, bound=BOUND):
    """Evolve in a process with bounded memory; return exit code and output."""
    config = tmp_path / "wide.yaml"
    config.write_text(write_yaml(CONFIG))
    command = [sys.executable, str(HERE / "small_memory.py"), str(bound), "evolve", str(config)]
    variables = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, sys.path)]),
        "XDG_CACHE_HOME": str(folder / "compiled"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [*command, *words, "--run", str(tmp_path / "run")], env=variables, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def chunks_of(tmp_path):
    return [entry["chunk_size"] for entry in json.loads((tmp_path / "run" / "provenance.json").read_text())]


def test_auto_halves_until_it_fits_says_so_keeps_it_and_goes_on(tmp_path, folder):
    code, said = evolve(tmp_path, folder, "outer.chunk_size=auto")
    assert code == 0, said
    assert "Traceback" not in said
    chunks = chunks_of(tmp_path)
    assert len(chunks) > 1
    for before, after in itertools.pairwise(chunks):
        assert after == before // 2
        assert f"out of device memory with chunks of {before} evaluations: using {after} from here on" in said
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == NUM_GENERATIONS
    code, said = evolve(tmp_path, folder, "outer.chunk_size=auto", f"outer.num_generations={NUM_GENERATIONS + 1}")
    assert code == 0, said
    assert f"chunks of {chunks[-1]} evaluations" in said
    assert "fastest" not in said


def test_a_given_size_is_left_alone_and_a_smaller_one_named_with_which_the_run_goes_on(tmp_path, folder):
    code, said = evolve(tmp_path, folder, "outer.chunk_size=16")
    assert code == 1, said
    assert "Traceback" not in said
    assert "out of device memory with chunks of 16 evaluations, allowed: outer.chunk_size=8, or auto" in said
    assert (tmp_path / "run" / "checkpoints" / "0").is_dir()
    code, said = evolve(tmp_path, folder, "outer.chunk_size=1")
    assert code == 0, said
    assert "chunk_size was 16 and is 1 now" in said
    assert f"done: {NUM_GENERATIONS} generations" in said


def test_a_population_that_no_memory_holds_is_refused_before_anything_is_written(tmp_path, folder):
    code, said = evolve(tmp_path, folder, "outer.strategy.population_size=2000000000", "--quiet")
    assert code == 2, said
    assert said.startswith("metadisco: outer.strategy.population_size: got 2000000000, for which ")
    assert "fewer members or rollouts" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()
