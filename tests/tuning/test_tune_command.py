"""`metadisco tune` from end to end, on an environment in which training takes no time."""

import json

import jax
import numpy as np
import pytest
from refusals import assert_refused

import metadisco
from metadisco.cli import main
from metadisco.config import parse_config, read_yaml
from metadisco.evaluation.lifetimes import CHOOSING, EVALUATION, PROPOSING, REPORTING, TUNING, seed_keys, train_agents
from metadisco.tuning.plan import make_plan
from metadisco.tuning.train import STREAMS, Trainer
from metadisco.tuning.trials import Job

ENV = "probes:rewarded_action"
PPO = {"num_envs": 2, "num_steps": 8, "num_env_steps": 64, "num_minibatches": 1, "num_epochs": 1, "hidden_sizes": [4]}
DATA = {
    "inner": {"env": ENV, "ppo": PPO},
    "outer": {"num_devices": 2},
    "space": {
        "inner.ppo.learning_rate": {"log": [1e-3, 1.0]},
        "objective.clip_eps": {"linear": [0.1, 0.4]},
    },
    "num_settings": 4,
    "batch": 4,
    "num_seeds": 2,
    "num_finalists": 2,
    "num_choice_seeds": 2,
    "num_report_seeds": 3,
}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """Return the output of a search by the command."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "space.json").write_text(json.dumps(DATA))
    assert main(["tune", str(folder / "space.json"), "--output", str(folder / "out"), "--quiet"]) == 0
    return folder / "out"


def test_everything_is_written(tuned):
    figures = {f"{name}.{kind}" for name in ("best_so_far", "settings", "pairs") for kind in ("png", "svg")}
    assert {path.name for path in (tuned / "figures").iterdir()} == figures | {"settings.html"}
    names = {"space.yaml", "trials.jsonl", "results.json", "best.yaml", "objective", "study.journal", "figures"}
    assert {path.name for path in tuned.iterdir()} == names
    results = json.loads((tuned / "results.json").read_text())
    assert results["agents"] == {"search": 8, "choice": 4, "report": 6}
    found = results["objectives"]["ppo"]
    assert len(found["envs"][ENV]["final_return"]["best"]) == 3
    assert found["best"].keys() == DATA["space"].keys()


def test_the_best_settings_are_a_config(tuned):
    best = json.loads((tuned / "results.json").read_text())["objectives"]["ppo"]["best"]
    config = parse_config(read_yaml(tuned / "best.yaml"))
    assert config.inner.env == ENV
    assert config.inner.ppo.learning_rate == best["inner.ppo.learning_rate"]
    objective = json.loads((tuned / "objective" / "artefact.json").read_text())["objective"]
    assert objective["settings"]["clip_eps"] == best["objective.clip_eps"]


@pytest.mark.slow
def test_train_takes_the_best_settings(tuned):
    words = ["train", "--objective", str(tuned / "objective"), "--config", str(tuned / "best.yaml"), "--quiet"]
    assert main([*words, "outer.num_devices=1"]) == 0


@pytest.mark.slow
def test_objectives_are_compared_at_their_own_settings(tuned, tmp_path):
    words = ["evaluate", "--tuned", str(tuned), "--seeds", "2", "--output", str(tmp_path / "out"), "--quiet"]
    assert main(words) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    best = json.loads((tuned / "results.json").read_text())["objectives"]["ppo"]["best"]
    (cell,) = results["cells"]
    assert cell["inner"]["ppo"]["learning_rate"] == best["inner.ppo.learning_rate"]
    assert cell["constants"] == {"clip_eps": best["objective.clip_eps"]}


def test_what_is_no_search_cannot_be_evaluated(capsys, place):
    assert_refused(["evaluate", "--tuned", "nowhere", "--output", "out"], ["--tuned", "nowhere"], capsys)
    assert_refused(["evaluate", "--tuned", "x", "--config", "y", "--output", "out"], ["--config", "--tuned"], capsys)


def test_a_second_command_gets_another_folder(tuned, tmp_path):
    with pytest.raises(metadisco.UserError, match="another search"):
        metadisco.tune(DATA, {"seed": 1}, output=tuned, progress=False)
    again = metadisco.tune(DATA, output=tuned, progress=False)
    assert again.best() == json.loads((tuned / "results.json").read_text())["objectives"]["ppo"]["best"]


@pytest.fixture(scope="module")
def trainer():
    return Trainer(make_plan(DATA))


@pytest.mark.slow
def test_agents_of_a_search_are_those_that_train_agents_trains():
    space = {**DATA["space"], "inner.ppo.num_steps": [8, 16]}
    plan = make_plan({**DATA, "space": space})
    rows = [(1e-3, 0.2, 16), (0.3, 0.3, 8), (1.0, 0.3, 16)]
    values = [dict(zip(space, (rate, eps, steps), strict=True)) for rate, eps, steps in rows]
    scores = Trainer(plan)(Job("search", "ppo", ENV, (0, 3), (0, 1, 2), tuple(values)))
    env = metadisco.make(ENV)
    for found, each in zip(scores, values, strict=True):
        objective = metadisco.ppo(clip_eps=each["objective.clip_eps"])
        ((lifetimes, _),) = train_agents(objective, env, [plan.config(ENV, each)], 3, TUNING)
        np.testing.assert_allclose(found["final_return"], lifetimes.final_return, rtol=1e-3)
        np.testing.assert_allclose(found["area_under_curve"], lifetimes.area_under_curve, rtol=1e-3)


@pytest.mark.slow
def test_further_seeds_are_those_behind_the_first_ones(trainer):
    values = ({"inner.ppo.learning_rate": 0.3},)
    (whole,) = trainer(Job("search", "ppo", ENV, (0, 6), (0,), values))
    parts = [trainer(Job("search", "ppo", ENV, seeds, (0,), values))[0] for seeds in ((0, 2), (2, 6))]
    for name, scores in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), scores)


@pytest.mark.slow
def test_a_program_is_compiled_once_for_all_batches(trainer):
    for number in range(3):
        values = tuple({"inner.ppo.learning_rate": 0.1 + 0.1 * each} for each in range(number + 1))
        trainer(Job("report", "ppo", ENV, (0, 4 + number), tuple(range(number + 1)), values))
    (program,) = trainer._programs.values()
    assert program._run._cache_size() == 1


def test_search_choice_report_and_evaluation_have_no_seed_in_common():
    streams = (*STREAMS.values(), PROPOSING, EVALUATION)
    assert set(STREAMS.values()) == {TUNING, CHOOSING, REPORTING}
    keys = [
        tuple(row) for stream in streams for row in np.asarray(jax.random.key_data(seed_keys(3, 64, stream))).tolist()
    ]
    assert len(set(keys)) == len(keys) == 64 * len(streams)
