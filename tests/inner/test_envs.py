"""The contract of an environment, on toy dynamics and on every environment of gymnax."""

import importlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from env_contract import assert_contract, play
from quick import quick

from metadisco.errors import UserError
from metadisco.inner import envs
from metadisco.inner.envs import Box, Discrete, auto_reset

LIMIT = 4
OF_EACH_KIND = ("CartPole-v1", "Pendulum-v1", "Breakout-MinAtar", "Catch-bsuite", "FourRooms-misc")


@pytest.fixture(scope="module")
def counter():
    """Counts up from a random start below 1; terminates when the count passes the action."""

    def reset(key):
        obs = jax.random.uniform(key, (1,))
        return obs, obs

    def step(key, state, action):
        return state + 1, state + 1, state[0], state[0] + 1 > action

    return auto_reset(reset, step, obs_shape=(1,), action_space=Discrete(9), episode_length=LIMIT)


def test_within_an_episode_the_final_observation_is_the_observation(counter, getkey):
    first, steps = play(counter, getkey(), jnp.full(3, 8))
    np.testing.assert_allclose(steps.obs[:, 0], first[0] + np.arange(1, 4), rtol=1e-6)
    np.testing.assert_array_equal(steps.obs, steps.final_obs)
    assert not (steps.terminated | steps.truncated).any()


def test_an_ended_episode_keeps_its_final_observation_and_starts_a_new_one(counter, getkey):
    first, steps = play(counter, getkey(), jnp.array([8, 1, 8]))
    np.testing.assert_array_equal(steps.terminated, [False, True, False])
    np.testing.assert_array_equal(steps.truncated, [False, False, False])
    np.testing.assert_allclose(steps.final_obs[1], first + 2, rtol=1e-6)
    np.testing.assert_allclose(steps.reward[1], first[0] + 1, rtol=1e-6)
    assert 0 <= steps.obs[1, 0] < 1
    assert steps.obs[1, 0] != first[0]  # reset met a key of its own
    np.testing.assert_allclose(steps.final_obs[2], steps.obs[1] + 1, rtol=1e-6)


def test_the_time_limit_truncates_without_terminating_and_counts_anew_in_each_episode(counter, getkey):
    first, steps = play(counter, getkey(), jnp.full(2 * LIMIT + 1, 8))
    ends = np.arange(1, 2 * LIMIT + 2) % LIMIT == 0
    np.testing.assert_array_equal(steps.truncated, ends)
    assert not steps.terminated.any()
    np.testing.assert_allclose(steps.final_obs[LIMIT - 1], first + LIMIT, rtol=1e-6)
    assert (steps.obs[ends] < 1).all()


def test_the_limit_counts_from_the_start_of_the_episode(counter, getkey):
    _, steps = play(counter, getkey(), jnp.array([8, 1] + [8] * LIMIT))
    np.testing.assert_array_equal(steps.truncated, [False] * (LIMIT + 1) + [True])


def test_both_flags_are_true_where_termination_and_time_limit_coincide(counter, getkey):
    _, steps = play(counter, getkey(), jnp.array([8, 8, 8, 3]))
    np.testing.assert_array_equal(steps.terminated, [False, False, False, True])
    np.testing.assert_array_equal(steps.truncated, [False, False, False, True])


def test_an_environment_of_plain_dynamics_keeps_the_contract(counter):
    assert_contract(counter)


@pytest.mark.parametrize("name", quick(envs.names("gymnax"), OF_EACH_KIND))
def test_every_listed_environment_of_gymnax_keeps_the_contract(name):
    assert_contract(envs.make(f"gymnax/{name}"))


def test_gymnax_is_offered_whole_but_for_what_downloads_data():
    from gymnax.registration import registered_envs

    assert set(registered_envs) - set(envs.names("gymnax")) == {"MNISTBandit-bsuite"}


def test_files_of_another_gymnax_are_refused(monkeypatch):
    """Those of stable-gymnax, which are installed over gymnax's own."""
    from gymnax.environments.environment import Environment

    from metadisco.inner.envs import gymnax as adapter

    monkeypatch.delattr(Environment, "is_truncated")
    with pytest.raises(UserError, match="stable-gymnax") as refusal:
        importlib.reload(adapter)
    assert "\n" not in str(refusal.value)


def test_cartpole_is_truncated_at_a_time_limit_that_was_set(getkey):
    env = envs.make("gymnax/CartPole-v1", max_steps_in_episode=3)
    assert env.episode_length == 3
    _, steps = play(env, getkey(), jnp.array([0, 1, 0, 1, 0, 1, 0]))
    np.testing.assert_array_equal(steps.truncated, [False, False, True, False, False, True, False])
    assert not steps.terminated.any()
    np.testing.assert_array_equal(steps.reward, 1)
    inside = ~np.asarray(steps.truncated)
    np.testing.assert_array_equal(steps.obs[inside], steps.final_obs[inside])
    assert (steps.obs[~inside] != steps.final_obs[~inside]).any(1).all()
    assert (jnp.abs(steps.obs[~inside]) <= 0.05).all()  # where CartPole starts


