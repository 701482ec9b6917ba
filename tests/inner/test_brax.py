"""The adapter of brax; on a toy environment if physics do not matter, as they take long to compile."""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from brax_envs import BOUND, WARNINGS_OF_BRAX, Slide, brax
from compiling import QUICK
from env_contract import assert_contract, play, run
from refusals import assert_refused

from metadisco.cli import main
from metadisco.errors import UserError
from metadisco.inner import envs

pytestmark = WARNINGS_OF_BRAX

NUM_STATES = 3
MANY = 64  # resets, of which not all are alike by chance
PUSHES = jnp.ones((9, 1))
DT = 0.02  # of brax/fast


@pytest.fixture(autouse=True)
def _slide(monkeypatch):
    monkeypatch.setitem(brax._envs, "slide", Slide)


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
        after, first = env.step(getkey(), state, PUSHES[0])
        jax.tree.map(np.testing.assert_array_equal, state, before)
        assert any((new != old).any() for new, old in zip(*map(jax.tree.leaves, (after, before)), strict=True))
        _, second = env.step(getkey(), state, PUSHES[0])
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
        with pytest.raises(UserError, match=r"pip install 'brax>=") as refusal:
            envs.make("brax/ant")
        assert "\n" not in str(refusal.value)

    def test_a_command_says_so_in_one_line(self, capsys):
        words = ["train", "--objective", "ppo", "--env", "brax/ant"]
        assert_refused(words, ["metadisco: brax environments need brax"], capsys)

    def test_other_environments_are_listed_all_the_same(self, capsys, monkeypatch):
        monkeypatch.setattr("metadisco.commands.listing.SUITES", ("gymnax", "brax"))  # others take long to import
        assert main(["list"]) == 0
        out, _ = capsys.readouterr()
        assert "pip install 'brax>=" in out
        assert "gymnax/CartPole-v1" in out
        assert "value_loss" in out
