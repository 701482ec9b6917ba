"""`metadisco evaluate --settings`: its files, continuation after a stop, and refusals; most trainings are made up."""

import json
import shutil

import numpy as np
import pytest
from refusals import assert_refused

import metadisco
from metadisco.cli import main
from metadisco.config import to_plain
from metadisco.evaluation import settings_cells
from metadisco.evaluation.lifetimes import Lifetimes
from metadisco.plotting import over_settings

NUM_SEEDS = 4
ENV, OTHER = "probes:rewarded_action", "probes:target_action"
SMALL = [
    "inner.ppo.num_envs=2", "inner.ppo.num_steps=8", "inner.ppo.num_minibatches=1", "inner.ppo.hidden_sizes=[4]",
    "outer.num_devices=1",
]  # fmt: skip
GRID = """
settings:
  - {name: as it is, inner.ppo.num_epochs: 4}
  - {name: the same}
  - {name: short, inner.ppo.num_epochs: 1}
  - grid: {inner.ppo.learning_rate: [1e-3, 0.5]}
lifetimes: [32, 64]
envs: {"probes:target_action": {inner.ppo.gamma: 0.5}}
control: [2, 4]
"""


@pytest.fixture
def grid(tmp_path):
    file = tmp_path / "grid.yaml"
    file.write_text(GRID)
    return file


@pytest.fixture(scope="module")
def asked():
    """Replace training by scores that follow from the settings; list the requests."""
    asked = []

    def made_up(objective, env, configs, num_seeds):
        asked.append(configs)
        found = []
        for config in configs:
            ppo = config.inner.ppo
            scores = np.linspace(0, 0.1, num_seeds) + ppo.learning_rate + ppo.num_epochs
            curve = np.tile(scores[:, None], ppo.num_updates)
            found.append(Lifetimes(scores, scores, curve, curve))
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settings_cells, "run_lifetimes", made_up)
        yield asked


@pytest.fixture(scope="module")
def output(asked, tmp_path_factory):
    """The folder of an evaluation of the grid."""
    folder = tmp_path_factory.mktemp("judged")
    (folder / "grid.yaml").write_text(GRID)
    asked.clear()
    assert main([*command(folder / "grid.yaml", folder / "out"), "--quiet"]) == 0
    (folder / "asked").write_text(json.dumps([[to_plain(config)["inner"] for config in each] for each in asked]))
    return folder / "out"


@pytest.fixture
def undrawn(monkeypatch):
    """Draw no figures."""
    monkeypatch.setattr(over_settings, "draw_settings", lambda found, output: None)


def command(grid, output, *words, objectives=("ppo_kl",)):
    return ["evaluate", "--objectives", *objectives, "--envs", ENV, OTHER, "--settings", str(grid), "--seeds",
            str(NUM_SEEDS), *SMALL, *words, "--output", str(output)]  # fmt: skip


def test_what_differs_in_traced_settings_is_trained_together_and_what_is_equal_once(output):
    asked = json.loads((output.parent / "asked").read_text())
    # In each of two environments over two lifetimes: PPO with 4 epochs at 3 learning rates and with 2 controls of each,
    # one of which is another's learning rate; PPO with 1 epoch and its controls; the other objective with either.
    assert sorted(map(len, asked)) == [1] * 4 + [3] * 8 + [8] * 4
    assert {(each["env"], each["ppo"]["gamma"]) for group in asked for each in group} == {(ENV, 0.99), (OTHER, 0.5)}


def test_files_say_what_was_found(output):
    results = json.loads((output / "settings.json").read_text())
    assert results["baseline"] == "ppo"
    judged = results["judgements"]["area_under_curve"]
    (overall,) = (each for each in judged["overall"] if each["objective"] == "ppo_kl" and each["env"] is None)
    assert (overall["num_cells"], overall["level"], overall["share_level"]) == (2 * 2 * 4, 2 * 2 * 4, 1)
    assert overall["mean"] == [0, 0, 0]
    scale = judged["scales"][0]
    assert (scale["setting"], scale["env"], scale["lifetime"]) == ("learning_rate 0.5", ENV, 32)
    control = [each for each in judged["overall"] if "learning rate × 4" in each["objective"]]
    assert {each["better"] for each in control} == {16, 8}
    same = [place["same_as"] for place in results["places"]]
    assert same == [None, "as it is", None, None, None] * 4
    assert {path.name for path in output.iterdir()} == {
        "settings.json", "rows.csv", "area_under_curve.md", "final_return.md", "figures", "cells",
    }  # fmt: skip
    figures = [f"settings_{score}.{kind}" for score in ("area_under_curve", "final_return") for kind in ("png", "svg")]
    assert {path.name for path in (output / "figures").iterdir()} == set(figures)
    assert "the same (= as it is)" in (output / "area_under_curve.md").read_text()


