"""Environments of brax behind the contract; on a toy where physics do not matter, as they take long to compile."""

import subprocess
import sys
import warnings
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import config as type_checks
from test_envs import QUICK, assert_contract

from metadisco.cli import main
from metadisco.errors import UserError
from metadisco.inner import envs
from metadisco.inner.envs import brax as adapter

# Of brax, which is written for an older MuJoCo and an older JAX.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Accessing .* directly from .* is deprecated:DeprecationWarning",
    "ignore:Passing arguments 'a', 'a_min' or 'a_max' to jax.numpy.clip:DeprecationWarning",
)

brax = adapter.brax_envs  # imported there, where its warnings are dealt with

BOUND = 3.0
NUM_STATES = 3
MANY = 64  # resets, of which not all are alike by chance
FAR = jnp.ones(1)  # an action that makes the pendulum fall within some steps
PUSHES = jnp.ones((9, 1))
DT = 0.02  # of brax/fast


class Slide(brax.Env):
    """A position that moves by the action, from a random start below 1 to a bound; the reward is where it got to.

    Has the manners of brax's own environments: it writes into the dicts of the state that it is given, and puts Python
    numbers, of another kind, where there were arrays.
    """

    def __init__(self, backend: str = "generalized", bound: float = BOUND):
        self.backend_name, self.bound = backend, bound

    def reset(self, rng: jax.Array) -> Any:
        zero = jnp.zeros(())
        position = jax.random.uniform(rng, (1,))
        return brax.State(
            None, position, zero, zero, {"distance": zero, "steps": jnp.zeros((), jnp.int32)}, {"over": zero}
        )

    def step(self, state: Any, action: jax.Array) -> Any:
        position = state.obs + action
        done = jnp.where(position[0] > self.bound, 1.0, 0.0)
        state.metrics.update(distance=position[0], steps=1.0)
        state.info["over"] = done
        return state.replace(obs=position, reward=position[0], done=done)

    observation_size = action_size = 1

    @property
    def backend(self) -> str:
        return self.backend_name


@pytest.fixture(autouse=True)
def _slide(monkeypatch):
    monkeypatch.setitem(brax._envs, "slide", Slide)


@pytest.fixture
def _types_unchecked(monkeypatch):
    """As users have it: what they hand over is for us to check."""
    monkeypatch.setattr(type_checks, "jaxtyping_disable", True)


def run(env, key, actions):
    """Return the first observation and the time steps of a sequence of actions."""
    key_reset, key_steps = jax.random.split(key)
    state, obs = env.reset(key_reset)
    step = lambda state, inputs: env.step(inputs[0], state, inputs[1])  # noqa: E731
    return obs, jax.lax.scan(step, state, (jax.random.split(key_steps, len(actions)), actions))[1]


def play(env, key, actions):
    return jax.jit(partial(run, env), compiler_options=QUICK)(key, actions)


def first_observations(env, key, num=MANY):
    """Return the observations of many resets, as a set of tuples."""
    _, obs = jax.jit(jax.vmap(env.reset), compiler_options=QUICK)(jax.random.split(key, num))
    return {tuple(each) for each in np.asarray(obs).tolist()}


