"""Cheap talk as a problem of the outer loop: aims, control, and runs that repeat to the bit."""

import os
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from processes import Process, assert_same_run, centres_of, rows_of
from refusals import assert_refused
from talking import CONTROL, NUM_GENERATIONS, talk_config

import metadisco
from metadisco.cli import main
from metadisco.config import parse_config, write_yaml
from metadisco.problems import make_problem


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with a run whose aim is control, on one device."""
    path = tmp_path_factory.mktemp("talk")
    (path / "control.yaml").write_text(write_yaml(CONTROL))
    assert main(["evolve", str(path / "control.yaml"), "--run", str(path / "run"), "--quiet"]) == 0
    return path


def test_to_harm_is_the_opposite_of_to_help(getkey):
    harm, helping = (make_problem(parse_config(talk_config(aim=aim))) for aim in ("harm", "help"))
    meta_params = harm.init(getkey())
    harmed, helped = jax.jit(lambda key: (harm.evaluate(key, meta_params), helping.evaluate(key, meta_params)))(
        getkey()
    )
    np.testing.assert_array_equal(harmed.fitness, -helped.fitness)
    np.testing.assert_array_equal(harmed.metrics["learner_fitness"], helped.fitness[0])
    assert harm.env_steps == helping.env_steps == 64


def test_the_scale_of_harm_is_that_of_its_aim():
    envs = [{"env": "probes:matching_action", "reference": {"random": -0.5, "ppo": 1.0}}]
    inner = {"envs": envs, "ppo": talk_config()["inner"]["ppo"]}
    control = {**CONTROL["problem"], "aim": "control"}
    for aim, scale in (("harm", (-1.0, 0.5)), ("help", (-0.5, 1.0)), ("control", (0.0, 1.0))):
        problem = control if aim == "control" else {"name": "cheap_talk", "aim": aim}
        (task,) = make_problem(parse_config({**talk_config(), "problem": problem, "inner": inner})).tasks
        assert (task.zero, task.one) == scale


@pytest.mark.slow
def test_control_is_paid_by_the_goal(folder):
    """Rewards are ±1, so that the mean over three episodes is a multiple of a third; the learner's is over eight."""
    assert make_problem(parse_config(CONTROL)).env_steps == 64 + 3 * 8
    for row in rows_of(folder / "run"):
        assert row["fitness_best"] * 3 == pytest.approx(round(row["fitness_best"] * 3), abs=1e-5)
        assert row["metrics/learner_fitness"] != row["fitness_mean"]


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(folder, tmp_path):
    words = ["evolve", str(folder / "control.yaml"), "--run", str(tmp_path / "run"), "--quiet"]
    for generations in (2, NUM_GENERATIONS):
        assert main([*words, f"outer.num_generations={generations}"]) == 0
    assert_same_run(tmp_path / "run", folder / "run")


@pytest.mark.slow
def test_two_devices_give_the_bits_of_one(folder, tmp_path):
    words = ["outer.num_devices=2", "--run", str(tmp_path / "run"), "--quiet"]
    assert main(["evolve", str(folder / "control.yaml"), *words]) == 0
    assert rows_of(tmp_path / "run") == rows_of(folder / "run")
    assert centres_of(tmp_path / "run") == centres_of(folder / "run")


@pytest.mark.slow
def test_two_processes_give_the_bits_of_one(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))  # the probe is in a folder of tests
    words = ["outer.num_devices=2", "--processes", "2", "--run", str(tmp_path / "run")]
    with Process(["evolve", str(folder / "control.yaml"), *words], tmp_path) as process:
        code, out, err = process.finish()
    assert (code, out) == (0, ""), err
    assert rows_of(tmp_path / "run") == rows_of(folder / "run")
    assert centres_of(tmp_path / "run") == centres_of(folder / "run")


def test_what_a_run_has_found_is_a_message(folder):
    obs, goal = np.full(1, 0.5, np.float32), np.ones(1, np.float32)
    for generation, name in ((None, "run"), (2, "run@2")):
        bound, loaded = metadisco.Run(folder / "run").bound(generation), metadisco.load_message(folder / name)
        assert loaded.message(obs).shape == (2,)
        assert np.abs(loaded.message(obs)).max() <= 2 * np.pi
        np.testing.assert_array_equal(bound.message(obs), loaded.message(obs))
        np.testing.assert_array_equal(bound.steer(obs, goal), loaded.steer(obs, goal))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ppo", "found by objective_discovery, allowed: a message"),
        ("zero", "got 'zero', allowed: the path of a message's run or artefact"),
        ("run@3", "no centre was kept after generation 3"),
    ],
)
def test_what_is_no_message_is_not_loaded(name, told, folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(metadisco.UserError, match=told):
        metadisco.load_message(name)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["parametrisation.num_channels=0"], ["parametrisation.num_channels: got 0"]),
        (["parametrisation.scale=0"], ["parametrisation.scale: got 0"]),
        (["parametrisation.obs_size=3"], ["parametrisation.obs_size: got 3, allowed: 1, or null"]),
        (["parametrisation.input_scale=[0]"], ["parametrisation.input_scale: got [0], allowed: a number above 0"]),
        (["parametrisation.input_scale=true"], ["parametrisation.input_scale: got True, allowed: a number above 0"]),
        (["parametrisation.input_scale=[1,2]"], ["parametrisation.input_scale: got 2 numbers, allowed: 1"]),
        (["problem.goal=null"], ["problem.goal: probes:matching_action has no goal", "gymnax/CartPole-v1"]),
        (["problem.goal=talking:nothing"], ["talking has no 'nothing'"]),
        (["problem.goal=cart"], ["problem.goal: got 'cart', allowed: null, or package.module:MyGoal"]),
        (["problem.goal=talking:talk_config"], ["talking:talk_config returned dict, allowed: a metadisco Goal"]),
        (["problem.goal=talking:wrong_goal"], ["talking:wrong_goal has features of shape (1,), allowed: (2,)"]),
        (["problem.aim=harm"], ["problem.goal: got 'talking:wanted_sign', allowed: null where the aim is harm"]),
        (["problem.aim=hurt"], ["problem.aim: got 'hurt'"]),
        (["problem.objective=nobody"], ["no objective 'nobody'"]),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_written(words, told, folder, tmp_path, capsys):
    command = ["evolve", str(folder / "control.yaml"), *words, "--run", str(tmp_path / "run")]
    assert_refused(command, told, capsys)
    assert list(tmp_path.iterdir()) == []
