"""Trained agents are saved, loaded and rolled out; damaged files are refused."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from masked_env import NUMS, masked_env
from refusals import assert_refused

from metadisco import UserError, load_policy
from metadisco.cli import main
from metadisco.config import parse_config
from metadisco.discoveries.agents import _interface, load_agents, save_agents
from metadisco.inner.envs import Box, Discrete, MultiDiscrete
from metadisco.inner.networks import make_agent
from metadisco.inner.normalise import init_statistics
from metadisco.inner.policy import Policy

NUM_AGENTS = 3
SETTINGS = [
    "inner.ppo.num_env_steps=1024", "inner.ppo.num_steps=32", "inner.ppo.hidden_sizes=[8]",
    "inner.ppo.learning_rate=0.01",
    "inner.ppo.num_evaluation_episodes=2", "outer.num_devices=1",
]  # fmt: skip
ENVS = {"discrete": "gymnax/CartPole-v1", "continuous": "gymnax/Pendulum-v1"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Agents by kind of action space: in a folder and in a zip file."""
    folder = tmp_path_factory.mktemp("agents")
    words = ["train", "--objective", "dpo", "--seeds", str(NUM_AGENTS), "--quiet", *SETTINGS]
    assert main([*words, "--env", ENVS["discrete"], "--save", str(folder / "discrete")]) == 0
    more = ["inner.ppo.normalise_observations=true", "inner.ppo.policy=tanh_gaussian"]
    assert main([*words, *more, "--env", ENVS["continuous"], "--save", str(folder / "continuous.zip")]) == 0
    return {"discrete": folder / "discrete", "continuous": folder / "continuous.zip"}


def play(capsys, tmp_path, *words):
    assert main(["rollout", *map(str, words), "--output", str(tmp_path / "out.json"), "--force"]) == 0
    table = capsys.readouterr().out
    return json.loads((tmp_path / "out.json").read_text()), table


@pytest.mark.parametrize("kind", ENVS)
def test_what_is_read_says_where_and_how_the_agents_were_trained(saved, kind):
    agents = load_agents(saved[kind])
    assert (agents.env, agents.objective) == (ENVS[kind], "dpo")
    assert agents.ppo.hidden_sizes == (8,) and agents.ppo.num_env_steps == 1024
    assert agents.interface.obs_shape == {"discrete": (4,), "continuous": (3,)}[kind]
    assert agents.final_return.shape == (NUM_AGENTS,)
    assert np.isfinite(agents.final_return).all()


def test_observation_statistics_are_kept(saved):
    statistics = load_agents(saved["continuous"]).policies.observation_statistics
    assert (statistics.num_samples == 1024).all()
    assert (statistics.variance != 1).all()


@pytest.mark.parametrize("kind", ENVS)
def test_a_policy_acts_on_one_observation_or_many(saved, kind):
    act = load_policy(saved[kind], agent=1)
    shape = load_agents(saved[kind]).interface.obs_shape
    obs = np.random.default_rng(0).normal(size=(5, *shape)).astype(np.float32)
    many = act(obs)
    np.testing.assert_allclose(many[2], act(obs[2]), rtol=1e-6)
    assert act(obs, jax.random.key(0)).shape == many.shape
    if kind == "continuous":
        assert (jnp.abs(many) <= 2).all()
        assert (act(obs, jax.random.key(0)) != act(obs, jax.random.key(1))).all()


def test_without_a_key_the_most_likely_action_is_taken(saved):
    act = load_policy(saved["discrete"])
    obs = jnp.ones((2000, 4))
    counts = np.bincount(act(obs, jax.random.key(0)))
    assert (act(obs) == counts.argmax()).all()
    assert counts.min() > 0