def test_a_falling_pole_terminates_and_is_not_truncated(getkey):
    env = envs.make("gymnax/CartPole-v1")
    assert env.episode_length == 500
    _, steps = play(env, getkey(), jnp.ones(14, jnp.int32))
    assert steps.terminated.any()
    assert not steps.truncated.any()
    fell = int(jnp.argmax(steps.terminated))
    assert jnp.abs(steps.final_obs[fell, 2]) > 0.2  # the angle that ends an episode is 12°
    assert jnp.abs(steps.obs[fell, 2]) <= 0.05


def test_pendulum_takes_actions_in_a_box(getkey):
    env = envs.make("gymnax/Pendulum-v1", max_steps_in_episode=2)
    assert isinstance(env.action_space, Box)
    np.testing.assert_array_equal(env.action_space.high, [2])
    _, steps = play(env, getkey(), jnp.array([[-2.0], [2.0], [0.5]]))
    np.testing.assert_array_equal(steps.truncated, [False, True, False])
    np.testing.assert_allclose(jnp.square(steps.final_obs[:, :2]).sum(-1), 1, rtol=1e-5)  # cosine and sine
    assert (steps.reward < 0).all()


def test_a_discrete_observation_is_one_hot(getkey):
    first, steps = play(envs.make("gymnax/FrozenLake-misc"), getkey(), jnp.array([0, 1, 2]))
    for obs in (first, *steps.obs, *steps.final_obs):
        assert sorted(np.asarray(obs))[-2:] == [0, 1]
        assert obs.sum() == 1
    assert first[0] == 1


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("gymnax/CartPol-v1", {}, r"no environment 'CartPol-v1'; did you mean 'CartPole-v1'\?"),
        ("gymnx/CartPole-v1", {}, r"got 'gymnx/CartPole-v1'.*did you mean 'gymnax'\?"),
        ("CartPole-v1", {}, r"did you mean 'gymnax/CartPole-v1'\?"),
        ("", {}, "allowed: suite/name"),
        ("gymnax/MNISTBandit-bsuite", {}, "it downloads its data"),
        ("gymnax/CartPole-v1", {"max_step_in_episode": 3}, r"did you mean 'max_steps_in_episode'\?"),
        ("gymnax/CartPole-v1", {"max_steps_in_episode": 2.5}, "max_steps_in_episode: got 2.5, allowed: a whole number"),
        ("gymnax/CartPole-v1", {"max_steps_in_episode": 0}, "got 0, allowed: a whole number above 0"),
        ("gymnax/CartPole-v1", {"max_steps_in_episode": True}, "got True, allowed: a whole number"),
        ("gymnax/CartPole-v1", {"gravity": "low"}, "gravity: got 'low', allowed: a number"),
        ("gymnax/CartPole-v1", {"gravity": float("nan")}, "gravity: got nan, allowed: a number"),
        ("gymnax/Asterix-MinAtar", {"ramping": "no"}, "ramping: got 'no', allowed: true or false"),
        ("gymnax/Acrobot-v1", {"available_torque": 1.0}, "available_torque: got 1.0, allowed: only the default"),
        ("gymnax/BernoulliBandit-misc", {"max_steps_in_episode": 2.5}, "got 2.5, allowed: a whole number"),
    ],
)
def test_a_wrong_name_or_parameter_is_refused_in_one_sentence(name, params, message):
    with pytest.raises(UserError, match=message) as refusal:
        envs.make(name, **params)
    assert "\n" not in str(refusal.value)


def test_a_whole_float_is_taken_where_a_whole_number_is_meant():
    assert envs.make("gymnax/CartPole-v1", max_steps_in_episode=5.0).episode_length == 5


@pytest.mark.parametrize("off", [False, 0])
def test_a_switch_can_be_set(off):
    envs.make("gymnax/Asterix-MinAtar", ramping=off)


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch):
    """A module of a user's own with a few things in it."""
    (tmp_path / "own_envs.py").write_text(
        "import jax.numpy as jnp\n"
        "from metadisco.inner.envs import Discrete, auto_reset\n"
        "def make_env(length=7):\n"
        "    return auto_reset(\n"
        "        lambda key: (jnp.zeros(2), jnp.zeros(2)),\n"
        "        lambda key, state, action: (state, state, state[0], state[0] > 0),\n"
        "        obs_shape=(2,), action_space=Discrete(3), episode_length=length,\n"
        "    )\n"
        "def make_nothing():\n"
        "    return None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("own_module")
def test_an_environment_of_ones_own_is_made_by_its_python_name():
    env = envs.make("own_envs:make_env", length=9)
    assert_contract(env)
    assert env.episode_length == 9
    assert envs.make("own_envs:make_env").episode_length == 7


@pytest.mark.usefixtures("own_module")
@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("own_envs:make_en", {}, r"own_envs has no 'make_en'; did you mean 'make_env'\?"),
        ("no_such_module:make_env", {}, "cannot import 'no_such_module'"),
        ("own_envs:make_nothing", {}, "returned NoneType, allowed: a metadisco Env"),
        ("own_envs:make_env", {"size": 3}, "rejected its settings"),
    ],
)
def test_a_wrong_python_name_is_refused(name, params, message):
    with pytest.raises(UserError, match=message):
        envs.make(name, **params)