class TestContract:
    @pytest.mark.parametrize(
        ("name", "settings", "length"),
        [
            ("fast", {}, 1000),
            ("slide", {}, 1000),
            ("slide", {"episode_length": 12, "action_repeat": 3}, 4),
            ("slide", {"episode_length": 10, "action_repeat": 3}, 4),  # rounded up
            ("slide", {"episode_length": 2, "action_repeat": 3}, 1),
            ("slide", {"num_initial_states": NUM_STATES}, 1000),
        ],
    )
    def test_shapes_types_and_lengths(self, name, settings, length):
        env = envs.make(f"brax/{name}", **settings)
        assert_contract(env)
        assert env.episode_length == length
        assert env.action_space.low == -1
        assert env.action_space.high == 1

    @pytest.mark.usefixtures("_types_unchecked")
    def test_whole_numbers_may_be_floats_as_yaml_writes_1e2(self):
        env = envs.make("brax/slide", episode_length=1e2, action_repeat=3.0, num_initial_states=2.0)
        assert_contract(env)
        assert env.episode_length == 34

    def test_steps_are_those_of_brax(self, getkey):
        """The velocity of brax/fast grows by DT where it is pushed, its reward is the position."""
        first, steps = play(envs.make("brax/fast"), getkey(), jnp.array([[1.0], [1.0], [-1.0], [0.5]]))
        np.testing.assert_array_equal(first, [0, 0])
        velocity = DT * np.array([1, 2, 2, 3])
        np.testing.assert_allclose(steps.obs, np.stack([np.cumsum(velocity * DT), velocity], 1), rtol=1e-5)
        np.testing.assert_allclose(steps.reward, np.cumsum(velocity * DT), rtol=1e-5)

    def test_many_environments_step_side_by_side_as_they_do_alone(self, getkey):
        env = envs.make("brax/slide", episode_length=4, action_repeat=2, num_initial_states=NUM_STATES)
        keys, actions = jax.random.split(getkey(), 3), jax.random.uniform(getkey(), (3, 9, 1))
        together = jax.jit(jax.vmap(partial(run, env)), compiler_options=QUICK)(keys, actions)
        for number in range(3):
            alone = play(env, keys[number], actions[number])
            mine = jax.tree.map(lambda leaf, number=number: leaf[number], together)
            jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), mine, alone)

    def test_a_state_is_not_changed_by_a_step_from_it(self, getkey):
        """Brax writes into the dicts of the state that it is given; outside of jit that would be seen."""
        env = envs.make("brax/slide")
        state, _ = env.reset(getkey())
        before = jax.tree.map(np.array, state)
        after, first = env.step(getkey(), state, FAR)
        jax.tree.map(np.testing.assert_array_equal, state, before)
        assert any((new != old).any() for new, old in zip(*map(jax.tree.leaves, (after, before)), strict=True))
        _, second = env.step(getkey(), state, FAR)
        np.testing.assert_array_equal(first.final_obs, second.final_obs)


