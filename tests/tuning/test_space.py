"""Spaces that cannot be searched are refused in one sentence, before anything is trained."""

from pathlib import Path

import pytest
from refusals import assert_refused

from metadisco.config import read_yaml, write_yaml
from metadisco.config.text import parse_yaml
from metadisco.errors import UserError
from metadisco.tuning.plan import make_plan

ROOT = Path(__file__).parents[2]
LR = "inner.ppo.learning_rate"
RANGES = {
    "an empty space": ({}, ["space"]),
    "an inverted range": ({LR: {"log": [1e-2, 1e-4]}}, [LR, "smaller number first"]),
    "a range of one number": ({LR: {"linear": [0.1, 0.1]}}, [LR]),
    "a log range through zero": ({LR: {"log": [0, 1e-2]}}, [LR, "above 0"]),
    "a setting that does not exist": ({"inner.ppo.lerning_rate": {"log": [1e-4, 1e-2]}}, [LR]),
    "a setting without its section": ({"learning_rate": {"log": [1e-4, 1e-2]}}, [LR]),
    "two ranges for one key": ({LR: {"log": [1e-4, 1e-2], "linear": [0, 1]}}, [LR, "log and linear"]),
    "a range of an unknown kind": ({LR: {"lgo": [1e-4, 1e-2]}}, [LR, "'log'"]),
    "a range of text": ({LR: {"log": ["a", "b"]}}, [LR, "two numbers"]),
    "a range of three": ({LR: {"log": [1, 2, 3]}}, [LR, "two numbers"]),
    "a bare value": ({LR: 1e-3}, [LR]),
    "no choice": ({LR: []}, [LR]),
    "a choice twice": ({LR: [1e-3, 1e-3]}, [LR, "twice"]),
    "a choice of the wrong kind": ({"inner.ppo.activation": ["tanh", "gelu"]}, ["activation", "gelu"]),
    "a range beyond the allowed one": ({"inner.ppo.gamma": {"linear": [0.5, 1.5]}}, ["gamma", "1.5"]),
    "a range where a program is compiled": ({"inner.ppo.adam_eps": {"log": [1e-8, 1e-4]}}, ["adam_eps", "choices"]),
    "fractions of epochs": ({"inner.ppo.num_epochs": {"whole": [0.5, 2]}}, ["num_epochs", "whole numbers"]),
    "too many programs": ({"inner.ppo.num_steps": {"whole": [1, 5000]}}, ["5,000", "1000"]),
    "impossible minibatches": (
        {"inner.ppo.num_envs": [4, 5], "inner.ppo.num_steps": [128, 3]}, ["num_minibatches", "num_steps 3"],
    ),
    "the length of a lifetime": ({"inner.ppo.num_env_steps": [1000, 2000]}, ["num_env_steps"]),
    "a constant of nobody": ({"objective.alpha": {"linear": [1, 2]}}, ["objective.alpha"]),
    "a constant out of range": ({"objective.clip_eps": {"linear": [-1, 0.2]}}, ["clip_eps", "-1"]),
    "a constant for another": ({"objective.clip_eps": {"linear": [0.1, 0.2], "for": "dpo"}}, ["for", "dpo"]),
    "a setting that is no text": ({LR: {"log": [1e-4, 1e-2], "for": 3}}, ["for", "3"]),
}  # fmt: skip


@pytest.mark.parametrize("case", RANGES)
def test_a_space_that_cannot_be_searched_is_refused(case, capsys, place):
    space, told = RANGES[case]
    (place / "space.yaml").write_text(write_yaml({"space": space}))
    assert_refused(["tune", "space.yaml", "--output", "out"], told, capsys)
    assert list(place.iterdir()) == [place / "space.yaml"]


SETTINGS = {
    "num_settings=0": ["num_settings"],
    "num_seeds=0": ["num_seeds"],
    "batch=0": ["batch"],
    "sampler=tpo": ["sampler", "tpe"],
    "sampler=grid": ["grid", LR],
    "sampler=cma_es batch=2": ["batch", "4"],
    "lifetime=2": ["lifetime"],
    "lifetime=1e-9": ["num_env_steps"],
    "score=area": ["score", "area_under_curve"],
    "halving={num_seeds: [8, 2]}": ["halving.num_seeds"],
    "halving={keep: 1}": ["halving.keep"],
    "halving={} num_seeds=2": ["num_seeds", "halving"],
    "objectives=[ppo, ppo]": ["objectives", "twice"],
    "objectives=[pppo]": ["pppo"],
    "objectives=[]": ["objectives"],
    "envs=[CartPole-v1]": ["envs", "gymnax/CartPole-v1"],
    "inner.ppo.num_env=3": ["num_env", "num_envs"],
    "outer.num_generations=3": ["outer.num_generations"],
    "num_setings=3": ["num_setings", "num_settings"],
    "space.gamma=3": ["space.gamma"],
    "config=nowhere.yaml": ["config", "nowhere.yaml"],
}


