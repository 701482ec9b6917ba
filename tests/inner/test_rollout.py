"""Episode bookkeeping on environments with known episodes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.inner.envs import Discrete, Env, TimeStep
from metadisco.inner.rollout import Decision, init_rollout, play_episodes, rollout

NUM_STEPS = 4
POISON = 1e6  # reward of every episode after the first, which evaluation must not see
TIME, LENGTH = 0, 1


def counting_env():
    """Rewards 1, 2, 3, …; an episode has the length that its state says, and so have those after it."""

    def step(key, state, action):
        time = state[TIME] + 1
        ended = time >= state[LENGTH]
        after = jnp.stack([time, state[LENGTH]])
        following = jnp.where(ended, after.at[TIME].set(0), after)
        return following, TimeStep(
            obs=following, reward=time + action, terminated=ended, truncated=jnp.zeros((), bool), final_obs=after
        )

    return Env(lambda key: (jnp.array([0.0, 3.0]),) * 2, step, (2,), Discrete(2), 100)


def act(key, obs):
    """Do nothing; the parameter is the time, so that it can be told which observation it was computed for."""
    zeros = jnp.zeros(obs.shape[0])
    return Decision(action=zeros, env_action=zeros, parameters=obs[:, [TIME]])


@pytest.fixture(scope="module")
def collect():
    return jax.jit(lambda key, state: rollout(key, state, counting_env(), act, NUM_STEPS))


def start(*lengths):
    states = jnp.array([[0.0, length] for length in lengths])
    return init_rollout(jax.random.key(0), counting_env(), len(lengths))._replace(env_state=states, obs=states)


def test_the_mean_return_is_over_the_episodes_that_finished_in_the_rollout(collect, getkey):
    # Four steps finish two episodes of length 2 (return 3) and one of length 3 (return 6), none of length 7.
    _, _, returns = collect(getkey(), start(2, 3, 7))
    assert returns.ended == (3 + 3 + 6) / 3


def test_episodes_are_summed_across_rollouts(collect, getkey):
    state, _, _ = collect(getkey(), start(2, 3, 7))
    np.testing.assert_array_equal(state.episode_return, [0, 1, 1 + 2 + 3 + 4])
    state, _, returns = collect(getkey(), state)
    assert returns.ended == (3 + 3 + 6 + 28) / 4
    np.testing.assert_array_equal(state.episode_return, [0, 1 + 2, 1])


def test_the_mean_return_is_nan_where_no_episode_finished(collect, getkey):
    state, _, returns = collect(getkey(), start(5, 7, 9))
    assert jnp.isnan(returns.ended)
    assert collect(getkey(), state)[2].ended == (15 + 28) / 2


@pytest.mark.parametrize("lengths", [(2, 3, 7), (5, 7, 9), (1, 1, 30), (2, 30, 30)])
def test_lengths_of_episodes_are_counted_as_steps_pass(collect, getkey, lengths):
    """Episode number n of an environment whose episodes last L steps ends at step n·L."""
    state = start(*lengths)
    for now in range(NUM_STEPS, 6 * NUM_STEPS, NUM_STEPS):
        state, _, returns = collect(getkey(), state)
        np.testing.assert_array_equal(state.episode_length, [now % length for length in lengths])
        longest = max((length for length in lengths if length <= now), default=0)
        assert state.longest == longest
        if longest and np.mean([now % length for length in lengths]) > longest:
            np.testing.assert_allclose(returns.running, state.episode_return.mean())
        else:
            assert jnp.isnan(returns.running)


def test_transitions_hold_what_was_acted_on_and_what_it_led_to(collect, getkey):
    _, transitions, _ = collect(getkey(), start(2, 3, 7))
    times = np.array([[0, 0, 0], [1, 1, 1], [0, 2, 2], [1, 0, 3]])
    np.testing.assert_array_equal(transitions.obs[..., TIME], times)
    np.testing.assert_array_equal(transitions.parameters[..., 0], times)
    np.testing.assert_array_equal(transitions.reward, times + 1)
    np.testing.assert_array_equal(transitions.final_obs[..., TIME], times + 1)
    np.testing.assert_array_equal(transitions.terminated, times + 1 == np.array([2, 3, 7]))
    assert not transitions.truncated.any()


def test_a_truncated_episode_counts_as_finished(getkey):
    env = counting_env()

    def cut(key, state, action):
        state, time_step = env.step(key, state, action)
        return state, time_step._replace(terminated=time_step.truncated, truncated=time_step.terminated)

    _, transitions, returns = rollout(getkey(), start(2), env._replace(step=cut), act, 2)
    assert returns.ended == 3
    np.testing.assert_array_equal(transitions.truncated[:, 0], [False, True])


def test_environments_and_steps_meet_different_keys(getkey):
    def step(key, state, action):
        reward = jax.random.uniform(key)
        end = jnp.zeros((), bool)
        return state, TimeStep(obs=state, reward=reward, terminated=end, truncated=end, final_obs=state)

    env = Env(lambda key: (jax.random.normal(key, (2,)),) * 2, step, (2,), Discrete(2), 100)
    state = init_rollout(getkey(), env, 3)
    assert jnp.unique(state.obs).size == 6
    _, transitions, _ = rollout(getkey(), state, env, act, NUM_STEPS)
    assert jnp.unique(transitions.reward).size == 3 * NUM_STEPS


def random_length_env(episode_length=100):
    """Reward 1 per step and 100 times the length at the end, for an episode of 1 to 6 steps; then poison for ever."""

    def reset(key):
        state = jnp.stack([jnp.zeros(()), jax.random.randint(key, (), 1, 7).astype(jnp.float32)])
        return state, state

    def step(key, state, action):
        after = state.at[TIME].add(1)
        over = after[TIME] > after[LENGTH]
        ended = after[TIME] == after[LENGTH]
        reward = jnp.where(over, POISON, jnp.where(ended, 100 * after[LENGTH], 1.0))
        return after, TimeStep(
            obs=after, reward=reward, terminated=ended, truncated=jnp.zeros((), bool), final_obs=after
        )

    return Env(reset, step, (2,), Discrete(2), episode_length)


def test_play_episodes_counts_the_first_episode_whole_and_nothing_after_it(getkey):
    returns = play_episodes(getkey(), random_length_env(), lambda key, obs: jnp.zeros(16), 16)
    lengths = (np.asarray(returns) + 1) / 101  # each return is (length − 1) + 100·length
    assert set(lengths) <= {1, 2, 3, 4, 5, 6}
    assert len(set(lengths)) > 1


def test_play_episodes_stops_at_the_environments_episode_length(getkey):
    returns = play_episodes(getkey(), random_length_env(3), lambda key, obs: jnp.zeros(32), 32)
    whole = {101 * length - 1 for length in (1, 2, 3)}
    assert set(np.asarray(returns).tolist()) == whole | {3}


def test_play_episodes_acts_on_the_observations_of_all_environments(getkey):
    env = counting_env()  # three steps with rewards 1, 2, 3, each plus the action
    returns = play_episodes(getkey(), env, lambda key, obs: 10 * obs[:, TIME], 2)
    np.testing.assert_array_equal(returns, [1 + 12 + 23] * 2)
