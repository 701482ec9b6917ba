"""The channel of cheap talk: its effects on an environment, and who speaks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import QUICK
from env_contract import assert_contract, play, run

from metadisco.config import PPOConfig
from metadisco.inner import envs, networks
from metadisco.inner.cpu.dense import dense
from metadisco.inner.envs import Discrete, auto_reset
from metadisco.inner.envs.cheap_talk import Talker, cheap_talk, memoryless, obs_size, steered
from metadisco.inner.envs.goals import GOALS, Goal, breakout_score, cart_position, pendulum_angle
from metadisco.inner.envs.sampled import sampled
from metadisco.inner.envs.talkers import constant, copy, frozen, noise, scrambled
from metadisco.inner.train import train
from metadisco.objectives import ppo

N, SCALE, NUM_STEPS = 2, 3.0, 14
LIMIT = 5


def message(obs):
    return SCALE * jnp.tanh(obs.ravel()[:2] * 5 + obs.sum())


def grid():
    """Two axes; counts up from a random start, and ends by itself where the count passes the action."""

    def reset(key):
        obs = jax.random.uniform(key, (2, 3))
        return obs, obs

    def step(key, state, action):
        return state + 1, state + 1, state.sum(), state.max() > 2 + action

    return auto_reset(reset, step, obs_shape=(2, 3), action_space=Discrete(2), episode_length=4)


def cart_pole():
    return envs.make("gymnax/CartPole-v1", max_steps_in_episode=LIMIT)


@pytest.fixture(scope="module", params=[cart_pole, grid], ids=["one axis", "two axes"])
def played(request):
    """Return a plain environment, and trajectories in it without and with a message for the same keys and actions."""
    env, key = request.param(), jax.random.key(3)
    actions = jax.random.randint(jax.random.key(4), (NUM_STEPS,), 0, 2)
    return env, play(env, key, actions), play(cheap_talk(env, memoryless(message), N), key, actions)


class TestChannel:
    def test_rewards_and_flags_are_those_of_the_plain_environment_bit_for_bit(self, played):
        _, (_, plain), (_, told) = played
        for name in ("reward", "terminated", "truncated"):
            np.testing.assert_array_equal(getattr(plain, name), getattr(told, name))
        assert (plain.terminated | plain.truncated).sum() > 1

    def test_states_are_those_of_the_plain_environment_bit_for_bit(self, played):
        env, _, _ = played
        told, key, action = cheap_talk(env, memoryless(message), N), jax.random.key(1), jnp.ones((), jnp.int32)

        @jax.jit
        def states(key):
            plain, (own, _) = env.reset(key)[0], told.reset(key)[0]
            return plain, own, env.step(key, plain, action)[0], told.step(key, (own, ()), action)[0][0]

        first, own_first, second, own_second = states(key)
        jax.tree.map(np.testing.assert_array_equal, (first, second), (own_first, own_second))

    def test_an_observation_is_the_plain_one_flattened_and_its_message(self, played):
        env, (plain_first, plain), (told_first, told) = played
        size = obs_size(env)
        assert told_first.shape == (size + N,)
        for before, after in ((plain_first[None], told_first[None]), (plain.obs, told.obs)):
            np.testing.assert_array_equal(after[:, :size], before.reshape(len(before), -1))
            np.testing.assert_allclose(after[:, size:], jax.vmap(message)(before), rtol=1e-5)

    def test_the_final_observation_carries_its_own_message(self, played):
        env, (_, plain), (_, told) = played
        size, done = obs_size(env), np.asarray(told.terminated | told.truncated)
        np.testing.assert_array_equal(told.final_obs[:, :size], plain.final_obs.reshape(NUM_STEPS, -1))
        np.testing.assert_allclose(told.final_obs[:, size:], jax.vmap(message)(plain.final_obs), rtol=1e-5)
        np.testing.assert_array_equal(told.final_obs[~done], told.obs[~done])
        assert (told.final_obs[done, size:] != told.obs[done, size:]).any(1).all()

    def test_it_is_an_environment_like_any_other(self, played):
        env, _, _ = played
        assert_contract(cheap_talk(env, frozen(message), N))


BANK = jnp.arange(6.0).reshape(3, 2)
TALKERS = {
    "zero": constant(N, 0.0), "constant": constant(N, SCALE), "noise": noise(N, SCALE), "copy": copy(N),
    "frozen": frozen(message), "scrambled": scrambled(BANK), "learned": memoryless(message),
}  # fmt: skip


def any_of(index):
    """Return the talker of a traced number, so that one compiled program serves them all."""
    all_of = list(TALKERS.values())
    begin = lambda talker: lambda key, obs: talker.begin(key, obs) if talker is TALKERS["frozen"] else jnp.zeros(N)  # noqa: E731
    return Talker(
        lambda key, obs: jax.lax.switch(index, [begin(each) for each in all_of], key, obs),
        lambda key, obs, memory: jax.lax.switch(index, [each.speak for each in all_of], key, obs, memory),
    )


@pytest.fixture(scope="module")
def messages():
    """Return by talker: observations, whether episodes ended, messages and final messages."""
    env, actions = cart_pole(), jnp.ones(NUM_STEPS, jnp.int32)
    play_one = lambda index: run(cheap_talk(env, any_of(index), N), jax.random.key(0), actions)  # noqa: E731
    first, steps = jax.jit(lambda indices: jax.lax.map(play_one, indices), compiler_options=QUICK)(
        jnp.arange(len(TALKERS))
    )
    found = {}
    for index, name in enumerate(TALKERS):
        obs = np.concatenate([first[index][None], steps.obs[index]])
        done = np.asarray(steps.terminated[index] | steps.truncated[index])
        found[name] = obs[:, :-N], done, obs[:, -N:], np.asarray(steps.final_obs[index, :, -N:])
    return found


class TestTalkers:
    def test_all_speak_in_the_same_episodes(self, messages):
        for obs, done, _, _ in messages.values():
            np.testing.assert_array_equal(obs, messages["zero"][0])
            assert done.sum() == NUM_STEPS // LIMIT

    @pytest.mark.parametrize(("name", "value"), [("zero", 0.0), ("constant", SCALE)])
    def test_one_value(self, name, value, messages):
        assert (messages[name][2] == value).all()

    def test_noise_stays_in_its_bounds_and_never_repeats(self, messages):
        said = messages["noise"][2]
        assert np.abs(said).max() <= SCALE
        assert len(np.unique(said)) == said.size
        assert said.min() < 0 < said.max()

    def test_a_copy_is_the_start_of_the_observation(self, messages):
        obs, _, said, _ = messages["copy"]
        np.testing.assert_array_equal(said, obs[:, :N])

    def test_a_scrambled_message_is_one_of_those_given(self, messages):
        said = messages["scrambled"][2]
        assert {tuple(each) for each in said} == {tuple(each) for each in BANK.tolist()}

    def test_a_frozen_message_is_that_of_the_start_of_the_episode(self, messages):
        obs, done, said, final = messages["frozen"]
        starts = np.concatenate([[True], done])
        np.testing.assert_allclose(said[starts], jax.vmap(message)(obs[starts]), rtol=1e-5)
        assert (said[1:] != said[:-1]).any(1).tolist() == done.tolist()
        np.testing.assert_array_equal(final, said[:-1])  # the last word of an episode is its own

    @pytest.mark.parametrize("name", TALKERS)
    def test_within_an_episode_both_observations_carry_one_message(self, name, messages):
        _, done, said, final = messages[name]
        np.testing.assert_array_equal(final[~done], said[1:][~done])


@pytest.fixture(scope="module")
def agents():
    """Return parameters and curves of victims by talker, without and with their weights on the message."""
    env = cart_pole()
    config = PPOConfig(
        num_envs=2, num_steps=16, num_env_steps=128, num_minibatches=1, num_epochs=2, hidden_sizes=(4,),
        learning_rate=0.02, num_evaluation_episodes=2,
    )  # fmt: skip
    size = obs_size(env)

    def trained(index, weight):
        def masked(x, kernel, bias):
            if len(kernel) != size + N:
                return dense(x, kernel, bias)
            return dense(x, kernel * jnp.where(jnp.arange(size + N) < size, 1.0, weight)[:, None], bias)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(networks, "dense", masked)
            result = train(jax.random.key(7), cheap_talk(env, any_of(index), N), config, ppo())
        return result.state.params, result.curve, result.evaluation

    indices = jnp.tile(jnp.arange(len(TALKERS)), 2)
    weights = jnp.repeat(jnp.array([0.0, 1.0]), len(TALKERS))
    results = jax.jit(lambda *each: jax.lax.map(lambda pair: trained(*pair), each), compiler_options=QUICK)(
        indices, weights
    )
    return [jax.tree.map(lambda leaf, start=start: leaf[start : start + len(TALKERS)], results) for start in (0, 7)]


class TestInfluence:
    """Influence goes through the victim's weights on the message, and through nothing else."""

    def test_without_weights_on_the_message_all_talkers_are_alike(self, agents):
        for leaf in jax.tree.leaves(agents[0]):
            np.testing.assert_allclose(leaf, np.broadcast_to(leaf[:1], leaf.shape), atol=1e-5)

    def test_with_them_no_two_are(self, agents):
        kernels = np.asarray(agents[1][0]["actor"]["Dense_0"]["kernel"])
        for index, one in enumerate(kernels):
            for other in kernels[:index]:
                assert np.abs(one - other).max() > 1e-4


