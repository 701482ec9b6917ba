"""One tiny run, made by the example of `evolve`, that all tests of the API look at."""

from pathlib import Path

import jax
import pytest
from api_examples import run_example
from tiny import tiny_config

from metadisco.config import parse_config, write_yaml
from metadisco.parametrisations.meta_policy import FeedForwardPolicy
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

TWO_PROBES = """\
parametrisation: {name: value_loss, hidden_sizes: [4]}
inner:
  fitness: final_return
  envs:
  - env: probes:rewarded_action
    ppo: {num_env_steps: 1_024, learning_rate: 5.0e-2}
  - env: probes:target_action
  ppo: {num_envs: 8, num_steps: 16, num_env_steps: 2_048, num_minibatches: 2, learning_rate: 3e-2, hidden_sizes: [8]}
"""


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with configs, a run of eight generations, and one of opponent shaping."""
    path = tmp_path_factory.mktemp("api")
    (path / "demo.yaml").write_text(write_yaml(tiny_config(num_generations=2, num_devices=2)))
    (path / "two.yaml").write_text(TWO_PROBES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        run_example("evolve")
    write_meta_policy(path / "runs" / "mfos")
    return path


def write_meta_policy(path: Path) -> None:
    """Write a run of opponent shaping with one centre."""
    section = {"name": "meta_policy", "hidden_sizes": [4], "num_states": 5}
    run = RunDirectory(path)
    run.create(parse_config({"problem": {"name": "opponent_shaping"}, "parametrisation": section}))
    run.write_centre(0, to_arrays(FeedForwardPolicy(hidden_sizes=(4,), num_states=5).init(jax.random.key(0))))


@pytest.fixture
def folder(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in that folder."""
    monkeypatch.chdir(run_folder)
    return run_folder
