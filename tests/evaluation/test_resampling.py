"""Bootstrap intervals by counts, against seeds drawn one by one, as rliable does."""

import numpy as np
import pytest
import scipy.stats

from metadisco.evaluation.resampling import improvement_interval, mean_band, profile_band
from metadisco.evaluation.statistics import interquartile_mean, stratified_bootstrap

RNG = np.random.default_rng(0)
OURS = RNG.normal(size=(13, 3)) + np.array([0.0, 1.0, 5.0])
THEIRS = (RNG.normal(size=(9, 3)) + np.array([0.5, 0.0, 5.5])).round(1)


def resampled(scores, rng):
    """Return scores of seeds drawn independently on each task, as in rliable's StratifiedBootstrap."""
    return np.stack([rng.choice(column, len(column)) for column in scores.T], 1)


def mann_whitney(ours, theirs):
    us = [scipy.stats.mannwhitneyu(one, other).statistic for one, other in zip(ours.T, theirs.T, strict=True)]
    return np.mean(us) / (len(ours) * len(theirs))


def test_probability_of_improvement_has_the_interval_of_the_mann_whitney_statistic_over_resamples():
    rng = np.random.default_rng(1)
    values = [mann_whitney(resampled(OURS, rng), resampled(THEIRS, rng)) for _ in range(1000)]
    found = improvement_interval(OURS, THEIRS)
    assert found.value == pytest.approx(mann_whitney(OURS, THEIRS))
    np.testing.assert_allclose(found[1:], np.percentile(values, (2.5, 97.5)), atol=0.015)


def test_an_interquartile_mean_over_tasks_has_the_interval_of_scipys_trimmed_mean_over_resamples():
    rng = np.random.default_rng(1)
    values = [scipy.stats.trim_mean(resampled(OURS, rng), 0.25, axis=None) for _ in range(4000)]
    found = stratified_bootstrap(OURS, interquartile_mean)
    assert found.value == pytest.approx(scipy.stats.trim_mean(OURS, 0.25, axis=None))
    np.testing.assert_allclose(found[1:], np.percentile(values, (2.5, 97.5)), atol=0.04)


def test_blocks_do_not_change_it(monkeypatch):
    whole = improvement_interval(OURS, THEIRS)
    monkeypatch.setattr("metadisco.evaluation.resampling.BLOCK", 13_000)
    np.testing.assert_allclose(improvement_interval(OURS, THEIRS), whole, atol=0.01)


def test_one_side_always_better_is_certain():
    found = improvement_interval(THEIRS + 100, OURS)
    assert found == pytest.approx((1, 1, 1))
    assert found.high <= 1


def test_a_band_is_the_percentile_interval_of_the_mean():
    low, high = mean_band(OURS)
    for column, *edges in zip(OURS.T, low, high, strict=True):
        interval = scipy.stats.bootstrap(
            (column,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
        ).confidence_interval
        np.testing.assert_allclose(edges, interval, atol=0.06)


@pytest.mark.parametrize("samples", [OURS, np.array([[0.0, 500.0]] * 3 + [[1e6, 500.0]]), np.full((7, 2), 0.1)])
def test_a_band_lies_within_the_samples(samples):
    low, high = mean_band(samples)
    assert (samples.min(0) <= low).all()
    assert (low <= samples.mean(0) + 1e-12).all()
    assert (high <= samples.max(0)).all()


def test_a_band_of_one_seed_is_its_value():
    np.testing.assert_array_equal(mean_band(OURS[:1]), np.stack([OURS[0]] * 2))


def test_a_profile_resamples_each_task_apart(monkeypatch):
    above = OURS[:, :, None] > np.array([-1.0, 0.0, 2.0])
    rng = np.random.default_rng(1)
    means = [(resampled(OURS, rng)[:, :, None] > np.array([-1.0, 0.0, 2.0])).mean((0, 1)) for _ in range(4000)]
    np.testing.assert_allclose(profile_band(above), np.percentile(means, (2.5, 97.5), axis=0), atol=0.03)
    whole = profile_band(above)
    monkeypatch.setattr("metadisco.evaluation.resampling.BLOCK", 4000)  # two numbers at a time
    np.testing.assert_array_equal(profile_band(above), whole)