class TestSteering:
    def test_the_goal_pays_by_the_final_observation_and_changes_with_the_episode(self):
        env, goal = cart_pole(), cart_position()
        actions = jnp.ones(NUM_STEPS, jnp.int32)
        told = lambda obs, wanted: jnp.stack([wanted[0], obs[0]])  # noqa: E731
        first, steps = play(steered(env, told, N, goal), jax.random.key(0), actions)
        plain_first, plain = play(env, jax.random.key(0), actions)
        done = np.asarray(steps.terminated | steps.truncated)
        np.testing.assert_array_equal(done, plain.terminated | plain.truncated)
        np.testing.assert_allclose(steps.obs[:, :4], plain.obs, rtol=1e-5, atol=1e-6)  # two programs
        wanted = steps.final_obs[:, 4]
        np.testing.assert_allclose(steps.reward, np.exp(-np.square(plain.final_obs[:, 0] - wanted)), rtol=1e-5)
        np.testing.assert_array_equal(steps.final_obs[:, 5], steps.final_obs[:, 0])
        before = np.concatenate([first[4:5], steps.obs[:-1, 4]])
        np.testing.assert_array_equal(before, wanted)  # one goal an episode
        assert (steps.obs[done, 4] != wanted[done]).all()
        assert np.abs(np.concatenate([before, wanted])).max() < 2.4
        np.testing.assert_array_equal(first[:4], plain_first)

    def test_a_pendulum_is_paid_for_the_angle_it_reached(self):
        goal = pendulum_angle()
        wanted = goal.draw(jax.random.key(0))
        np.testing.assert_allclose(jnp.square(wanted).sum(), 1, rtol=1e-6)
        np.testing.assert_array_equal(goal.features(wanted), wanted)
        for obs, reward in ((wanted, 1.0), (-wanted, np.exp(-4.0))):
            np.testing.assert_allclose(goal.pay(wanted, jnp.append(obs, 9.0), jnp.zeros(()))[1], reward, rtol=1e-5)

    def test_breakout_pays_until_the_score_exceeds_what_is_wanted(self):
        goal, state = breakout_score(), (jnp.asarray(2.5), jnp.zeros(()))
        paid = []
        for reward in (1.0, 0.0, 1.0, 1.0, 1.0):
            state, own = goal.pay(state, jnp.zeros(3), jnp.asarray(reward))
            paid.append(float(own))
        assert paid == [1, 0, 1, -1, -1]
        np.testing.assert_allclose(goal.features(state), [2.5 / 50, 4 / 50])

    def test_every_goal_says_how_many_features_it_has(self):
        for make_one in GOALS.values():
            goal: Goal = make_one()
            features = jax.eval_shape(lambda key, goal=goal: goal.features(goal.draw(key)), jax.random.key(0))
            assert features.shape == (goal.num_features,)


