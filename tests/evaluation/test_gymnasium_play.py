"""Observations and actions of Gymnasium are converted for an agent, or refused in one sentence."""

import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.classic_control import CartPoleEnv

from metadisco.config.code.own_code import forget_edited
from metadisco.errors import UserError
from metadisco.evaluation import gymnasium_play
from metadisco.inner.envs import Box, Discrete, MultiDiscrete
from metadisco.inner.envs.base import Interface

LIMIT = 4
ONE = np.ones(1, np.float32)
TWO_ACTIONS = Interface((4,), Discrete(2))
TWO_CHOICES = Interface((4,), MultiDiscrete((2, 2)))
TORQUE = Interface((4,), Box(-2 * ONE, 2 * ONE))
VECTOR = spaces.Box(-1, 1, (4,))


class Recorder(gymnasium.Env):
    """An environment that never ends and records its actions."""

    def __init__(self, observation_space, action_space, observations=None):
        self.observation_space, self.action_space = observation_space, action_space
        self.observations = observations
        self.actions = ACTIONS

    def _observe(self):
        return self.observations.pop(0) if self.observations else self.observation_space.sample()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._observe(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.actions.append(action)
        return self._observe(), 1.0, False, False, {}


class Masked(Recorder):
    """A recorder that tells which actions are legal, as Gymnasium's Taxi does."""

    def __init__(self, mask, **kwargs):
        super().__init__(**kwargs)
        self.info = {"action_mask": mask}

    def reset(self, **kwargs):
        return super().reset(**kwargs)[0], self.info

    def step(self, action):
        return (*super().step(action)[:-1], self.info)


class RenamedCartPole(CartPoleEnv):
    """CartPole with actions 1 and 2."""

    def __init__(self):
        super().__init__()
        self.action_space = spaces.Discrete(2, start=1)

    def step(self, action):
        self.action_space, renamed = spaces.Discrete(2), self.action_space
        try:
            return super().step(action - 1)
        finally:
            self.action_space = renamed


ACTIONS: list = []


@pytest.fixture
def register():
    """Return a function that registers an environment in Gymnasium and returns its name."""
    ids = []

    def register(entry_point, limit=LIMIT, **kwargs):
        ids.append(f"OfTests{len(ids)}-v0")
        gymnasium.register(
            ids[-1], entry_point, max_episode_steps=limit, kwargs=kwargs, disable_env_checker=True, order_enforce=False
        )
        return ids[-1]

    ACTIONS.clear()
    yield register
    for each in ids:
        del gymnasium.registry[each]


def play(name, interface, choose, num_episodes=1):
    """Return the returns, and the observations of the agent."""
    seen = []

    def act(key, obs):
        seen.append(np.asarray(obs))
        return np.stack([choose(each) for each in seen[-1]])

    return gymnasium_play.play(name, interface, act, 0, num_episodes), np.stack(seen)


def test_a_module_in_the_working_directory_can_register_one(tmp_path, monkeypatch):
    """Like any user-defined module, it is found in the working directory and reloaded after edits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for limit in (3, 5):
        (tmp_path / "mine_registers.py").write_text(
            "import gymnasium\n"
            f"gymnasium.register('Mine{limit}-v0', 'gymnasium.envs.classic_control:CartPoleEnv', "
            f"max_episode_steps={limit})\n"
        )
        forget_edited()
        returns, _ = play(f"mine_registers:Mine{limit}-v0", TWO_ACTIONS, lambda obs: 0)
        del gymnasium.registry[f"Mine{limit}-v0"]
        assert returns == [limit]
    del sys.modules["mine_registers"]


@pytest.mark.parametrize("start", [0, 1, -3, 17])
def test_actions_are_named_as_gymnasium_names_them(start, register):
    name = register(Recorder, observation_space=VECTOR, action_space=spaces.Discrete(2, start=start))
    choices = iter([0, 1, 1, 0])
    returns, _ = play(name, TWO_ACTIONS, lambda obs: np.int32(next(choices)))
    assert returns == [LIMIT]
    assert [start, start + 1, start + 1, start] == ACTIONS
    assert all(type(action) is int for action in ACTIONS)


def test_several_actions_at_once_are_named_as_gymnasium_names_them(register):
    name = register(Recorder, observation_space=VECTOR, action_space=spaces.MultiDiscrete([2, 3], start=[0, 5]))
    play(name, Interface((4,), MultiDiscrete((2, 3))), lambda obs: np.array([1, 2], np.int32))
    np.testing.assert_array_equal(ACTIONS, [[1, 7]] * LIMIT)


MASKS = {
    "one": (np.array([0, 1], np.int8), spaces.Discrete(2), Interface((6,), Discrete(2, masked=True))),
    "rows": (
        (np.array([0, 1], np.int8), np.array([1, 1, 0], np.int8)),
        spaces.MultiDiscrete([2, 3]),
        Interface((9,), MultiDiscrete((2, 3), masked=True)),
    ),
}


@pytest.mark.parametrize("kind", MASKS)
def test_an_agent_is_shown_which_actions_are_legal(kind, register):
    mask, action_space, interface = MASKS[kind]
    action = np.int32(1) if kind == "one" else np.array([1, 0], np.int32)
    known = {"observation_space": VECTOR, "action_space": action_space}
    _, seen = play(register(Masked, mask=mask, **known), interface, lambda obs: action)
    assert seen.shape == (LIMIT, 1, *interface.obs_shape)
    assert (seen[..., 4:] == np.concatenate([np.ravel(row) for row in mask])).all()
    with pytest.raises(UserError, match=r"action_mask of 0 entries in info, allowed: [25],"):
        play(register(Recorder, **known), interface, lambda obs: action)


def test_an_agent_gets_as_much_where_actions_have_other_names(register):
    def upright(obs):
        return np.int32(obs[2] + obs[3] > 0)

    renamed = register(RenamedCartPole, limit=500)
    expected, _ = play("CartPole-v1", TWO_ACTIONS, upright, num_episodes=3)
    np.testing.assert_array_equal(play(renamed, TWO_ACTIONS, upright, num_episodes=3)[0], expected)
    assert expected.min() > 100


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_actions_in_a_box_have_its_type_and_stay_inside(dtype, register):
    interface = Interface((4,), Box(-0.1 * ONE, 0.1 * ONE))
    name = register(Recorder, observation_space=VECTOR, action_space=spaces.Box(-0.1, 0.1, (1,), dtype))
    play(name, interface, lambda obs: np.array([0.1], np.float32))  # above 0.1 in 64 bits
    assert len(ACTIONS) == LIMIT and all(action.dtype == dtype for action in ACTIONS)


@pytest.mark.parametrize("start", [0, 5])
def test_one_of_finitely_many_states_is_one_hot(start, register):
    states = spaces.Discrete(4, start=start)
    name = register(
        Recorder,
        observation_space=states,
        action_space=spaces.Discrete(2),
        observations=[start + each for each in (0, 3, 1, 2, 0)],
    )
    _, seen = play(name, TWO_ACTIONS, lambda obs: 0)
    np.testing.assert_array_equal(seen[:, 0], np.eye(4)[[0, 3, 1, 2]])
    assert seen.dtype == np.float32


def test_frozen_lake_can_be_played():
    returns, seen = play("FrozenLake-v1", Interface((16,), Discrete(4)), lambda obs: 2, num_episodes=3)
    assert set(returns) <= {0.0, 1.0}
    np.testing.assert_array_equal(seen.sum(-1), 1)


def test_observations_are_floats_even_where_the_first_is_whole(register):
    observations = [np.zeros(4, int), *np.full((LIMIT, 4), 0.5)]
    name = register(Recorder, observation_space=VECTOR, action_space=spaces.Discrete(2), observations=observations)
    _, seen = play(name, TWO_ACTIONS, lambda obs: 0)
    np.testing.assert_array_equal(seen[1:], 0.5)


def test_pixels_and_bits_are_read_as_numbers(register):
    for space in (spaces.Box(0, 255, (4,), np.uint8), spaces.MultiBinary(4)):
        name = register(Recorder, observation_space=space, action_space=spaces.Discrete(2))
        _, seen = play(name, TWO_ACTIONS, lambda obs: 0)
        assert seen.dtype == np.float32


MANY = np.arange(1, 500, dtype=np.float32)
LEFT_RIGHT = spaces.Discrete(2)
REFUSED = {
    "shape of as many entries": (spaces.Box(-1, 1, (2, 2)), LEFT_RIGHT, TWO_ACTIONS, "(2, 2), allowed: (4,)"),
    "a column": (spaces.Box(-1, 1, (4, 1)), LEFT_RIGHT, TWO_ACTIONS, "observations (4, 1)"),
    "more": (spaces.Box(-1, 1, (5,)), LEFT_RIGHT, TWO_ACTIONS, "observations (5,)"),
    "more states": (spaces.Discrete(5), LEFT_RIGHT, TWO_ACTIONS, "observations Discrete(5)"),
    "numbers": (spaces.MultiDiscrete([2, 2, 2, 2]), LEFT_RIGHT, TWO_ACTIONS, "observations MultiDiscrete"),
    "a dict": (spaces.Dict(a=VECTOR), LEFT_RIGHT, TWO_ACTIONS, "observations Dict("),
    "a tuple": (spaces.Tuple([VECTOR]), LEFT_RIGHT, TWO_ACTIONS, "observations Tuple("),
    "text": (spaces.Text(4), LEFT_RIGHT, TWO_ACTIONS, "observations Text("),
    "another number of actions": (VECTOR, spaces.Discrete(3), TWO_ACTIONS, "allowed: Discrete(num_actions=2)"),
    "actions in a box": (VECTOR, spaces.Box(-2, 2, (1,)), TWO_ACTIONS, "allowed: Discrete(num_actions=2)"),
    "several actions": (VECTOR, spaces.MultiDiscrete([2, 2]), TWO_ACTIONS, "actions MultiDiscrete"),
    "more of several": (VECTOR, spaces.MultiDiscrete([2, 3]), TWO_CHOICES, "allowed: MultiDiscrete(nums=(2, 2))"),
    "one of several": (VECTOR, LEFT_RIGHT, Interface((4,), MultiDiscrete((2,))), "actions Discrete(2)"),
    "bits": (VECTOR, spaces.MultiBinary(1), TWO_ACTIONS, "actions MultiBinary"),
    "a dict of actions": (VECTOR, spaces.Dict(a=LEFT_RIGHT), TWO_ACTIONS, "actions Dict("),
    "a tuple of actions": (VECTOR, spaces.Tuple([LEFT_RIGHT]), TWO_ACTIONS, "actions Tuple("),
    "words": (VECTOR, spaces.Text(4), TWO_ACTIONS, "actions Text("),
    "discrete actions": (VECTOR, LEFT_RIGHT, TORQUE, "actions Discrete(2)"),
    "narrower": (VECTOR, spaces.Box(-1, 1, (1,)), TORQUE, "Box(-1.0, 1.0"),
    "wider": (VECTOR, spaces.Box(-4, 4, (1,)), TORQUE, "Box(-4.0, 4.0"),
    "shifted": (VECTOR, spaces.Box(-2, 3, (1,)), TORQUE, "Box(-2.0, 3.0"),
    "without bounds": (VECTOR, spaces.Box(-np.inf, np.inf, (1,)), TORQUE, "Box(-inf, inf"),
    "two torques": (VECTOR, spaces.Box(-2, 2, (2,)), TORQUE, "(2,)"),
    "a matrix of torques": (VECTOR, spaces.Box(-2, 2, (1, 1)), TORQUE, "(1, 1)"),
    "whole torques": (VECTOR, spaces.Box(-2, 2, (1,), np.int64), TORQUE, "int64"),
    "a long line": (VECTOR, spaces.Box(-MANY, MANY), TORQUE, "allowed: Box("),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_fits_no_agent_is_refused_before_anything_is_played(case, register):
    observation_space, action_space, interface, told = REFUSED[case]
    name = register(Recorder, observation_space=observation_space, action_space=action_space)
    with pytest.raises(UserError) as refusal:
        play(name, interface, None)
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_episodes_that_do_not_end_are_given_up(register, monkeypatch):
    monkeypatch.setattr(gymnasium_play, "MAX_STEPS", 20)
    name = register(Recorder, limit=None, observation_space=VECTOR, action_space=LEFT_RIGHT)
    with pytest.raises(UserError, match=r"2 of 2 episodes.*20 steps") as refusal:
        play(name, TWO_ACTIONS, lambda obs: 0, num_episodes=2)
    assert "\n" not in str(refusal.value)
    assert len(ACTIONS) == 40
