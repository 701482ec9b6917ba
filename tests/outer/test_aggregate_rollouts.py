"""Aggregating fitness over rollouts and tasks, by hand-made numbers."""

import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.outer.aggregate import aggregate_rollouts, capped_mean, paired_difference
from metadisco.types import TaskInfo

TASKS = (TaskInfo("a", 0.0, 10.0), TaskInfo("b", -100.0, 0.0))
FITNESS = jnp.asarray(  # P = 3, R = 2, K = 2
    [
        [[1.0, -90.0], [500.0, -10.0]],
        [[2.0, -80.0], [100.0, -30.0]],
        [[3.0, -70.0], [200.0, -20.0]],
    ]
)


def test_ranks_per_draw_are_within_each_rollout_and_task():
    ranks = aggregate_rollouts(FITNESS, "mean_rank_per_draw", TASKS)
    np.testing.assert_allclose(ranks, [(1 + 1 + 3 + 3) / 4, (2 + 2 + 1 + 1) / 4, (3 + 3 + 2 + 2) / 4])


def test_a_draw_with_large_numbers_does_not_drown_the_others():
    """The mean over rollouts comes first in `mean_rank`: there the second rollout decides alone."""
    loud = FITNESS[..., :1]
    np.testing.assert_allclose(aggregate_rollouts(loud, "mean_rank", TASKS[:1]), [3, 1, 2])
    np.testing.assert_allclose(aggregate_rollouts(loud, "mean_rank_per_draw", TASKS[:1]), [2, 1.5, 2.5])


@pytest.mark.parametrize("how", ["mean", "minimum", "mean_rank"])
def test_the_others_average_over_rollouts_first(how):
    averaged = FITNESS.mean(1, keepdims=True)
    expected = aggregate_rollouts(averaged, how, TASKS)
    np.testing.assert_array_equal(aggregate_rollouts(FITNESS, how, TASKS), expected)


class TestCappedMean:
    BASELINE = jnp.asarray([[5.0, -50.0], [20.0, -80.0]])  # R = 2, K = 2

    def test_what_lies_above_the_baseline_counts_a_tenth(self):
        fitness = jnp.asarray([[[5.0, -75.0], [40.0, -120.0]]])  # s = 1, ½, 2, −1
        np.testing.assert_allclose(capped_mean(fitness, self.BASELINE, TASKS), [(1 + 0.5 + 1.1 - 1) / 4], rtol=1e-6)

    def test_two_tasks_cannot_buy_the_third(self):
        even = jnp.asarray([[[5.0, -50.0], [20.0, -80.0]]])
        bought = jnp.asarray([[[15.0, -50.0], [60.0, -100.0]]])  # s = 3, 1, 3, 0
        both = capped_mean(jnp.concatenate([even, bought]), self.BASELINE, TASKS)
        np.testing.assert_allclose(both, [1.0, 0.85], rtol=1e-6)

    @pytest.mark.parametrize("nothing", [0.0, -3.0, np.nan, -np.inf])
    def test_where_the_baseline_does_not_learn_or_fails_a_tenth_of_the_reference_is_the_scale(self, nothing):
        baseline = jnp.asarray([[nothing]])
        np.testing.assert_allclose(
            capped_mean(jnp.asarray([[[0.5]], [[2.0]]]), baseline, TASKS[:1]), [0.5, 1.1], rtol=1e-6
        )

    @pytest.mark.parametrize("failure", [np.nan, np.inf, -np.inf])
    def test_a_failed_rollout_fails_its_member_alone(self, failure):
        failed = FITNESS.at[1, 0, 1].set(failure)
        found = capped_mean(failed, self.BASELINE, TASKS)
        np.testing.assert_array_equal(np.isnan(found), [False, True, False])
        np.testing.assert_array_equal(found[::2], capped_mean(FITNESS, self.BASELINE, TASKS)[::2])

    def test_a_scale_that_points_down_is_turned_round(self):
        """As of a talker who harms: less is better."""
        task = (TaskInfo("harm", 10.0, 0.0),)
        fitness, baseline = jnp.asarray([[[4.0]], [[-2.0]]]), jnp.asarray([[4.0]])
        np.testing.assert_allclose(capped_mean(fitness, baseline, task), [1.0, 1.1], rtol=1e-6)


@pytest.mark.parametrize("failure", [np.nan, np.inf])
def test_a_failed_draw_fails_its_member_alone_under_ranks(failure):
    failed = FITNESS.at[2, 0, 1].set(failure)
    ranks = aggregate_rollouts(failed, "mean_rank_per_draw", TASKS)
    np.testing.assert_array_equal(np.isnan(ranks), [False, False, True])
    np.testing.assert_allclose(ranks[:2], [(1 + 1 + 3 + 3) / 4, (2 + 2 + 1 + 1) / 4])


def test_the_difference_from_a_baseline_is_paired():
    baseline = FITNESS - jnp.asarray([1.0, 20.0])  # 0.1 and 0.2 on the scales
    difference, error = paired_difference(FITNESS, baseline, TASKS)
    np.testing.assert_allclose([difference, error], [0.15, 0.0], atol=1e-6)
    noisy = baseline + 10 * jnp.arange(6.0).reshape(3, 2, 1) * jnp.asarray([1.0, 0.0])
    difference, error = paired_difference(FITNESS, noisy, TASKS)
    each = 0.15 - np.arange(6) / 2
    np.testing.assert_allclose([difference, error], [each.mean(), each.std(ddof=1) / 6**0.5], rtol=1e-5)
    assert np.isnan(paired_difference(FITNESS.at[0].set(np.nan), baseline, TASKS)[0])