class TestSample:
    def test_all_observations_are_kept_while_there_is_room(self, getkey):
        _, first, steps, state = self.walk(getkey(), NUM_STEPS + 3)
        seen = np.concatenate([first[None], steps.obs])
        np.testing.assert_array_equal(state.observations[: NUM_STEPS + 1], seen)
        assert int(state.num_seen) == NUM_STEPS + 1

    def test_each_observation_is_kept_with_the_same_probability(self):
        num_kept, num_walks = 3, 600
        keys = jax.random.split(jax.random.key(5), num_walks)
        kept = jax.jit(jax.vmap(lambda key: self.walk(key, num_kept)[0]), compiler_options=QUICK)(keys)
        counts = np.bincount(np.asarray(kept).ravel().astype(int), minlength=NUM_STEPS + 1)
        expected = num_walks * num_kept / (NUM_STEPS + 1)
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)

    def walk(self, key, num_kept):
        """Return the kept times, the first observation, the steps and the state after some steps of a clock."""
        clock = auto_reset(
            lambda key: (jnp.zeros(()), jnp.zeros(1)),
            lambda key, state, action: (state + 1, (state + 1)[None], jnp.zeros(()), jnp.zeros((), bool)),
            obs_shape=(1,), action_space=Discrete(2), episode_length=NUM_STEPS + 1,
        )  # fmt: skip
        env = sampled(clock, num_kept)
        key_reset, key_steps = jax.random.split(key)
        state, first = env.reset(key_reset)
        step = lambda state, key: env.step(key, state, jnp.zeros((), jnp.int32))  # noqa: E731
        state, steps = jax.lax.scan(step, state, jax.random.split(key_steps, NUM_STEPS))
        return state.observations[:, 0], first, steps, state
