"""Statistics over seeds and tasks, against scipy, worked examples and their nominal coverage."""

import math

import numpy as np
import pytest
import scipy.stats

from metadisco.evaluation.statistics import (
    interquartile_mean,
    mean,
    paired_difference,
    probability_of_improvement,
    stratified_bootstrap,
)

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(13, 3)) + np.array([0.0, 1.0, 5.0])
NUM_SIMULATIONS = 500


class TestInterquartileMean:
    @pytest.mark.parametrize(
        ("scores", "expected"),
        [
            (np.arange(8.0)[:, None], 3.5),  # 2, 3, 4, 5
            (np.array([[0.0, 100.0], [1.0, 2.0]]), 1.5),
            (np.array([[-1e6, 1.0, 3.0, 1e6]]), 2.0),
            (np.arange(10.0)[:, None], 4.5),  # a quarter of ten, rounded down: 2 to 7
            (np.array([[1.0], [2.0], [6.0]]), 3.0),  # nothing is left out of three
        ],
    )
    def test_worked_examples(self, scores, expected):
        assert interquartile_mean(scores) == expected

    def test_equals_scipys_trimmed_mean_of_all_scores_taken_together(self):
        np.testing.assert_allclose(interquartile_mean(SCORES), scipy.stats.trim_mean(SCORES, 0.25, axis=None))
        assert interquartile_mean(SCORES) != pytest.approx(np.mean(scipy.stats.trim_mean(SCORES, 0.25)), rel=1e-3)

    def test_axes_before_are_kept(self):
        several = np.stack([SCORES, SCORES + 1, 2 * SCORES]).reshape(3, 1, 13, 3)
        alone = [[interquartile_mean(each[0])] for each in several]
        np.testing.assert_allclose(interquartile_mean(several), alone)


class TestProbabilityOfImprovement:
    def test_equals_the_mann_whitney_statistic_on_each_task(self):
        theirs = RNG.normal(size=(7, 3)) + np.array([0.5, 0.0, 5.5])
        us = [scipy.stats.mannwhitneyu(ours, other).statistic for ours, other in zip(SCORES.T, theirs.T, strict=True)]
        np.testing.assert_allclose(probability_of_improvement(SCORES, theirs), np.mean(us) / (13 * 7))

    def test_ties_count_half(self):
        assert probability_of_improvement(np.array([[1.0], [2.0]]), np.array([[1.0], [1.0]])) == (0.5 + 0.5 + 1 + 1) / 4

    def test_of_a_sample_over_itself_is_one_half_and_the_two_ways_sum_to_one(self):
        assert probability_of_improvement(SCORES, SCORES) == pytest.approx(0.5)
        other = SCORES + np.array([0.3, -0.1, 0.0])
        assert probability_of_improvement(SCORES, other) + probability_of_improvement(other, SCORES) == pytest.approx(1)


class TestBootstrap:
    def test_the_value_is_the_statistic_of_the_sample_and_lies_in_the_interval(self):
        for statistic in (mean, interquartile_mean):
            estimate = stratified_bootstrap(SCORES, statistic)
            assert estimate.value == statistic(SCORES)
            assert estimate.low < estimate.value < estimate.high

    def test_repeats_with_its_seed_alone(self):
        assert stratified_bootstrap(SCORES, mean, seed=1) == stratified_bootstrap(SCORES, mean, seed=1)
        assert stratified_bootstrap(SCORES, mean, seed=1) != stratified_bootstrap(SCORES, mean, seed=2)

    def test_agrees_with_scipys_percentile_bootstrap_on_one_task(self):
        column = SCORES[:, :1]
        ours = stratified_bootstrap(column, mean, num_resamples=50_000)
        theirs = scipy.stats.bootstrap(
            (column[:, 0],), np.mean, n_resamples=50_000, method="percentile", rng=np.random.default_rng(1)
        ).confidence_interval
        error = 0.02 * column.std()
        np.testing.assert_allclose((ours.low, ours.high), theirs, atol=error)

    def test_the_spread_is_that_of_seeds_drawn_on_each_task_apart(self):
        """Two tasks with opposite scores: if seeds were drawn jointly, their mean would be constant."""
        opposite = np.stack([SCORES[:, 0], -SCORES[:, 0]], 1)
        estimate = stratified_bootstrap(opposite, mean)
        expected = 1.96 * SCORES[:, 0].std() / math.sqrt(2 * 13)
        assert estimate.high - estimate.low == pytest.approx(2 * expected, rel=0.05)

    def test_blocks_do_not_change_the_spread(self, monkeypatch):
        whole = stratified_bootstrap(SCORES, mean)
        monkeypatch.setattr("metadisco.evaluation.statistics.BLOCK", 1000)
        blocks = stratified_bootstrap(SCORES, mean)
        np.testing.assert_allclose(blocks, whole, atol=0.02)

    @pytest.mark.parametrize("statistic", [mean, interquartile_mean])
    def test_covers_the_truth_at_its_nominal_rate(self, statistic):
        """Scores are symmetric around 0 and 1 on two tasks; mean and interquartile mean are ½."""
        rng = np.random.default_rng(2)
        covered = 0
        for _ in range(NUM_SIMULATIONS):
            scores = rng.normal(size=(64, 2)) * np.array([0.2, 0.4]) + 0.5
            low, high = stratified_bootstrap(scores, statistic, num_resamples=500)[1:]
            covered += low <= 0.5 <= high
        error = 3 * math.sqrt(0.95 * 0.05 / NUM_SIMULATIONS)
        assert abs(covered / NUM_SIMULATIONS - 0.95) < error

    @pytest.mark.parametrize("scores", [np.zeros((0, 2)), np.zeros(3), np.array([[1.0, np.nan]])])
    def test_what_cannot_be_resampled_is_refused(self, scores):
        with pytest.raises(ValueError, match="finite scores"):
            stratified_bootstrap(scores, mean)


class TestPairedDifference:
    def test_equals_scipys_paired_t_interval(self):
        ours, theirs = SCORES[:, 0], SCORES[:, 1]
        expected = scipy.stats.ttest_rel(ours, theirs).confidence_interval(0.9)
        estimate = paired_difference(ours, theirs, 0.9)
        np.testing.assert_allclose((estimate.low, estimate.high), expected)
        assert estimate.mean == pytest.approx((ours - theirs).mean())

    def test_seeds_that_failed_on_either_side_are_left_out(self):
        ours = np.array([1.0, np.nan, 3.0, 5.0])
        theirs = np.array([0.0, 0.0, np.inf, 1.0])
        assert paired_difference(ours, theirs).mean == pytest.approx((1 + 4) / 2)
        with pytest.raises(ValueError, match="got 1 seeds"):
            paired_difference(ours[:2], theirs[:2])
