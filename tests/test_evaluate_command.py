"""`metadisco evaluate`: its files, continuation after a stop, and refusals."""

import json

import jax
import numpy as np
import pytest
from refusals import assert_refused

from metadisco.cli import main
from metadisco.config import parse_config
from metadisco.discoveries.sources import find_source
from metadisco.evaluation.lifetimes import Lifetimes
from metadisco.parametrisations import LPODrift
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

NUM_SEEDS = 2
ENVS = ("probes:rewarded_action", "probes:matching_action")
SMALL = [
    "inner.ppo.num_envs=2", "inner.ppo.num_steps=8", "inner.ppo.num_env_steps=64", "inner.ppo.num_minibatches=1",
    "inner.ppo.hidden_sizes=[4]", "outer.num_devices=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on the first environment, with one centre."""
    settings = {"name": "lpo_drift", "hidden_sizes": [4]}
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "run")
    run.create(parse_config({"parametrisation": settings, "inner": {"env": ENVS[0]}}))
    run.write_centre(0, to_arrays(LPODrift(hidden_sizes=(4,)).init(jax.random.key(0))))
    return run.path


def command(run, output):
    return ["evaluate", "--objectives", "ppo", str(run), "--envs", *ENVS, "--seeds", str(NUM_SEEDS), *SMALL,
            "--output", str(output)]  # fmt: skip


@pytest.fixture(scope="module")
def output(run, tmp_path_factory):
    output = tmp_path_factory.mktemp("evaluated") / "out"
    assert main([*command(run, output), "--quiet"]) == 0
    return output


@pytest.fixture(scope="module")
def results(output):
    return json.loads((output / "results.json").read_text())


def test_every_objective_is_in_every_environment(results, run):
    cells = {(cell["objective"], cell["env"]): cell for cell in results["cells"]}
    assert set(cells) == {(objective, env) for objective in ("ppo", str(run)) for env in ENVS}
    for cell in cells.values():
        assert len(cell["final_return"]) == len(cell["curve"]) == NUM_SEEDS
        assert cell["env_steps"] == [16, 32, 48, 64]


def test_what_was_held_out_is_said(results, output, run):
    held_out = {(cell["objective"], cell["env"]): cell["held_out"] for cell in results["cells"]}
    assert [held_out["ppo", env] for env in ENVS] == [None, None]
    assert [held_out[str(run), env] for env in ENVS] == [False, True]
    table = (output / "table.md").read_text()
    assert f"{run.name} (meta-trained here)" in table
    assert f"{run.name} (held out)" in table


def test_seeds_are_not_those_of_train(results, tmp_path):
    """Settings tuned with `train` are evaluated on other seeds."""
    file = tmp_path / "ppo.json"
    words = ["train", "--objective", "ppo", "--env", ENVS[1], "--seeds", str(NUM_SEEDS), *SMALL, "--quiet"]
    assert main([*words, "--output", str(file)]) == 0
    (cell,) = (each for each in results["cells"] if (each["objective"], each["env"]) == ("ppo", ENVS[1]))
    trained = json.loads(file.read_text())
    assert cell["env_steps"] == trained["env_steps"]
    for curve in trained["curve"]:
        assert curve not in cell["curve"]


def test_a_cell_says_with_which_settings_its_objective_was_found(results, run):
    for cell in results["cells"]:
        found = cell["found_with"]
        assert (found is None) == (cell["objective"] == "ppo")
        if found is not None:
            assert (found["num_env_steps"], found["hidden_sizes"]) == (500_000, [64, 64])
            assert "gamma" not in found


def test_figures_are_drawn_for_each_environment(output):
    files = {path.name for path in (output / "figures").iterdir()} - {"profiles.png", "profiles.svg"}
    names = ("probes_rewarded_action", "probes_matching_action", "intervals", "returns", "curves")
    assert files == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}


@pytest.mark.slow
def test_what_is_there_is_drawn_for_a_paper(output, run):
    assert main([*command(run, output), "--quiet", "--format", "pdf", "--style", "paper"]) == 0
    svg = (output / "figures" / "intervals.svg").read_text()
    assert "<text" in svg
    assert (output / "figures" / "intervals.pdf").read_bytes().startswith(b"%PDF")
    assert len((output / "seeds.csv").read_text().splitlines()) == 1 + 2 * len(ENVS) * NUM_SEEDS
    assert (output / "table.tex").read_text().endswith("\\end{table}\n")


