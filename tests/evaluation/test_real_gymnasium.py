"""Agents have the same return in Gymnasium's environments as in those that they trained in."""

import json

import numpy as np
import pytest

from metadisco.cli import main

NUM_EPISODES = 100
SETTINGS = {
    "CartPole-v1": ["inner.ppo.num_env_steps=131072", "inner.ppo.learning_rate=1e-3"],
    "Pendulum-v1": [
        "inner.ppo.num_env_steps=131072", "inner.ppo.num_envs=8", "inner.ppo.num_steps=64", "inner.ppo.num_epochs=10",
        "inner.ppo.num_minibatches=8", "inner.ppo.learning_rate=2.5e-3", "inner.ppo.gamma=0.95",
        "inner.ppo.entropy_coef=0.0", "inner.ppo.policy=tanh_gaussian", "inner.ppo.normalise_rewards=true",
    ],
}  # fmt: skip
RANDOM = {"CartPole-v1": 22.0, "Pendulum-v1": -1230.0}
LEARNED = {"CartPole-v1": 300.0, "Pendulum-v1": -500.0}


def returns_of(path, output, *words):
    assert (
        main(["rollout", str(path), "--episodes", str(NUM_EPISODES), "--output", str(output), "--quiet", *words]) == 0
    )
    return np.asarray(json.loads(output.read_text())["returns"][0])


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_an_agent_gets_the_same_return_in_gymnasium(name, tmp_path):
    train = ["train", "--objective", "ppo", "--env", f"gymnax/{name}", "--quiet", "--save", str(tmp_path / "agent")]
    assert main([*train, "outer.num_devices=1", *SETTINGS[name]]) == 0
    ours = returns_of(tmp_path / "agent", tmp_path / "ours.json")
    theirs = returns_of(tmp_path / "agent", tmp_path / "theirs.json", "--gymnasium", name)
    assert ours.mean() > LEARNED[name]
    error = np.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / NUM_EPISODES)
    print(f"{name}: {ours.mean():.1f} here, {theirs.mean():.1f} in Gymnasium, standard error {error:.1f}")
    assert abs(ours.mean() - theirs.mean()) <= 4 * error
    assert 4 * error < 0.15 * (ours.mean() - RANDOM[name])  # so small a difference would be seen