class TestEnds:
    def test_the_time_limit_truncates_and_does_not_terminate(self, getkey):
        first, steps = play(envs.make("brax/slide", episode_length=4), getkey(), jnp.full((9, 1), 0.1))
        ends = np.arange(1, 10) % 4 == 0
        np.testing.assert_array_equal(steps.truncated, ends)
        assert not steps.terminated.any()
        np.testing.assert_array_equal(steps.obs[~ends], steps.final_obs[~ends])
        np.testing.assert_allclose(steps.final_obs[3], first + 0.4, rtol=1e-5)
        starts = np.asarray([first, *steps.obs[ends]])
        assert len(set(starts[:, 0].tolist())) == 3
        assert (starts < 1).all()

    def test_terminated_is_what_brax_calls_done(self, getkey):
        first, steps = play(envs.make("brax/slide"), getkey(), PUSHES)
        fell = int(np.ceil(BOUND - float(first[0])))
        assert steps.terminated[:fell].tolist() == [False] * (fell - 1) + [True]
        assert not steps.truncated.any()
        np.testing.assert_allclose(steps.final_obs[fell - 1], first + fell, rtol=1e-6)
        np.testing.assert_allclose(steps.reward[:fell], first + np.arange(1, fell + 1), rtol=1e-6)
        assert steps.obs[fell - 1] < 1
        assert steps.obs[fell - 1] != first
        np.testing.assert_allclose(steps.final_obs[fell], steps.obs[fell - 1] + 1, rtol=1e-6)  # an episode like others

    @pytest.mark.parametrize("episode_length", [9, 10, 12])
    def test_repeated_actions_sum_the_rewards_and_share_the_time_limit(self, getkey, episode_length):
        key, actions = getkey(), jnp.array([[1.0], [2.0], [0.0], [3.0], [0.5]])
        single = envs.make("brax/slide", bound=100)
        repeated = envs.make("brax/slide", bound=100, episode_length=episode_length, action_repeat=3)
        first, each = play(single, key, jnp.repeat(actions, 3, 0))
        again, steps = play(repeated, key, actions)
        length = -(-episode_length // 3)
        np.testing.assert_array_equal(first, again)
        np.testing.assert_allclose(steps.reward[:length], each.reward.reshape(5, 3).sum(1)[:length], rtol=1e-5)
        np.testing.assert_allclose(steps.final_obs[:length], each.obs[2::3][:length], rtol=1e-5)
        np.testing.assert_array_equal(steps.truncated, np.arange(1, 6) % length == 0)
        assert not steps.terminated.any()

    @pytest.mark.parametrize(("action_repeat", "steps_taken"), [(2, 2), (3, 1), (5, 1)])
    def test_repeats_end_with_the_episode(self, getkey, action_repeat, steps_taken):
        """The position passes the bound of 3 in the third step, wherever below 1 it started."""
        env = envs.make("brax/slide", action_repeat=action_repeat)
        first, steps = play(env, getkey(), PUSHES)
        last = steps_taken - 1
        assert steps.terminated[:steps_taken].tolist() == [False] * last + [True]
        np.testing.assert_allclose(steps.final_obs[last], first + 3, rtol=1e-6)
        np.testing.assert_allclose(steps.reward[:steps_taken].sum(), 3 * first[0] + 6, rtol=1e-6)
        assert steps.obs[last] < 1

    def test_a_limit_that_falls_on_the_end_gives_both_flags(self, getkey):
        _, steps = play(envs.make("brax/slide", episode_length=3), getkey(), PUSHES)
        np.testing.assert_array_equal(steps.terminated, [False, False, True] * 3)
        np.testing.assert_array_equal(steps.truncated, [False, False, True] * 3)


class TestInitialStates:
    def test_every_episode_has_a_start_of_its_own(self, getkey):
        assert len(first_observations(envs.make("brax/slide"), getkey())) == MANY

    def test_a_bank_gives_so_many_starts_and_no_other(self, getkey):
        env = envs.make("brax/slide", num_initial_states=NUM_STATES, episode_length=2)
        bank = first_observations(env, getkey())
        assert len(bank) == NUM_STATES
        _, steps = play(env, getkey(), jnp.zeros((80, 1)))
        assert {tuple(obs) for obs in np.asarray(steps.obs[1::2]).tolist()} == bank

    def test_a_bank_of_one_is_one_state(self, getkey):
        assert len(first_observations(envs.make("brax/slide", num_initial_states=1), getkey())) == 1

    def test_all_agents_have_the_same_bank(self, getkey):
        one, other = (
            first_observations(envs.make("brax/slide", num_initial_states=NUM_STATES), getkey()) for _ in range(2)
        )
        assert one == other

    def test_an_episode_from_the_bank_goes_on_as_any_other(self, getkey):
        env = envs.make("brax/slide", num_initial_states=NUM_STATES)
        first, steps = play(env, getkey(), PUSHES[:2])
        np.testing.assert_allclose(steps.final_obs, first + np.array([[1], [2]]), rtol=1e-6)
        assert not steps.terminated.any()


@pytest.mark.usefixtures("_types_unchecked")
@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("fst", {}, r"inner\.env: brax has no environment 'fst'; did you mean 'fast'\?"),
        ("inverted_pendlum", {}, r"did you mean 'inverted_pendulum'\?"),
        ("", {}, "brax has no environment ''"),
        ("fast:sprng", {}, r"inner\.env: brax has no backend 'sprng'; did you mean 'spring'\?.*mjx"),
        ("fast", {"episode_length": 0}, r"episode_length: got 0, allowed: a whole number from 1 to"),
        ("fast", {"episode_length": -3}, r"episode_length: got -3, allowed: a whole number from 1 to"),
        ("fast", {"episode_length": "long"}, r"episode_length: got 'long', allowed: a whole number from 1 to"),
        ("fast", {"episode_length": None}, r"episode_length: got None, allowed: a whole number from 1 to"),
        ("fast", {"episode_length": float("inf")}, r"episode_length: got inf, allowed: a whole number"),
        ("fast", {"episode_length": float("nan")}, r"episode_length: got nan, allowed: a whole number"),
        ("fast", {"action_repeat": 0.5}, r"action_repeat: got 0\.5, allowed: a whole number from 1 to"),
        ("fast", {"num_initial_states": True}, r"num_initial_states: got True, allowed: a whole number from 1 to"),
        ("fast", {"num_initial_states": 0}, r"num_initial_states: got 0, allowed: a whole number from 1 to"),
        ("fast", {"obs_mod": "ndarray"}, r"brax/fast has no 'obs_mod'; did you mean 'obs_mode'\?.*action_repeat"),
        ("fast", {"backend": "mjx"}, "brax/fast has no 'backend'"),
        ("fast", {"obs_mode": "nonsense"}, "does not accept these settings: 'nonsense'"),
        ("slide", {"bound": "x"}, r"got \{'bound': 'x'\}, which brax/slide cannot use: "),
        ("slide", {"bound": float("nan")}, r"bound: got nan, allowed: finite numbers"),
        ("slide", {"n_frames": 0}, r"n_frames: got 0, allowed: a whole number from 1 to"),
        ("fast", {"obs_mode": "dict_state"}, r"brax/fast observes \['state'\], allowed: one array"),
        ("slide", {"bound": 1.0, "boundd": 2.0}, r"brax/slide has no 'boundd'; did you mean 'bound'\?"),
    ],
)
def test_a_wrong_name_or_setting_is_refused_in_one_sentence(name, settings, message):
    with pytest.raises(UserError, match=message) as refusal:
        envs.make(f"brax/{name}", **settings)
    assert "\n" not in str(refusal.value)