@pytest.mark.parametrize("words", SETTINGS)
def test_settings_that_cannot_be_searched_are_refused(words, capsys, place):
    (place / "space.yaml").write_text(write_yaml({"space": {LR: {"log": [1e-4, 1e-2]}}}))
    given = words.replace(" batch", "\nbatch").replace(" num_seeds=", "\nnum_seeds=").split("\n")
    assert_refused(["tune", "space.yaml", *given, "--output", "out"], SETTINGS[words], capsys)
    assert list(place.iterdir()) == [place / "space.yaml"]


def test_two_ranges_under_the_same_key_are_refused(capsys, place):
    (place / "space.yaml").write_text(f"space:\n  {LR}: [1e-3]\n  {LR}: [1e-2]\n")
    assert_refused(["tune", "space.yaml", "--output", "out"], ["YAML"], capsys)


def test_a_folder_that_cannot_be_made_is_refused(capsys, place):
    (place / "space.yaml").write_text(write_yaml({"space": {LR: {"log": [1e-4, 1e-2]}}}))
    assert_refused(["tune", "space.yaml", "--output", "space.yaml/out"], ["--output"], capsys)


def test_refusals_do_not_import_optuna(place):
    import subprocess
    import sys

    (place / "space.yaml").write_text("space: {}\n")
    code = (
        "import sys\nfrom metadisco.cli import main\n"
        "assert main(['tune', 'space.yaml', '--output', 'out']) == 2\nassert 'optuna' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_resolved_space_resolves_to_itself():
    from metadisco.config import to_plain

    data = {"space": {LR: {"log": [1e-4, 1e-2]}}, "config": "lpo_drift_classic", "lifetime": 0.5}
    plan = make_plan(data)
    assert len(plan.configs) == 3
    assert make_plan(to_plain(plan.space)).space == plan.space


def test_settings_that_differ_between_environments_stay(place):
    envs = [{"env": "gymnax/CartPole-v1", "ppo": {"gamma": 0.9}}, {"env": "gymnax/Acrobot-v1"}]
    plan = make_plan({"space": {LR: [1e-3, 1e-2]}, "inner": {"envs": envs}, "seed": 7})
    configs = [plan.config(env, {LR: 1e-2}) for env in plan.configs]
    assert [each.inner.ppo.gamma for each in configs] == [0.9, 0.99]
    assert {each.inner.ppo.learning_rate for each in configs} == {1e-2}
    assert {each.seed for each in configs} == {7}


def test_no_objective_without_a_range():
    with pytest.raises(UserError, match="dpo"):
        make_plan({"space": {"objective.clip_eps": {"linear": [0.1, 0.2]}}, "objectives": ["ppo", "dpo"]})


@pytest.mark.parametrize(
    ("name", "origin", "num_env_steps"),
    [
        ("cartpole_acrobot", None, 32_768),
        ("three_objectives", "lpo_drift_classic", 32_768),
        ("constants_cartpole", "experiments/schedules/cartpole.yaml", 32_768),
        ("constants_acrobot", "experiments/schedules/acrobot.yaml", 49_152),
    ],
)
def test_spaces_of_the_experiments_can_be_searched(name, origin, num_env_steps, monkeypatch):
    monkeypatch.chdir(ROOT)
    plan = make_plan(read_yaml(ROOT / "experiments" / "tuning" / f"{name}.yaml"))
    assert plan.origin == origin
    assert {each.inner.ppo.num_env_steps for each in plan.configs.values()} == {num_env_steps}


def test_the_documented_space_can_be_searched():
    page = (ROOT / "docs" / "interfaces.md").read_text()
    data = parse_yaml(page.split("### `metadisco tune`")[1].split("```yaml\n")[1].split("```")[0])
    plan = make_plan(data)
    assert "objective.clip_eps" in [each.key for each in plan.ranges["ppo"]]
    assert "objective.clip_eps" not in [each.key for each in plan.ranges["dpo"]]
