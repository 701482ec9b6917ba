"""`metadisco evaluate --talkers` and `evaluate_talkers`: files, continuation after a stop, control, and refusals."""

import json

import jax
import numpy as np
import pandas as pd
import pytest
from refusals import assert_refused
from talking import CONTROL, ENV, talk_config

import metadisco
from metadisco.cli import main
from metadisco.config import parse_config
from metadisco.evaluation.results import read_results
from metadisco.parametrisations.message import LearnedMessage
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

NUM_SEEDS = 3
VICTIM = f"{ENV}, dpo"
TALKERS = ("none", "zero", "random:0", "scrambled:control", "control")
STEERINGS = ["steered", "no steering", "blind", "random message"]


def make_run(path, config, **settings):
    """Write a run with one centre: a random network."""
    parametrisation = LearnedMessage(hidden_sizes=(4,), **settings)
    facts = {"obs_size": parametrisation.obs_size, "num_goal_features": parametrisation.num_goal_features}
    own = {"num_channels": parametrisation.num_channels, "scale": parametrisation.scale, **facts}
    run = RunDirectory(path)
    run.create(parse_config({**config, "parametrisation": {**config["parametrisation"], **own}}))
    run.write_centre(0, to_arrays(parametrisation.init(jax.random.key(1))))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a folder with runs."""
    path = tmp_path_factory.mktemp("talkers")
    make_run(path / "control", CONTROL, obs_size=1, num_goal_features=1)
    make_run(path / "wide", talk_config(), obs_size=1, num_goal_features=0, num_channels=3)
    make_run(path / "two_sizes", talk_config(), obs_size=2, num_goal_features=0)
    cart_pole = {**talk_config(), "inner": {"env": "gymnax/CartPole-v1"}}
    make_run(path / "cart_pole", cart_pole, obs_size=1, num_goal_features=0)
    return path


@pytest.fixture(scope="module")
def folder(runs):
    """Return the folder, to which an evaluation has written as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(runs)
        assert main([*command("out"), "--quiet"]) == 0
    return runs


def command(output):
    return ["evaluate", "--talkers", *TALKERS[2:], "--envs", ENV, "--config", "control", "--seeds", str(NUM_SEEDS),
            "--victim", "dpo", "objective=dpo", "inner.ppo.learning_rate=0.1", "--output", output]  # fmt: skip


@pytest.fixture
def there(folder, monkeypatch):
    """Work in that folder."""
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def results(folder):
    return json.loads((folder / "out" / "results.json").read_text())


@pytest.mark.slow
def test_every_talker_meets_every_victim(results):
    cells = {(cell["objective"], cell["env"]) for cell in results["cells"]}
    assert cells == {(talker, env) for talker in TALKERS for env in (ENV, VICTIM)}
    assert results["envs"][ENV]["inner"]["ppo"]["learning_rate"] == 0.05
    assert results["envs"][VICTIM]["inner"]["ppo"]["learning_rate"] == 0.1
    assert set(results["objectives"]) == set(TALKERS)
    assert len(set(results["objectives"].values())) == len(TALKERS)


@pytest.mark.slow
def test_talkers_are_paired_with_none_and_with_zero_on_the_same_seeds(results):
    scores = {(cell["objective"], cell["env"]): np.array(cell["area_under_curve"]) for cell in results["cells"]}
    assert results["baseline"] == "none"
    for row in results["rows"]:
        if row["env"] is None or row["score"] != "area_under_curve":
            continue
        ours = scores[row["objective"], row["env"]]
        for name, found in (("none", row["difference"]), ("zero", row.get("differences", {}).get("zero"))):
            if row["objective"] == name:
                assert found is None
            else:
                np.testing.assert_allclose(found[0], (ours - scores[name, row["env"]]).mean(), atol=1e-6)
                assert found[1] <= found[0] <= found[2]


@pytest.mark.slow
def test_both_differences_are_in_the_tables_and_the_frame(folder, results):
    table = (folder / "out" / "table.md").read_text()
    assert "minus none (95 %)" in table
    assert "minus zero (95 %)" in table
    assert "| scrambled:control (meta-trained here) |" in table
    assert len(pd.read_csv(folder / "out" / "seeds.csv")) == 2 * len(TALKERS) * NUM_SEEDS


@pytest.mark.slow
def test_goal_returns_are_those_of_each_steering(folder, results):
    rows = results["control"]
    assert [(row["talker"], row["env"]) for row in rows[::4]] == [("control", ENV), ("control", VICTIM)]
    assert [row["steering"] for row in rows] == 2 * STEERINGS
    for row in rows:
        assert len(row["returns"]) == NUM_SEEDS
        assert row["mean"] == pytest.approx(np.mean(row["returns"]))
        for returned in row["returns"]:  # three episodes of ±1
            assert returned * 3 == pytest.approx(round(returned * 3), abs=1e-5)
    by_name = {row["steering"]: row for row in rows[:4]}
    for name, compared in (("steered", "no steering"), ("steered", "blind"), ("random message", "blind")):
        difference = np.mean(by_name[name]["returns"]) - np.mean(by_name[compared]["returns"])
        assert by_name[name]["differences"][compared][0] == pytest.approx(difference, abs=1e-6)
    assert len(pd.read_csv(folder / "out" / "goal_returns.csv")) == 2 * 4 * NUM_SEEDS
    assert "goal return under control" in (folder / "out" / "table.md").read_text()