@pytest.mark.parametrize("kind", ENVS)
def test_agents_play_where_they_were_trained(saved, kind, capsys, tmp_path):
    result, table = play(capsys, tmp_path, saved[kind], "--episodes", 4)
    returns = np.asarray(result["returns"])
    assert returns.shape == (NUM_AGENTS, 4)
    assert len(set(returns.ravel().tolist())) > 1
    assert f"dpo on {ENVS[kind]}, 4 episodes each" in table
    assert result["final_return"] == load_agents(saved[kind]).final_return.tolist()


def test_the_same_seed_plays_the_same_episodes(saved, capsys, tmp_path):
    first, again, other = (
        play(capsys, tmp_path, saved["discrete"], "--episodes", 4, "--seed", seed)[0]["returns"] for seed in (0, 0, 1)
    )
    assert first == again != other


def test_one_agent_can_be_chosen(saved, capsys, tmp_path):
    result, _ = play(capsys, tmp_path, saved["discrete"], "--agent", 2, "--episodes", 3, "--deterministic")
    assert result["agents"] == [2]
    assert len(result["returns"]) == 1
    assert result["final_return"] == load_agents(saved["discrete"]).final_return.tolist()[2:]


def test_agents_play_in_gymnasium(saved, capsys, tmp_path):
    words = (saved["discrete"], "--gymnasium", "CartPole-v1", "--episodes", 3)
    result, table = play(capsys, tmp_path, *words)
    assert np.asarray(result["returns"]).shape == (NUM_AGENTS, 3)
    assert "Gymnasium's CartPole-v1" in table
    assert play(capsys, tmp_path, *words)[0] == result


