"""Invalid fields of an environment are rejected with one sentence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from env_contract import assert_contract

from metadisco.config import PPOConfig
from metadisco.errors import UserError
from metadisco.inner import envs
from metadisco.inner.envs import Box, Discrete, Env, MultiDiscrete, TimeStep, check_episode_length
from metadisco.inner.train import train
from metadisco.objectives import ppo
from metadisco.problems import make_task


def make_env(**facts):
    """Count steps, and never end an episode."""

    def step(key, state, action):
        state, end = state + 1, jnp.zeros((), bool)
        return state, TimeStep(obs=state, reward=jnp.ones(()), terminated=end, truncated=end, final_obs=state)

    env = Env(lambda key: (jnp.zeros(2),) * 2, step, (2,), Discrete(3), 10)
    return env._replace(**facts)


HERE = f"{__name__}:make_env"
ONE, INF, NAN = np.ones(2, np.float32), float("inf"), float("nan")
USELESS = {
    "no lower bound": ({"action_space": Box(np.array([-1, -INF]), ONE)}, "-inf to 1.0 in dimension 1"),
    "no bounds": ({"action_space": Box(-INF * ONE, INF * ONE)}, "-inf to inf"),
    "nan": ({"action_space": Box(-ONE, NAN * ONE)}, "-1.0 to nan"),
    "equal": ({"action_space": Box(ONE, ONE)}, "1.0 to 1.0"),
    "equal in 32 bits": ({"action_space": Box(np.ones(1), np.ones(1) + 1e-12)}, "1.0 to 1.0"),
    "turned": ({"action_space": Box(ONE, -ONE)}, "1.0 to -1.0"),
    "beyond 32 bits": ({"action_space": Box(np.zeros(1), np.full(1, 1e300))}, "0.0 to inf"),
    "too far apart": ({"action_space": Box(-3e38 * ONE, 3e38 * ONE)}, "less than 3.4e38 away"),
    "numbers": ({"action_space": Box(-1.0, 1.0)}, "shapes () and ()"),
    "other lengths": ({"action_space": Box(-ONE, np.ones(3))}, "shapes (2,) and (3,)"),
    "a matrix": ({"action_space": Box(-np.eye(2), np.eye(2))}, "shapes (2, 2) and (2, 2)"),
    "empty": ({"action_space": Box(np.ones(0), np.ones(0))}, "shapes (0,) and (0,)"),
    "text": ({"action_space": Box(["low"], ["high"])}, "allowed: numbers"),
    "ragged": ({"action_space": Box([[0.0], [0.0, 1.0]], ONE)}, "allowed: numbers"),
    "ragged actions": ({"action_space": Discrete([[1], [1, 2]])}, "num_actions [[1], [1, 2]]"),
    "an array of actions": ({"action_space": Discrete(np.asarray([2]))}, "num_actions array([2])"),
    "true actions of an array": ({"action_space": Discrete(jnp.asarray(True))}, "num_actions"),
    "truth": ({"action_space": Box([False], [True])}, "allowed: numbers"),
    "no space": ({"action_space": 3}, "actions in a int"),
    "no actions": ({"action_space": Discrete(0)}, "num_actions 0"),
    "half an action": ({"action_space": Discrete(1.5)}, "num_actions 1.5"),
    "true actions": ({"action_space": Discrete(True)}, "num_actions True"),
    "a mask of one action": ({"action_space": Discrete(3, masked=1)}, "masked 1"),
    "nothing but a mask": ({"action_space": Discrete(2, masked=True)}, "obs_shape (2,) and a mask of 2 entries"),
    "a mask on two axes": ({"action_space": Discrete(1, masked=True), "obs_shape": (2, 2)}, "obs_shape (2, 2)"),
    "no choices": ({"action_space": MultiDiscrete(())}, "nums ()"),
    "a choice of none": ({"action_space": MultiDiscrete((2, 0))}, "nums (2, 0)"),
    "choices as a number": ({"action_space": MultiDiscrete(3)}, "nums 3"),
    "indicators beyond the end": ({"indicators": ((0, 1), (1, 3))}, "indicators ((0, 1), (1, 3))"),
    "indicators in the mask": (
        {"action_space": Discrete(1, masked=True), "indicators": ((0, 2),)},
        "0 <= start < stop <= 1",
    ),
    "an indicator": ({"indicators": (1,)}, "indicators (1,)"),
    "no steps": ({"episode_length": 0}, "episode_length 0"),
    "half a step": ({"episode_length": 2.5}, "episode_length 2.5"),
    "endless": ({"episode_length": INF}, "episode_length inf"),
    "unknown": ({"episode_length": None}, "episode_length None"),
    "beyond counting": ({"episode_length": 2**31}, "episode_length 2147483648"),
    "shape of a number": ({"obs_shape": 2}, "obs_shape 2"),
    "empty shape": ({"obs_shape": (2, 0)}, "obs_shape (2, 0)"),
}


@pytest.mark.parametrize("name", USELESS)
def test_what_cannot_be_trained_in_is_refused_when_it_is_made(name):
    facts, told = USELESS[name]
    with pytest.raises(UserError) as refusal:
        envs.make(HERE, **facts)
    assert told in str(refusal.value)
    assert HERE in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("of", [jnp.asarray, np.asarray, np.int64, np.float32, float])
def test_whole_numbers_may_be_arrays(of):
    env = envs.make(HERE, action_space=Discrete(of(2)), episode_length=of(7), obs_shape=(of(2),))
    assert (env.action_space, env.episode_length, env.obs_shape) == (Discrete(2), 7, (2,))
    assert {type(each) for each in (env.action_space.num_actions, env.episode_length, *env.obs_shape)} == {int}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("gymnax/Pendulum-v1", {"max_torque": -1.0}),
        ("gymnax/Pendulum-v1", {"max_torque": 0.0}),
        ("gymnax/MountainCarContinuous-v0", {"min_action": 2.0}),
    ],
)
def test_bounds_of_a_suite_are_checked_like_ones_own(name, settings):
    with pytest.raises(UserError, match="allowed: finite bounds"):
        envs.make(name, **settings)


def test_facts_arrive_in_the_form_of_the_contract():
    env = envs.make(HERE, obs_shape=[2], action_space=Box([-1, 0.0], np.array([1, 2])), episode_length=1e1)
    assert_contract(env)
    assert (env.obs_shape, env.episode_length) == ((2,), 10)
    np.testing.assert_array_equal(env.action_space.high, [1, 2])
    assert envs.make(HERE, action_space=Discrete(np.int64(1))).action_space == Discrete(1)
    env = envs.make(HERE, action_space=MultiDiscrete([1, np.int64(3)]), indicators=[[np.int64(0), 1]])
    assert_contract(env)
    assert (env.action_space, env.indicators) == (MultiDiscrete((1, 3)), ((0, 1),))


LENGTHS = [  # of episodes, evaluations, steps of training, whether it is fine
    (500, 100_000, 128, True),
    (2500, 16, 64, True),
    (20_000, 8, 25_000, True),
    (100_000, 64, 100, True),
    (1_000_000, 1, 125_000, True),
    (1_000_000, 8, 125_000, False),
    (1_000_000, 1, 10_000, False),
    (10**9, 1, 10**8, True),
    (10**9, 1, 10_000_000, False),
]


@pytest.mark.parametrize(("length", "num_evaluations", "num_steps", "fine"), LENGTHS)
def test_only_episodes_that_dwarf_training_are_refused(length, num_evaluations, num_steps, fine):
    env = envs.make(HERE, episode_length=length)
    if fine:
        check_episode_length(env, num_evaluations, num_steps)
        return
    with pytest.raises(UserError) as refusal:
        check_episode_length(env, num_evaluations, num_steps)
    assert f"{length:,}" in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_task_and_a_lifetime_refuse_episodes_that_may_never_end():
    config = PPOConfig(num_env_steps=10_000)
    for name, settings in ((HERE, {"episode_length": 10**9}), ("gymnax/CartPole-v1", {"max_steps_in_episode": 1e9})):
        with pytest.raises(UserError, match="1,000,000,000"):
            make_task(name, settings, config)
        with pytest.raises(UserError, match="1,000,000,000"):
            train(jax.random.key(0), envs.make(name, **settings), config, ppo())  # before anything is traced


def test_every_environment_of_gymnax_can_be_tried_with_the_shortest_lifetime():
    for name in envs.names("gymnax"):
        make_task(f"gymnax/{name}", {}, PPOConfig(num_envs=1, num_steps=4, num_env_steps=4, num_minibatches=1))