def test_cells_that_are_there_are_not_trained_again(output, asked, undrawn, tmp_path, capsys):
    before = (output / "settings.json").read_bytes()
    asked.clear()
    assert main(command(output.parent / "grid.yaml", output)) == 0
    assert asked == []
    assert "kept from before" in capsys.readouterr().err
    assert (output / "settings.json").read_bytes() == before
    more = tmp_path / "grid.yaml"
    more.write_text(GRID.replace("[1e-3, 0.5]", "[1e-3, 0.5, 0.7]"))
    shutil.copytree(output, tmp_path / "out")
    assert main([*command(more, tmp_path / "out"), "--quiet"]) == 0
    assert {config.inner.ppo.learning_rate for configs in asked for config in configs} == {0.7, 1.4, 2.8}


def test_a_point_replaces_what_the_environment_needs_and_words_replace_both(asked):
    points = {
        "settings": ["sb3", {"name": "own", "from": "sb3", "inner.ppo.gamma": 0.7}],
        "lifetimes": [4096],
        "envs": {OTHER: {"inner.ppo.gamma": 0.5}},
        "control": [],
    }
    words = {"inner.ppo.hidden_sizes": [4], "outer.num_devices": 1}
    found = metadisco.evaluate_settings("dpo", [ENV, OTHER], points, 4, overrides=words, progress=False)
    settings = {(place.env, place.setting): place.config.inner.ppo for place in found.places}
    assert {key: ppo.gamma for key, ppo in settings.items()} == {
        (ENV, "sb3"): 0.99, (ENV, "own"): 0.7, (OTHER, "sb3"): 0.5, (OTHER, "own"): 0.7,
    }  # fmt: skip
    assert all((ppo.num_steps, ppo.hidden_sizes) == (2048, (4,)) for ppo in settings.values())
    assert set(found.summary()["objective"]) == {"dpo"}
    assert len(found.rows()) == 2 * 2 * 2
    assert "dpo" in repr(found)
    assert found._repr_html_().startswith("<table>")
    assert set(metadisco.plot(found)) == {"settings_area_under_curve", "settings_final_return"}


def test_continuous_actions_have_defaults_of_their_own(asked):
    found = metadisco.evaluate_settings(
        "dpo", [ENV, OTHER], {"settings": ["cleanrl"], "lifetimes": [4096]}, 4, progress=False
    )
    discrete, continuous = (place.config.inner.ppo for place in found.places)
    assert (discrete.num_steps, discrete.normalise_rewards) == (128, False)
    assert (continuous.num_steps, continuous.normalise_rewards) == (2048, True)


REFUSED = {
    "a lifetime shorter than a batch": (
        "settings: [sb3]\nlifetimes: [1024]", [], ["'sb3'", "num_env_steps: got 1024", "2048"],
    ),
    "impossible minibatches": (
        "settings: [{grid: {inner.ppo.num_minibatches: [1, 3]}}]\nlifetimes: [512]", [],
        ["'num_minibatches 3'", "num_minibatches: got 3", "divisor"],
    ),
    "the lifetime twice": (GRID, ["inner.ppo.num_env_steps=64"], ["num_env_steps", "--settings"]),
    "too few seeds": (GRID, ["--seeds", "2"], ["--seeds: got 2", "at least 4"]),
    "an unknown name": ("settings: [cleanr]", [], ["--settings: got 'cleanr'", "'cleanrl'"]),
    "no mapping": ("[1]", [], ["--settings: "]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_judged_is_refused(grid, asked, tmp_path, capsys, text, words, told):
    grid.write_text(text)
    given = command(grid, tmp_path / "out", *words)
    if "lifetimes" in text and text != GRID:
        given = [word for word in given if not word.startswith(("inner.ppo.num_", "outer."))]
    assert_refused(given, told, capsys)
    assert not (tmp_path / "out").exists()


def test_settings_are_for_objectives(grid, tmp_path, capsys):
    words = ["evaluate", "--talkers", "none", "--envs", ENV, "--settings", str(grid), "--output", str(tmp_path / "out")]
    assert_refused(words, ["--settings", "--talkers", "--objectives"], capsys)


@pytest.mark.slow  # eight seconds of compiling
def test_agents_are_really_trained(tmp_path):
    """A larger learning rate learns more of the probe in so few steps, and the control tells it."""
    rates = {"slow": 1e-4, "quick": 3e-2}
    settings = [{"name": name, "inner.ppo.learning_rate": rate} for name, rate in rates.items()]
    points = {"settings": settings, "lifetimes": [512], "control": [16]}
    small = {"inner.ppo.num_envs": 2, "inner.ppo.num_steps": 8, "inner.ppo.num_minibatches": 1,
             "inner.ppo.hidden_sizes": [4], "outer.num_devices": 1}  # fmt: skip
    found = metadisco.evaluate_settings("ppo", ENV, points, 8, overrides=small, output=tmp_path, progress=False)
    judged = found.judgements["area_under_curve"]
    assert judged.scales[ENV, 512].setting == "quick"
    slow, _ = judged.rows
    assert slow.place.setting == "slow"
    assert slow.mean - slow.difference.mean == pytest.approx(judged.means["ppo"][0], abs=0.2)
    assert {row.entrant for row in judged.rows} == {"ppo, learning rate × 16"}
    assert slow.difference.mean > 0