def test_a_backend_follows_a_colon_and_spring_is_the_default(monkeypatch):
    made = []
    monkeypatch.setattr(Slide, "__init__", lambda self, backend="none", bound=BOUND: made.append(backend))
    monkeypatch.setattr(Slide, "reset", lambda self, rng: brax.State(None, jnp.zeros(1), jnp.zeros(()), jnp.zeros(())))
    for name in ("slide", *(f"slide:{backend}" for backend in ("spring", "positional", "generalized", "mjx"))):
        envs.make(f"brax/{name}")
    assert made == ["spring", "spring", "positional", "generalized", "mjx"]


def test_environments_of_brax_are_listed():
    assert {"ant", "fast", "halfcheetah", "hopper", "humanoid", "reacher", "walker2d"} <= set(envs.names("brax"))


class TestWithoutBrax:
    @pytest.fixture(autouse=True)
    def _without_brax(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "brax", None)
        monkeypatch.delitem(sys.modules, "metadisco.inner.envs.brax")

    def test_what_to_install_is_said(self):
        with pytest.raises(UserError, match=r"pip install 'metadisco\[brax\]'") as refusal:
            envs.make("brax/ant")
        assert "\n" not in str(refusal.value)

    def test_a_command_says_so_in_one_line(self, capsys):
        assert main(["train", "--objective", "ppo", "--env", "brax/ant"]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("metadisco: brax environments need brax")
        assert err.count("\n") == 1

    def test_other_environments_are_listed_all_the_same(self, capsys):
        assert main(["list"]) == 0
        out, _ = capsys.readouterr()
        assert "pip install 'metadisco[brax]'" in out
        assert "gymnax/CartPole-v1" in out
        assert "value_loss" in out


class Compiled:
    """Reset and step of an environment of ours, and of brax's own, compiled."""

    def __init__(self, name: str, backend: str = "spring", **settings: Any):
        self.env = envs.make(f"brax/{name}:{backend}", **settings)
        self.reset, self.step = (jax.jit(each, compiler_options=QUICK) for each in (self.env.reset, self.env.step))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that brax is no longer developed
            theirs = brax.get_environment(name, backend=backend)
        self.their_reset, self.their_step = (
            jax.jit(each, compiler_options=QUICK) for each in (theirs.reset, theirs.step)
        )

    def play(self, key, actions):
        """Return the first observation and the time steps of a sequence of actions."""
        state, obs = self.reset(key)
        steps = []
        for number, action in enumerate(actions):
            state, step = self.step(jax.random.fold_in(key, number), state, action)
            steps.append(step)
        return obs, jax.tree.map(lambda *leaves: np.stack(leaves), *steps)

    def assert_as_in_brax(self, key, actions):
        """Compare with brax's own functions on the same key, up to the end of an episode; return how many steps."""
        state, obs = self.reset(key)
        theirs = self.their_reset(jax.random.key_data(key))
        np.testing.assert_allclose(obs, theirs.obs, rtol=1e-5, atol=1e-6)
        for number, action in enumerate(actions):
            state, step = self.step(key, state, action)
            theirs = self.their_step(theirs, action)
            np.testing.assert_allclose(step.final_obs, theirs.obs, rtol=1e-3, atol=1e-4)
            np.testing.assert_allclose(step.reward, theirs.reward, rtol=1e-3, atol=1e-4)
            assert bool(step.terminated) == (theirs.done == 1)
            assert not step.truncated
            if step.terminated:
                return number + 1
        return len(actions)


@pytest.fixture(scope="module")
def pendulum():
    return Compiled("inverted_pendulum")


class TestInvertedPendulum:
    def test_same_keys_and_actions_give_what_brax_gives(self, pendulum, getkey):
        actions = jax.random.uniform(getkey(), (40, 1), minval=-1, maxval=1)
        assert pendulum.assert_as_in_brax(getkey(), actions) > 5

    def test_it_falls_and_stands_up_somewhere_else(self, pendulum, getkey):
        first, steps = pendulum.play(getkey(), [FAR] * 40)
        assert steps.terminated.sum() >= 2
        assert not steps.truncated.any()
        np.testing.assert_array_equal(steps.reward, 1)
        angle = np.abs(steps.final_obs[:, 1])
        np.testing.assert_array_equal(steps.terminated, angle > 0.2)
        starts = np.stack([first, *steps.obs[steps.terminated]])
        assert (np.abs(starts) <= 0.01).all()
        assert len(np.unique(starts, axis=0)) == len(starts)
        np.testing.assert_array_equal(steps.obs[~steps.terminated], steps.final_obs[~steps.terminated])

    def test_repeats_end_where_it_fell(self, pendulum, getkey):
        key = getkey()
        _, single = pendulum.play(key, [FAR] * 20)
        fell = int(np.argmax(single.terminated)) + 1
        repeat = next(number for number in (3, 4, 5) if fell % number)  # so that it falls between two decisions
        env = envs.make("brax/inverted_pendulum", action_repeat=repeat)
        step = jax.jit(env.step, compiler_options=QUICK)
        state, _ = pendulum.reset(key)  # whose states are the same
        rewards = []
        for _ in range(-(-fell // repeat)):
            state, result = step(key, state, FAR)
            rewards.append(float(result.reward))
        assert bool(result.terminated)
        assert rewards == [repeat] * (fell // repeat) + [fell % repeat]
        np.testing.assert_allclose(result.final_obs, single.final_obs[fell - 1], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
class TestPhysics:
    def test_reacher_never_terminates(self, getkey):
        reacher = Compiled("reacher", episode_length=6)
        assert reacher.env.obs_shape == (11,)
        actions = jax.random.uniform(getkey(), (12, 2), minval=-1, maxval=1)
        assert reacher.assert_as_in_brax(getkey(), actions[:5]) == 5
        first, steps = reacher.play(getkey(), actions)
        assert np.isfinite(steps.obs).all()
        assert np.isfinite(steps.reward).all()
        assert not steps.terminated.any()
        np.testing.assert_array_equal(steps.truncated, np.arange(1, 13) % 6 == 0)
        goals = [first[4:6], steps.obs[5, 4:6], steps.obs[11, 4:6]]  # every episode has another
        assert len(np.unique(goals, axis=0)) == 3

    def test_ant_terminates_where_its_torso_is_out_of_range(self, getkey):
        low, high = 0.45, 0.7
        env = envs.make("brax/ant", healthy_z_range=[low, high])
        assert env.obs_shape == (27,)
        first, steps = play(env, getkey(), jax.random.uniform(getkey(), (100, 8), minval=-1, maxval=1))
        assert np.isfinite(steps.obs).all()
        assert np.isfinite(steps.reward).all()
        height = steps.final_obs[:, 0]
        np.testing.assert_array_equal(steps.terminated, (height < low) | (height > high))
        assert set(steps.terminated.tolist()) == {True, False}
        assert not steps.truncated.any()
        assert first.shape == (27,)

    def test_ant_goes_on_while_it_is_healthy(self, getkey):
        ant = Compiled("ant")
        actions = jax.random.uniform(getkey(), (5, 8), minval=-1, maxval=1)
        assert ant.assert_as_in_brax(getkey(), actions) == 5

    def test_another_backend_is_other_physics(self, pendulum, getkey):
        generalized = Compiled("inverted_pendulum", "generalized")
        key = getkey()
        assert generalized.assert_as_in_brax(key, [0.02 * FAR] * 10) > 3
        one, other = (each.play(key, [0.02 * FAR] * 3)[1].final_obs for each in (pendulum, generalized))
        assert (np.abs(one[:, 2:] - other[:, 2:]) > 1e-3).any()

    @pytest.mark.parametrize("name", envs.names("brax"))
    def test_every_listed_environment_keeps_the_contract(self, name):
        assert_contract(envs.make(f"brax/{name}", n_frames=2))

    def test_nothing_is_printed_or_written(self, tmp_path):
        """Brax's half cheetah is of an older MuJoCo, which says so in a file in the working directory."""
        code = "from metadisco.inner import envs; envs.make('brax/halfcheetah')"
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == ("", "")
        assert list(tmp_path.iterdir()) == []