def test_a_cell_that_is_there_is_not_trained_again(output, run, monkeypatch, capsys):
    before = (output / "results.json").read_bytes()
    monkeypatch.setattr("metadisco.evaluation.evaluate.run_lifetimes", None)
    assert main(command(run, output)) == 0
    assert capsys.readouterr().err.count("kept from before") == 4
    assert (output / "results.json").read_bytes() == before


OWN = """
from probes import rewarded_action
from own_gain import GAIN


def make_env():
    return rewarded_action()._replace(episode_length=GAIN)
"""


def test_a_cell_of_an_environment_that_was_edited_is_trained_again(tmp_path, monkeypatch, capsys):
    """In the same process, and in a module that the environment's imports."""

    def run_lifetimes(objective, env, configs, num_seeds, given):
        numbers = np.full(num_seeds, env.episode_length, np.float32)
        return [Lifetimes._make([numbers[:, None] if name == "curve" else numbers for name in Lifetimes._fields])]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("metadisco.evaluation.evaluate.run_lifetimes", run_lifetimes)
    monkeypatch.setattr("metadisco.evaluation.evaluate.map_over_devices", lambda *arguments: np.zeros(NUM_SEEDS))
    monkeypatch.setattr("metadisco.evaluation.results.write_results", lambda found, *rest: results.append(found))
    monkeypatch.setattr("metadisco.plotting.comparison.draw_comparison", lambda *_: None)
    (tmp_path / "own_rewards.py").write_text(OWN)
    words = ["evaluate", "--objectives", "ppo", "--envs", "own_rewards:make_env", "--seeds", str(NUM_SEEDS), *SMALL]
    results = []
    for gain, kept in ((1, 0), (1, 1), (3, 0), (1, 1)):
        (tmp_path / "own_gain.py").write_text(f"GAIN = {gain}\n")
        assert main([*words, "--output", "out"]) == 0
        assert capsys.readouterr().err.count("kept from before") == kept
        assert results[-1].cells[0].lifetimes.final_return.tolist() == [gain] * NUM_SEEDS


def test_only_what_is_missing_is_trained(output, run, monkeypatch, capsys):
    cells = sorted((output / "cells").iterdir())
    next(path for path in cells if "curve" in np.load(path)).unlink()  # others hold returns of random actions
    before = json.loads((output / "results.json").read_text())
    assert main(command(run, output)) == 0
    assert capsys.readouterr().err.count("kept from before") == 3
    after = json.loads((output / "results.json").read_text())
    for old, new in zip(before["cells"], after["cells"], strict=True):
        np.testing.assert_array_equal(old["final_return"], new["final_return"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--objectives", "ppoo", "--envs", ENVS[0]], ["no objective 'ppoo'", "did you mean 'ppo'"]),
        (["--objectives", "ppo", "ppo", "--envs", ENVS[0]], ["--objectives: got 'ppo' twice"]),
        (["--objectives", "ppo", "--envs", "gymnax/x", "gymnax/x"], ["--envs: got 'gymnax/x' twice"]),
        (["--objectives", "ppo", "--envs", "gymnak/x"], ["--envs: got 'gymnak/x'", "did you mean 'gymnax'"]),
        (["--objectives", "ppo", "--envs", ENVS[0], "--baseline", "dpo"], ["--baseline: got 'dpo'", "one of ppo"]),
        (["--objectives", "ppo", "--envs", ENVS[0], "--seeds", "0"], ["--seeds: got 0"]),
        (["--objectives", "ppo", "--envs", ENVS[0], "objective.clip_eps=1"], ["objective.clip_eps", "several"]),
        (["--objectives", "ppo", "--envs", ENVS[0], "inner.env=x:y"], ["inner.env", "--envs"]),
        (["--objectives", "ppo", "--envs", ENVS[0], "inner.ppo.gama=1"], ["did you mean 'gamma'"]),
        (["--objectives", "ppo", "--envs", "probes:nothing"], ["probes has no 'nothing'"]),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_written(words, told, tmp_path, capsys):
    assert_refused(["evaluate", *words, "--output", str(tmp_path / "out")], told, capsys)
    assert list(tmp_path.iterdir()) == []


def test_results_say_of_which_weights_each_objective_is(results):
    assert results["objectives"] == {name: find_source(name).sha256 for name in results["objectives"]}
    assert set(results["objectives"]) == {cell["objective"] for cell in results["cells"]}
