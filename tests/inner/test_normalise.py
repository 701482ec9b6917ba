"""Running statistics compared with the statistics of all data."""

import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.inner.normalise import (
    discounted_returns,
    init_statistics,
    scale_rewards,
    standardise,
    update_statistics,
)


def merged(batches):
    statistics = init_statistics(batches[0].shape[2:])
    for batch in batches:
        statistics = update_statistics(statistics, jnp.asarray(batch, jnp.float32))
    return statistics


@pytest.fixture
def batches():
    """Batches of different sizes, means and spreads, so that a wrong weight shows."""
    rng = np.random.default_rng(0)
    sizes, offsets, scales = [(4, 3), (1, 2), (16, 5)], [-3.0, 10.0, 0.5], [1.0, 0.1, 4.0]
    return [
        offset + scale * rng.normal(size=(*size, 2)) for size, offset, scale in zip(sizes, offsets, scales, strict=True)
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_running_statistics_equal_those_of_all_data(batches, order):
    statistics = merged([batches[i] for i in order])
    everything = np.concatenate([batch.reshape(-1, 2) for batch in batches])
    assert statistics.num_samples == len(everything)
    np.testing.assert_allclose(statistics.mean, everything.mean(0), rtol=1e-5)
    np.testing.assert_allclose(statistics.variance, everything.var(0), rtol=1e-5)


def test_running_variance_survives_a_mean_far_from_zero():
    rng = np.random.default_rng(1)
    batches = [1000 + rng.normal(size=(32, 4)) for _ in range(4)]
    np.testing.assert_allclose(merged(batches).variance, np.stack(batches).var(), rtol=1e-3)


def test_statistics_of_nothing_change_nothing_within_the_bound():
    x = jnp.array([-20.0, -1.5, 0.0, 2.0, 20.0])
    np.testing.assert_array_equal(standardise(init_statistics(()), x, 10.0), [-10, -1.5, 0, 2, 10])
    np.testing.assert_array_equal(scale_rewards(init_statistics(()), x[None], 10.0), [[-10, -1.5, 0, 2, 10]])


def test_standardised_data_has_mean_zero_and_deviation_one(batches):
    everything = np.concatenate([batch.reshape(-1, 2) for batch in batches])
    standard = standardise(merged(batches), jnp.asarray(everything, jnp.float32), 1e6)
    np.testing.assert_allclose(standard.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(standard.std(0), 1, rtol=1e-5)


def test_standardised_data_is_clipped_after_scaling(batches):
    everything = jnp.asarray(batches[0], jnp.float32)
    standard = standardise(merged(batches), everything, 0.25)
    np.testing.assert_array_equal(standard, jnp.clip(standardise(merged(batches), everything, 1e6), -0.25, 0.25))
    assert jnp.abs(standard).max() == 0.25


def test_a_constant_stream_stays_finite_and_bounded():
    statistics = merged([np.full((4, 3), 7.0)])
    standard = standardise(statistics, jnp.array([7.0, 8.0, -1e9]), 10.0)
    np.testing.assert_array_equal(standard, [0, 10, -10])


def test_scaled_rewards_keep_their_mean_and_sign():
    statistics = init_statistics(())._replace(mean=jnp.float32(100), variance=jnp.float32(4))
    scaled = scale_rewards(statistics, jnp.array([[1.0, -3.0, 50.0]]), 10.0)
    np.testing.assert_allclose(scaled, [[0.5, -1.5, 10.0]], rtol=1e-6)


def test_the_last_step_of_an_episode_counts_to_that_episode():
    rewards = jnp.array([1.0, 1.0, 10.0, 1.0])[:, None]
    done = jnp.array([False, False, True, False])[:, None]
    carry, returns = discounted_returns(rewards, done, jnp.zeros(1), 0.99)
    np.testing.assert_allclose(returns[:, 0], [1, 1.99, 1 * 0.99**2 + 0.99 + 10, 1], rtol=1e-6)
    np.testing.assert_allclose(returns[:, 0], [1, 1.99, 11.97, 1], atol=1e-3)
    np.testing.assert_allclose(carry, [1], rtol=1e-6)


def test_an_episode_that_ends_with_the_rollout_leaves_nothing_behind():
    carry, _ = discounted_returns(jnp.ones((2, 2)), jnp.array([[False, False], [True, False]]), jnp.zeros(2), 0.5)
    np.testing.assert_array_equal(carry, [0, 1.5])


def test_the_discounted_return_is_carried_across_rollouts():
    rng = np.random.default_rng(2)
    rewards, done = jnp.asarray(rng.normal(size=(8, 3)), jnp.float32), jnp.asarray(rng.random((8, 3)) < 0.3)
    assert not done[3].all()  # or the carry would not matter
    carry, whole = discounted_returns(rewards, done, jnp.zeros(3), 0.9)
    middle, first = discounted_returns(rewards[:4], done[:4], jnp.zeros(3), 0.9)
    last, second = discounted_returns(rewards[4:], done[4:], middle, 0.9)
    np.testing.assert_array_equal(whole, jnp.concatenate([first, second]))
    np.testing.assert_array_equal(carry, last)
