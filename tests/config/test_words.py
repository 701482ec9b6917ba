"""Settings in words, which must suffice to reproduce the training."""

import dataclasses

import pytest

from metadisco.config import EVALUATION_SETTINGS, PPOConfig, describe_tasks, parse_config

OTHERS = {
    "num_envs": 8,
    "num_steps": 64,
    "num_env_steps": 1024,
    "num_epochs": 2,
    "num_minibatches": 2,
    "learning_rate": 1e-3,
    "anneal_learning_rate": False,
    "adam_b1": 0.5,
    "adam_b2": 0.99,
    "adam_eps": 1e-8,
    "max_grad_norm": None,
    "gamma": 0.9,
    "gae_lambda": 0.9,
    "value_coef": 1.0,
    "entropy_coef": 0.0,
    "normalise_advantages": "batch",
    "bootstrap_on_truncation": False,
    "hidden_sizes": [32],
    "value_hidden_sizes": [256, 256],
    "activation": "relu",
    "initialisation": "lecun_uniform",
    "shared_torso": True,
    "policy": "tanh_gaussian",
    "normalise_observations": True,
    "observation_clip": 5.0,
    "normalise_rewards": True,
    "reward_clip": 5.0,
    "reward_scale": 0.1,
}
"""A value of each setting that is not the default."""


def described(**ppo):
    common, [(_, words)] = describe_tasks(parse_config({"inner": {"ppo": ppo}}).inner.tasks)
    assert common == []
    return words


def test_each_setting_that_agents_learn_by_makes_a_difference():
    assert {field.name for field in dataclasses.fields(PPOConfig)} == {*OTHERS, *EVALUATION_SETTINGS}
    plain = described()
    for key, value in OTHERS.items():
        assert described(**{key: value}) != plain, key


def test_how_fitness_is_measured_makes_none():
    assert described(num_evaluations=3, num_evaluation_episodes=2, deterministic_evaluation=True) == described()


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("policy", "policy tanh_gaussian"),
        ("bootstrap_on_truncation", "bootstrap_on_truncation false"),
        ("value_hidden_sizes", "value_hidden_sizes 256-256"),
        ("adam_eps", "adam_eps 1e-08"),
    ],
)
def test_what_is_rarely_set_is_there_by_its_key_where_it_was_set(key, told):
    assert described(**{key: OTHERS[key]})[-1] == told
    assert not any(key in words for words in described())


def test_networks_are_always_there():
    assert "hidden layers 64-64 tanh" in described()
    assert "hidden layers 32 relu" in described(hidden_sizes=[32], activation="relu")


def test_what_one_environment_alone_has_is_said_of_it_alone():
    envs = [{"env": "gymnax/CartPole-v1"}, {"env": "gymnax/Pendulum-v1", "ppo": {"policy": "tanh_gaussian"}}]
    common, each = describe_tasks(parse_config({"inner": {"envs": envs}}).inner.tasks)
    assert "hidden layers 64-64 tanh" in common
    assert [[word for word in words if "policy" in word] for _, words in each] == [[], ["policy tanh_gaussian"]]
