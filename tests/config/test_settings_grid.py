"""Grids of PPO settings as files describe them, and the defaults of other libraries."""

import dataclasses

import pytest

from metadisco.config import EVALUATION_SETTINGS, PPOConfig, build_settings
from metadisco.config.presets import PRESETS
from metadisco.config.settings_grid import settings_grid
from metadisco.errors import UserError

CLEANRL = {
    "num_envs": 4, "num_steps": 128, "num_epochs": 4, "num_minibatches": 4, "learning_rate": 2.5e-4,
    "anneal_learning_rate": True, "gamma": 0.99, "gae_lambda": 0.95, "value_coef": 0.5, "entropy_coef": 0.01,
    "max_grad_norm": 0.5, "adam_eps": 1e-5, "hidden_sizes": (64, 64), "activation": "tanh",
    "normalise_observations": False, "normalise_rewards": False,
}  # fmt: skip
CLEANRL_CONTINUOUS = CLEANRL | {
    "num_envs": 1, "num_steps": 2048, "num_epochs": 10, "num_minibatches": 32, "learning_rate": 3e-4,
    "entropy_coef": 0.0, "normalise_observations": True, "normalise_rewards": True,
    "observation_clip": 10.0, "reward_clip": 10.0, "policy": "gaussian",
}  # fmt: skip
SB3 = CLEANRL | {
    "num_envs": 1, "num_steps": 2048, "num_epochs": 10, "num_minibatches": 32, "learning_rate": 3e-4,
    "anneal_learning_rate": False, "entropy_coef": 0.0,
}  # fmt: skip
PUREJAXRL_CONTINUOUS = SB3 | {
    "num_envs": 2048, "num_steps": 10, "num_epochs": 4, "num_minibatches": 32, "hidden_sizes": (256, 256),
    "normalise_observations": True, "normalise_rewards": True,
}  # fmt: skip
EXPECTED = {
    "cleanrl": (CLEANRL, CLEANRL_CONTINUOUS), "purejaxrl": (CLEANRL, PUREJAXRL_CONTINUOUS), "sb3": (SB3, SB3),
}  # fmt: skip
FIELDS = {field.name for field in dataclasses.fields(PPOConfig)}


@pytest.mark.parametrize("name", PRESETS)
def test_named_defaults_are_those_of_the_library(name):
    for preset, expected in zip(PRESETS[name], EXPECTED[name], strict=True):
        ppo = build_settings(PPOConfig, preset)
        assert {key: getattr(ppo, key) for key in expected} == expected


@pytest.mark.parametrize("name", PRESETS)
def test_named_defaults_leave_only_lifetime_and_evaluation_open(name):
    for preset in PRESETS[name]:
        assert FIELDS - set(preset) == {"num_env_steps", *EVALUATION_SETTINGS}


def test_cleanrls_defaults_are_ours():
    assert build_settings(PPOConfig, PRESETS["cleanrl"].discrete) == PPOConfig()


def test_points_are_names_sections_and_grids():
    shapes = [{"name": "4 × 128", "inner.ppo.num_envs": 4}, {"name": "64 × 32", "inner.ppo.num_envs": 64}]
    grid = settings_grid(
        {
            "settings": [
                "sb3",
                {"name": "fast", "from": "cleanrl", "inner.ppo.learning_rate": 5e-3},
                {"grid": {"rollout": shapes, "inner.ppo.num_epochs": [4, 10]}, "inner.ppo.gamma": 0.9},
            ],
            "lifetimes": [32_768, 2e5],
        }
    )
    assert [point.name for point in grid.points] == [
        "sb3", "fast", "4 × 128, num_epochs 4", "4 × 128, num_epochs 10", "64 × 32, num_epochs 4",
        "64 × 32, num_epochs 10",
    ]  # fmt: skip
    assert [point.preset for point in grid.points] == ["sb3", "cleanrl", None, None, None, None]
    assert grid.points[-1].values == {"inner.ppo.gamma": 0.9, "inner.ppo.num_envs": 64, "inner.ppo.num_epochs": 10}
    assert grid.lifetimes == (32_768, 200_000)
    assert grid.control == (0.25, 0.5, 2.0, 4.0)


SCALE = {"env": "gymnax/X", "lifetime": 64, "score": "final_return", "random": 0.0, "tuned": 1.0}
REFUSED = {
    "no section": ({}, ["no point"]),
    "no point": ({"settings": []}, ["no point"]),
    "an unknown section": ({"setings": []}, ["setings", "'settings'"]),
    "an unknown name": ({"settings": ["cleanr"]}, ["'cleanr'", "did you mean 'cleanrl'"]),
    "a name twice": ({"settings": ["sb3", "sb3"]}, ["'sb3' twice"]),
    "a point of a grid twice": ({"settings": [{"grid": {"inner.ppo.gamma": [0.9, 0.9]}}]}, ["twice"]),
    "settings without a name": ({"settings": [{"inner.ppo.gamma": 0.9}]}, ["`name`"]),
    "an unknown key": ({"settings": [{"name": "a", "inner.ppo.gama": 0.9}]}, ["gama", "inner.ppo.gamma"]),
    "a key of another section": ({"settings": [{"name": "a", "seed": 1}]}, ["'seed'"]),
    "no list in a grid": ({"settings": [{"grid": {"inner.ppo.gamma": 0.9}}]}, ["inner.ppo.gamma", "a list"]),
    "a list for a section": ({"settings": {"name": "a"}}, ["a list"]),
    "a lifetime that is none": ({"settings": ["sb3"], "lifetimes": [0.5]}, ["0.5", "environment steps"]),
    "a lifetime twice": ({"settings": ["sb3"], "lifetimes": [64, 64]}, ["64 twice"]),
    "two lifetimes": (
        {"settings": [{"name": "a", "inner.ppo.num_env_steps": 64}], "lifetimes": [64]},
        ["num_env_steps", "`lifetimes`"],
    ),
    "an unknown suite": ({"settings": ["sb3"], "envs": {"gymnx/CartPole-v1": {}}}, ["gymnx", "'gymnax'"]),
    "an unknown key of an environment": ({"settings": ["sb3"], "envs": {"gymnax/X": {"inner.ppo.gama": 1}}}, ["gama"]),
    "a scale upside down": (
        {"settings": ["sb3"], "scale": [{**SCALE, "random": 2.0}]}, ["scale", "tuned"],
    ),
    "a score that is none": (
        {"settings": ["sb3"], "scale": [{**SCALE, "score": "auc"}]}, ["scale.score"],
    ),
    "a control that is the baseline": ({"settings": ["sb3"], "control": [1]}, ["control"]),
    "a control that is no list": ({"settings": ["sb3"], "control": 2}, ["control"]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "told"), REFUSED.values(), ids=REFUSED)
def test_what_describes_no_grid_is_refused(data, told):
    with pytest.raises(UserError) as refused:
        settings_grid(data)
    sentence = str(refused.value)
    assert sentence.startswith("settings: ")
    for part in told:
        assert part in sentence
