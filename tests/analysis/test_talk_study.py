"""The study of adversarial cheap talk: its searches, its comparisons, and a trial of the whole."""

import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from scripts import ROOT, scripts_of

from metadisco.api.inputs import config_data
from metadisco.evaluation.comparison import Cell, compare
from metadisco.evaluation.control_rows import control_rows
from metadisco.evaluation.evaluate import Comparison
from metadisco.evaluation.lifetimes import Lifetimes
from metadisco.evolution.run import check_config
from metadisco.storage.runs import RunDirectory

ENV = "gymnax/CartPole-v1"
SCORES = {"none": [9.0, 11.0, 12.0], "zero": [10.0, 12.0, 14.0], "random:0": [13.0, 12.0, 17.0],
          "random:1": [11.0, 14.0, 13.0], "harm": [4.0, 6.0, 5.0], "scrambled:harm": [9.0, 10.0, 11.0]}  # fmt: skip
STEERINGS = ("steered", "no steering", "blind", "random message")
KINDS = ("learning", "message_map", "messages", "interference", "reached", "steering", "goal_return")
FIGURES = {"curves", "effect_channels", "effect_scale", "harm_message_map", "help_interference", "control_reached"}
ROW = {"generation": 0, "seconds": 2.0, "env_steps": 100, "fitness_mean": -1.5, "fitness_std": 0.5,
       "centre_fitness": -1.0, "centre_half_width": 0.25}  # fmt: skip
TRIED = ("harm", "help", "control", "harm_channels_4")
SECTIONS = {"harm_help", "medians", "held_out", "control", "costs"}


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


def pretend_to_compare(talkers, env, num_seeds, *, victims, config, overrides, output):
    """Do as `evaluate_talkers` does, with numbers that are made up."""
    names = list(dict.fromkeys(["none", "zero", *talkers]))
    draw = np.random.default_rng(len(names))
    kinds = [env, *(f"{env}, {victim}" for victim in victims or {})]
    cells, control = [], []
    for kind in kinds:
        for name in names:
            curve = draw.uniform(50, 150, (num_seeds, 4))
            cells.append(Cell(name, kind, None, Lifetimes(curve[:, -1], curve.mean(1), curve, curve), [1, 2, 3, 4]))
    if config.config.problem["aim"] == "control":
        returns = {name: draw.uniform(0, 200, num_seeds) for name in STEERINGS}
        control = control_rows(talkers[0], env, returns)
    random = dict.fromkeys(kinds, 10.0)
    return Comparison((), {}, num_seeds, "none", cells, random, [], control)


@pytest.fixture
def pretended(study, monkeypatch, tmp_path):
    """Return a function that makes the study of searches that are finished, and returns the folder of its output."""
    searches, script = study("talk_searches"), study("cheap_talk")

    def make(names):
        for name in names:
            search = searches.SEARCHES[name]
            for seed in search.seeds:
                data = config_data(searches.CONFIGS / f"{search.config}.yaml")
                run = RunDirectory(searches.path_of(name, seed, tmp_path / "runs"))
                run.create(check_config(data, {**search.overrides, "seed": seed}.items()))
                run.note_start({"compile_seconds": 1.0})
                run.append_metrics(ROW)
                for generation in sorted(
                    {0, min(30, run.config().outer.num_generations), run.config().outer.num_generations}
                ):
                    run.write_centre(generation, {})
        monkeypatch.setattr(study("talk_tables"), "evaluate_talkers", pretend_to_compare)
        monkeypatch.setattr(study("talk_figures"), "plot", lambda run: dict.fromkeys(KINDS, Figure()))
        monkeypatch.setattr(script, "table_of_sb3", lambda *_: "")
        words = ["--finished", "--runs", tmp_path / "runs", "--output", tmp_path / "study"]
        monkeypatch.setattr("sys.argv", ["cheap_talk.py", *map(str, words)])
        script.main()
        return tmp_path / "study"

    return make


@pytest.mark.slow
def test_a_study_of_all_searches_has_every_section_and_figure(study, pretended):
    folder = pretended(study("talk_searches").SEARCHES)
    found = (folder / "findings.md").read_text()
    sections = re.findall(r"^## (\w+)$", found, re.MULTILINE)
    page = study("cheap_talk").PAGE.read_text()
    assert set(sections) == set(re.findall(r"<!-- (\w+): made by the study -->", page)) - {"sb3"}
    assert "−1.00 ± 0.25 (1)" in found
    assert "| help, meta-seed 3, scrambled |" in found and "| control, learner |" in found
    assert {path.stem for path in (folder / "figures").glob("*.png")} >= FIGURES


@pytest.mark.parametrize("names", [["harm"], ["control_length"], ["breakout_help", "help_channels_8"]])
def test_sections_that_lack_their_searches_are_left_out(names, pretended):
    sections = re.findall(r"^## (\w+)$", (pretended(names) / "findings.md").read_text(), re.MULTILINE)
    assert "costs" in sections and "harm_help" not in sections and "held_out" not in sections


def test_learners_of_others_are_compared_with_zeros(study):
    lines = study("talk_sb3")._table({"evolved": {"zeros": [[10.0, 20.0], [12.0, 24.0]], "harm": [[4, 10], [5, 11]]}})
    *_, zeros, harm = lines.splitlines()
    assert zeros.count("±") == 2 and harm.count("±") == 4
    assert harm.startswith("| as in the search | harm | 4.5 ±") and "−6.5 ±" in harm


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
    assert {path.stem for path in (folder / "figures").glob("*.png")} >= FIGURES - {"effect_scale"}


@pytest.mark.slow
def test_a_study_goes_on_with_what_is_there(tried):
    folder, go_on = tried
    before = (folder / "findings.md").read_text()
    said = go_on("--finished")
    assert "kept from before" in said and "generation 1/" not in said
    assert (folder / "findings.md").read_text() == before
