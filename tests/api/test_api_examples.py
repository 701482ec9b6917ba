"""The example of every function is run, on a search so small that a generation takes milliseconds."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from api_examples import run_example
from quick import quick
from talking import talk_config

import metadisco

ON_THE_RUN = ("Run", "load_objective", "plot", "report", "write_artefact", "write_card", "write_source",
              "use_cores")  # fmt: skip
COMPUTING = ("evolve", "train_agents", "rollout", "evaluate", "evaluate_settings", "evaluate_talkers",
             "evaluate_players", "distil", "measure_reference", "tune", "evaluate_tuned")  # fmt: skip
FUNCTIONS = (*COMPUTING, "load_message", "load_meta_policy", *ON_THE_RUN)


@pytest.mark.parametrize("name", quick(ON_THE_RUN, [name for name in ON_THE_RUN if name != "Run"]))
def test_the_example_runs(name, folder):
    made = run_example(name)
    for kind in (key for key in ("path", "page") if key in made):
        assert made[kind].is_file()
    if name == "plot":
        assert set(made["figures"]) == {"run", "value_loss", "value_loss_evolution"}
        assert Path("value_loss.pdf").is_file()


@pytest.mark.slow
def test_agents_are_trained_and_play(folder):
    (trained,) = [run_example("train_agents")["trained"]]
    assert trained.lifetimes.final_return.shape == (4,)
    assert run_example("rollout")["played"].returns.shape == (1, 4)


def test_players_are_compared(folder):
    found = run_example("evaluate_players")["found"]
    assert list(found.frame()["player"]) == ["runs/mfos", "all_defect"]
    assert run_example("load_meta_policy")["logits"].shape == (5,)


@pytest.mark.slow
def test_objectives_are_compared(folder):
    found = run_example("evaluate")["found"]
    assert found.baseline == "ppo"
    assert set(found.summary()["objective"]) == {"ppo", "runs/first"}
    assert not list(folder.glob("**/cells"))


@pytest.mark.slow
def test_settings_are_searched_and_compared(place):
    found = run_example("tune")["found"]
    assert found.best().keys() == {"inner.ppo.learning_rate", "objective.clip_eps"}
    assert list(run_example("evaluate_tuned")["found"].summary()["objective"]) == ["ppo"] * 2


@pytest.mark.slow
def test_objectives_are_judged_over_settings(folder):
    found = run_example("evaluate_settings")["found"]
    assert {place.setting for place in found.places} == {"cleanrl", "sb3"}
    assert {"dpo", "runs/first"} < set(found.summary()["objective"])


@pytest.mark.slow
def test_talkers_are_compared_and_a_message_is_loaded(place):
    config = talk_config()
    config["inner"] |= {"env": "gymnax/CartPole-v1", "env_settings": {"max_steps_in_episode": 20}}
    metadisco.evolve(config, "runs/harm", overrides={"outer.num_generations": 1}, progress=False)
    found = run_example("evaluate_talkers")["found"]
    assert found.baseline == "none"
    assert set(found.summary()["objective"]) == {"none", "zero", "random:0", "runs/harm"}
    assert run_example("load_message")["functions"].message(np.zeros(4)).shape == (2,)


@pytest.mark.slow
def test_closed_forms_are_found(folder):
    found = run_example("distil")["found"]
    assert found["value"]["closest"] in found["value"]["forms"]


@pytest.mark.slow
def test_references_are_measured_and_the_file_is_left_alone(folder):
    before = Path("two.yaml").read_text()
    references = run_example("measure_reference")["references"]
    assert [set(each) for each in references] == [{"random", "ppo"}] * 2
    assert all(np.isfinite(list(each.values())).all() and each["ppo"] > each["random"] for each in references)
    assert Path("two.yaml").read_text() == before


@pytest.mark.parametrize("name", FUNCTIONS)
def test_help_says_what_every_argument_is(name):
    thing = getattr(metadisco, name)
    for argument in inspect.signature(thing).parameters:
        assert f"{argument}: " in thing.__doc__ or f"**{argument}: " in thing.__doc__, argument
