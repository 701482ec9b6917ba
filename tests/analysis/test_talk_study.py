"""The study of adversarial cheap talk: what it searches for, how it compares, and a try of all of it."""

import re
import subprocess
import sys

import numpy as np
import pytest
from scripts import ROOT, scripts_of

from metadisco.api.inputs import config_data
from metadisco.evaluation.comparison import Cell, compare
from metadisco.evaluation.evaluate import Comparison
from metadisco.evaluation.lifetimes import Lifetimes
from metadisco.evolution.run import check_config

ENV = "gymnax/CartPole-v1"
SCORES = {"none": [9.0, 11.0, 12.0], "zero": [10.0, 12.0, 14.0], "random:0": [13.0, 12.0, 17.0],
          "random:1": [11.0, 14.0, 13.0], "harm": [4.0, 6.0, 5.0], "scrambled:harm": [9.0, 10.0, 11.0]}  # fmt: skip
TRIED = ("harm", "help", "harm_normalised", "pendulum_help", "control", "harm_channels_4", "help_channels_4")
SECTIONS = {"harm_help", "medians", "held_out", "normalised", "pendulum", "control", "costs"}
FIGURES = {"curves", "effect_channels", "effect_scale", "harm_message_map", "help_interference", "control_reached"}


@pytest.fixture(scope="module")
def study():
    """Give a function that imports a script of the study."""
    with scripts_of("analysis") as load:
        yield load


@pytest.fixture(scope="module")
def scores(study):
    """Return scores of three learners beside each talker."""
    cells = []
    for talker, values in SCORES.items():
        curve = np.array(values)[:, None]
        cells.append(Cell(talker, ENV, None, Lifetimes(10 * curve[:, 0], curve[:, 0], curve, curve), [8]))
    found = Comparison((), {}, 3, "none", cells, {ENV: 1.0}, compare(cells, "none", {ENV: 1.0}, ["zero"]))
    return study("talk_tables").Scores(found)


def test_every_search_has_a_config_that_takes_its_settings(study):
    searches = study("talk_searches")
    for name, search in searches.SEARCHES.items():
        data = config_data(searches.CONFIGS / f"{search.config}.yaml")
        settings = check_config(data, {**search.overrides, "seed": search.seeds[0]}.items())
        assert settings.problem["aim"] == name.split("_")[name.startswith(("pendulum", "breakout"))]
        check_config(data, {**search.overrides, **searches.QUICK}.items())


def test_the_usual_channel_is_that_of_the_usual_searches(study, tmp_path):
    searches = study("talk_searches")
    assert searches.name_of("harm") == "harm"
    assert searches.path_of("harm", 2, tmp_path) == tmp_path / "harm_2"
    section = config_data(searches.CONFIGS / "cartpole_harm.yaml")["parametrisation"]
    assert section["num_channels"] == searches.USUAL_CHANNELS and "scale" not in section
    named = {
        searches.name_of(aim, *channel)
        for aim in searches.AIMS
        for channel in [*((n, searches.USUAL_SCALE) for n in searches.CHANNELS), *((2, c) for c in searches.SCALES)]
    }
    assert named <= set(searches.SEARCHES)


def test_nothing_is_finished_where_nothing_is(study, tmp_path):
    assert study("talk_searches").run_all(tmp_path, quick=False, leave_out=(), finished=True) == {}
    assert list(tmp_path.iterdir()) == []


def test_effects_are_paired_and_random_networks_are_taken_together(scores):
    assert scores.effect("zero") is None
    assert scores.effect("harm").mean == pytest.approx(-7.0)
    assert scores.effect("harm", "final_return").mean == pytest.approx(-70.0)
    assert scores.effect("harm", beside=["random:0", "random:1"]).mean == pytest.approx(-25 / 3)
    low, high = scores.mean("zero")[1:]
    assert low < 12.0 < high


def test_tables_have_a_line_for_each_talker(study, scores):
    tables = study("talk_tables")
    labels = {name: name for name in SCORES}
    lines = tables.talkers(scores, labels, ["random:0", "random:1"]).splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == list(SCORES)
    assert "−7.0 ±" in lines[4]
    text = tables.medians(scores, {"harm": ["harm"]}, ["random:0", "random:1"])
    assert "−7.0" in text and "71%" in text and "(42%)" in text


def test_goal_return_of_a_balanced_pole(study, tmp_path):
    class Run:
        config = check_config(config_data(study("talk_searches").CONFIGS / "cartpole_control.yaml"), ())

    wanted = np.random.default_rng(0).uniform(-2.4, 2.4, 200_000)
    assert study("talk_tables").blind_balancing(Run) == pytest.approx(200 * np.exp(-(wanted**2)).mean(), abs=0.5)
    assert study("talk_tables").blind_balancing(Run) == pytest.approx(73.8, abs=0.05)


@pytest.fixture(scope="module")
def tried(study, tmp_path_factory):
    """Return the folder of a tiny study, and a function that goes on with it."""
    path = tmp_path_factory.mktemp("study")
    left_out = [name for name in study("talk_searches").SEARCHES if name not in TRIED]

    def go_on(*words):
        command = [sys.executable, ROOT / "analysis" / "cheap_talk.py", "--quick", "--runs", path / "runs", "--output",
                   path / "study", "--leave-out", *left_out, *words]  # fmt: skip
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stderr

    go_on()
    return path / "study", go_on


@pytest.mark.slow
def test_a_quick_study_makes_every_section_and_figure(tried):
    folder, _ = tried
    assert set(re.findall(r"^## (\w+)$", (folder / "findings.md").read_text(), re.MULTILINE)) >= SECTIONS
    assert {path.stem for path in (folder / "figures").glob("*.png")} >= FIGURES


@pytest.mark.slow
def test_a_study_goes_on_with_what_is_there(tried):
    folder, go_on = tried
    before = (folder / "findings.md").read_text()
    said = go_on("--finished")
    assert "kept from before" in said and "generation 1/" not in said
    assert (folder / "findings.md").read_text() == before
