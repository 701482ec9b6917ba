"""Comparisons of a study, and its output."""

import subprocess
import sys

import jax
import pytest
from scripts import ROOT, scripts_of

from metadisco.config import parse_config
from metadisco.discoveries.published import FOLDER
from metadisco.parametrisations import ValueLoss
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

PARAMETRISATION = ValueLoss(hidden_sizes=(4,), start="random")
SECTION = {"name": "value_loss", "hidden_sizes": [4], "start": "random"}
PUBLISHED = "value_loss_cartpole"
START_JAX = """
import sys
sys.path[:0] = sys.argv[1:]
import lpo_drift, pilots, value_loss
from metadisco.outer.devices import start_jax
start_jax(2)
import jax
print(jax.device_count())
"""


def make_run(path):
    run = RunDirectory(path)
    run.create(parse_config({"parametrisation": SECTION, "inner": {"env": "gymnax/CartPole-v1"}}))
    for generation in (0, 2):
        run.write_centre(generation, to_arrays(PARAMETRISATION.init(jax.random.key(generation))))
    return str(path)


@pytest.fixture
def study(monkeypatch, tmp_path):
    """Return a function from words of the command line to the study that they ask for."""
    monkeypatch.chdir(tmp_path)
    with scripts_of("analysis") as load:
        module, plan = load("study"), load("value_loss").PLAN
        monkeypatch.setattr("sys.argv", ["value_loss.py"])

        def make(*words):
            parser = module.argparse.ArgumentParser()
            return module._study_of(module._with_options(parser).parse_args(words), plan)

        yield make


def test_forms_of_the_page_belong_to_what_is_published_and_are_up_to_date(study):
    made = study()
    assert made.forms.resolve() == FOLDER.resolve() / PUBLISHED / "distilled"
    assert made._is_distilled()


@pytest.mark.parametrize("words", [["--env", "gymnax/Acrobot-v1"], [f"{PUBLISHED}@640"], [f"{PUBLISHED}_1"]])
def test_forms_of_any_other_study_do_not(words, study, tmp_path):
    made = study(*words, "--output", "there")
    assert made.forms == made.output / "distilled" and not made._is_distilled()


def test_a_run_is_studied_where_it_was_asked_for(study, tmp_path):
    made = study(make_run(tmp_path / "run"), "--output", "there")
    assert (made.forms, made.env, made.held_out) == (made.output / "distilled", "gymnax/CartPole-v1", ())


def test_the_start_of_a_generation_is_that_of_its_run(study, tmp_path):
    run = make_run(tmp_path / "run")
    for name in (run, f"{run}@2"):
        assert study(name, "--output", "there").contenders()[f"{run}@0"] == "start of the search"


@pytest.mark.parametrize("name", ["ppo", "squared_error"])
def test_a_run_that_is_called_as_a_baseline_is_not_taken_for_it(name, study, tmp_path):
    run = make_run(tmp_path / name)
    contenders = study(run, "--output", "there").contenders()
    assert len(set(contenders.values())) == len(contenders)
    assert contenders[run] in (run, f"{name} (learned)")


@pytest.mark.parametrize(
    "words", [["", "--output", "there"], ["none", "--output", "there"], [PUBLISHED, "--seeds", "0"]]
)
def test_what_cannot_be_studied_is_refused(words, study):
    with pytest.raises(ValueError, match=r"got|no objective"):
        study(*words)


def test_something_else_by_the_name_of_a_discovery_is_not_taken_for_it(study, tmp_path):
    make_run(tmp_path / PUBLISHED)
    with pytest.raises(ValueError, match="something else by that name"):
        study()


@pytest.mark.slow
def test_studies_leave_it_to_commands_to_start_jax():
    folders = [str(ROOT / "analysis"), str(ROOT / "experiments")]
    done = subprocess.run([sys.executable, "-c", START_JAX, *folders], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2"]


@pytest.mark.slow
def test_objectives_are_tuned_on_the_same_grid_and_judged_on_the_same_seeds(monkeypatch, tmp_path):
    ppo = {"num_envs": 2, "num_steps": 8, "num_env_steps": 64, "num_minibatches": 1, "hidden_sizes": [4]}
    env = "probes:rewarded_action"
    config = parse_config({"inner": {"env": env, "ppo": ppo}, "outer": {"num_devices": 2}})
    grid = {"learning_rate": (1e-3, 0.3), "gamma": (0.9,)}
    with scripts_of("analysis") as load:
        tuning = load("tuning")
        monkeypatch.setattr(tuning, "NUM_SEEDS", 2)
        rows = [tuning.tuned_rows({"ppo": "PPO", "dpo": "DPO"}, env, config, grid, 3, tmp_path) for _ in range(2)]
    assert rows[0] == rows[1]
    assert [row[0] for row in rows[0]] == ["PPO", "DPO"]
    assert rows[0][0][1] in ("learning_rate 0.001, gamma 0.9", "learning_rate 0.3, gamma 0.9")
    assert rows[0][0][3] == "" != rows[0][1][3]