REFUSED = {
    "no agents": (["nowhere"], "'nowhere' holds no trained agents"),
    "agent": (["AGENTS", "--agent", "3"], "agent: got 3, allowed: 0 to 2"),
    "episodes": (["AGENTS", "--episodes", "0"], "--episodes: got 0, allowed: 1 to"),
    "seed": (["AGENTS", "--seed", "-1"], "--seed: got -1, allowed: 0 to"),
    "both": (["AGENTS", "--env", "gymnax/CartPole-v1", "--gymnasium", "CartPole-v1"], "--gymnasium: got 'CartPole-v1'"),
    "other observations": (["AGENTS", "--env", "gymnax/Acrobot-v1"], "--env: gymnax/Acrobot-v1 has observations (6,)"),
    "other in gymnasium": (["AGENTS", "--gymnasium", "Acrobot-v1"], "--gymnasium: Acrobot-v1 has observations (6,)"),
    "unknown in gymnasium": (["AGENTS", "--gymnasium", "Kartpole-v7"], "--gymnasium: got 'Kartpole-v7'"),
    "none in gymnasium": (["AGENTS", "--gymnasium", ""], "--gymnasium: got ''"),
    "two colons": (["AGENTS", "--gymnasium", "gy:Start-v0:b"], "--gymnasium: got 'gy:Start-v0:b'"),
    "no module": (["AGENTS", "--gymnasium", ":X"], "--gymnasium: got ':X'"),
    "a relative module": (["AGENTS", "--gymnasium", ".x:X-v0"], "--gymnasium: got '.x:X-v0'"),
    "nothing of a module": (["AGENTS", "--gymnasium", "json:"], "--gymnasium: got 'json:'"),
    "unknown module": (["AGENTS", "--gymnasium", "no_such:X-v0"], "--gymnasium: got 'no_such:X-v0'"),
    "unknown environment": (["AGENTS", "--env", "gymnax/Kartpole-v7"], "Kartpole-v7"),
    "output": (["AGENTS", "--output", "."], "--output: '.' is a directory"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_played_is_refused(saved, name, capsys):
    words, message = REFUSED[name]
    given = ["rollout", *(str(saved["discrete"]) if word == "AGENTS" else word for word in words)]
    assert_refused(given, [message], capsys)


def test_a_grid_is_not_kept(tmp_path, capsys):
    words = ["train", "--objective", "ppo", "--env", ENVS["discrete"], "--save", str(tmp_path / "agents")]
    assert_refused([*words, "inner.ppo.gamma=[0.9,0.99]"], ["--save: got a grid of 2 settings"], capsys)
    assert not (tmp_path / "agents").exists()


def test_agents_are_not_put_beside_something_else(tmp_path, capsys):
    (tmp_path / "precious.txt").write_text("kept")
    words = ["train", "--objective", "ppo", "--env", ENVS["discrete"], "--save", str(tmp_path)]
    assert_refused(words, ["holds something else"], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_damaged_agents_are_refused(saved, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("agents.json", "arrays.npz"):
        content = (saved["discrete"] / name).read_bytes()
        damages = [content[: len(content) // 2], b"", content + b"x"]
        for place in rng.integers(0, len(content), 20):  # no digit stays one
            damages.append(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        for number, damaged in enumerate(damages):
            copy = tmp_path / f"{name}_{number}"
            shutil.copytree(saved["discrete"], copy)
            (copy / name).write_bytes(damaged)
            with pytest.raises(UserError) as refusal:
                load_agents(copy)
            assert str(copy) in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("nums", [pytest.param(None, marks=pytest.mark.slow), NUMS])
def test_agents_that_choose_legal_actions_are_kept_as_such(nums, tmp_path, getkey):
    env = masked_env(nums=nums)
    config = parse_config({"inner": {"env": "masked_env:masked_env", "ppo": {"hidden_sizes": [4]}}})
    params = jax.vmap(make_agent(env, config.inner.tasks[0].ppo).init)(jax.random.split(getkey(), 2))
    statistics = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), init_statistics(env.obs_shape))
    save_agents(tmp_path / "agents", env, config, "ppo", np.zeros(2), Policy(params, statistics))
    interface = load_agents(tmp_path / "agents").interface
    assert interface == (env.obs_shape, env.action_space, env.indicators)
    act, sizes = load_policy(tmp_path / "agents", agent=1), nums or (4,)
    last = jnp.concatenate([jnp.eye(size)[size - 1] for size in sizes])  # only the last action of each is legal
    wanted = np.asarray([size - 1 for size in sizes]) if nums else sizes[0] - 1
    for key in (None, getkey()):
        chosen = act(jnp.broadcast_to(jnp.append(jnp.ones(4), last), (9, *env.obs_shape)), key)
        np.testing.assert_array_equal(chosen, np.broadcast_to(wanted, chosen.shape))


SPACES = {
    "discrete": ({"num_actions": 2}, Discrete(2)),
    "masked": ({"num_actions": 2, "masked": True}, Discrete(2, masked=True)),
    "several": ({"nums": [2, 1]}, MultiDiscrete((2, 1))),
    "several, masked": ({"nums": [2, 1], "masked": True}, MultiDiscrete((2, 1), masked=True)),
    "a box": ({"low": [-1.0], "high": [1]}, Box(np.array([-1], np.float32), np.array([1], np.float32))),
    "none": ({"nums": []}, "action_space must have"),
    "no number": ({"nums": [True]}, "action_space must have"),
    "a mask of one": ({"num_actions": 2, "masked": 1}, "action_space must have"),
    "only a mask": ({"num_actions": 6, "masked": True}, "longer than the mask"),
}


@pytest.mark.parametrize("name", SPACES)
def test_an_action_space_is_read_or_refused(name):
    stored, expected = SPACES[name]
    data = {"obs_shape": [6], "action_space": stored, "indicators": [[0, 3]]}
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            _interface(data, "agents.json")
    else:
        assert _interface(data, "agents.json") == ((6,), expected, ((0, 3),))


@pytest.mark.parametrize("indicators", [3, [1], [[0]], [[0.0, 1]], [[-1, 2]], [[2, 2]], [[0, 5]]])
def test_indicators_that_cannot_be_are_refused(indicators):
    data = {"obs_shape": [6], "action_space": {"num_actions": 2, "masked": True}, "indicators": indicators}
    with pytest.raises(UserError, match=r"agents\.json: indicators must be"):
        _interface(data, "agents.json")