@pytest.mark.slow
def test_a_page_shows_what_the_evaluation_has_shown(folder):
    titles = [table.title for table in read_results(folder / "out" / "results.json").tables]
    assert titles[-2:] == [f"{env}: goal return under control" for env in (ENV, VICTIM)]


@pytest.mark.slow
def test_learning_curves_are_drawn_for_each_victim(folder):
    names = {path.name for path in (folder / "out" / "figures").glob("*.png")}
    assert names >= {"probes_matching_action.png", "probes_matching_action_dpo.png", "curves.png", "intervals.png"}


@pytest.mark.slow
def test_a_cell_that_is_there_is_not_trained_again(there, monkeypatch, capsys):
    before = (there / "out" / "results.json").read_bytes()
    for name in ("evaluate.run_lifetimes", "talkers.map_over_devices", "control.map_over_devices"):
        monkeypatch.setattr(f"metadisco.evaluation.{name}", None)
    assert main(command("out")) == 0
    printed = capsys.readouterr()
    assert printed.err.count("kept from before") == 2 * len(TALKERS)
    assert "goal return under control" in printed.out
    assert (there / "out" / "results.json").read_bytes() == before


@pytest.mark.slow
def test_a_scrambled_message_is_about_what_learners_observed(there):
    (observed,) = [
        arrays["observations"]
        for arrays in map(np.load, sorted((there / "out" / "cells").iterdir()))
        if "observations" in arrays and len(arrays["observations"])
    ][:1]
    assert set(np.unique(observed)) == {-1, 1}
    assert observed.shape == (8 * 2 * 32, 1)  # all 32 steps in each environment of eight learners


@pytest.mark.slow
def test_python_gives_the_same_numbers_and_figures(there, results):
    victims = {"dpo": {"objective": "dpo", "inner.ppo.learning_rate": 0.1}}
    found = metadisco.evaluate_talkers(
        TALKERS, ENV, NUM_SEEDS, config="control", victims=victims, output="out", progress=False
    )
    frame = found.summary()
    assert set(frame["objective"]) == set(TALKERS)
    (row,) = frame.query("objective == 'control' and env == @ENV and score == 'final_return'").to_dict("records")
    (same,) = (
        each for each in results["rows"]
        if (each["objective"], each["env"], each["score"]) == ("control", ENV, "final_return")
    )  # fmt: skip
    assert [row["difference_from_zero"], row["difference_from_zero_low"]] == same["differences"]["zero"][:2]
    assert [each.steering for each in found.control] == 2 * STEERINGS
    assert "goal return under control" in found._repr_html_()
    assert "curves" in metadisco.plot(found)


ONE = ["--talkers", "random:0", "--envs", ENV]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--talkers", "randm:0", "--envs", ENV], ["--talkers: got 'randm:0'", "allowed: none, zero"]),
        (["--talkers", "random", "--envs", ENV], ["--talkers: got 'random', allowed: random:SEED"]),
        (["--talkers", "zero", "zero", "--envs", ENV], ["--talkers: got 'zero' twice"]),
        (["--talkers", "frozen:nothing", "--envs", ENV], ["--talkers: got 'nothing'", "path of a message's run"]),
        (["--talkers", "ppo", "--envs", ENV], ["got 'ppo', found by objective_discovery, allowed: a message"]),
        (["--talkers", "wide", "control", "--envs", ENV], ["different channels, 3 in wide, 2 in control"]),
        (["--talkers", "wide", "--envs", ENV, "--channels", "4"], ["--channels: got 4, allowed: 3, as in wide"]),
        (["--talkers", "control", "--envs", ENV, "--scale", "1"], ["--scale: got 1, allowed: 6.28319"]),
        ([*ONE, "--channels", "0"], ["--channels: got 0"]),
        ([*ONE, "--scale", "0"], ["--scale: got 0"]),
        ([*ONE, "--victim", "dpo"], ["dpo has no settings"]),
        ([*ONE, "--victim", "x", "objective=nobody"], ["no objective 'nobody'"]),
        ([*ONE, "--victim", "x", "seed=1", "--victim", "x", "seed=2"], ["--victim: got 'x' twice"]),
        ([*ONE, "--victim", "x", "inner.env=a:b"], ["inner.env", "--envs"]),
        ([*ONE, "--baseline", "zero"], ["--baseline: got it beside --talkers, allowed: beside --objectives"]),
        (["--objectives", "ppo", "--envs", ENV, "--scale", "1"], ["--scale: got it beside --objectives"]),
        (["--objectives", "ppo", "--talkers", "zero", "--envs", ENV], ["got --objectives and --talkers"]),
        (["--talkers", "zero"], ["--envs: got none, allowed: one or more beside --talkers"]),
        (["--talkers", "copy", "--envs", ENV], ["'copy' repeats 2 numbers", "has 1"]),
        (["--talkers", "two_sizes", "--envs", ENV], ["two_sizes was evolved for observations of 2 numbers"]),
        (["--talkers", "cart_pole", "--envs", ENV], ["cart_pole was not evolved on probes:matching_action"]),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_written(words, told, runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    assert_refused(["evaluate", *words, "--output", str(tmp_path / "out")], told, capsys)
    assert list(tmp_path.iterdir()) == []
