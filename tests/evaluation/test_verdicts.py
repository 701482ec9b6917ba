"""Verdicts, Holm's correction and statistics over cells, on numbers that are made up."""

import math

import numpy as np
import pytest

from metadisco.evaluation.statistics import Difference
from metadisco.evaluation.verdicts import Scale, best, corrected, holm, p_value, spread, verdict

EXTENT = 200.0


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (Difference(5.0, 1.0, 9.0), "better"),
        (Difference(1.0, 0.1, 1.9), "better"),  # however small
        (Difference(-11.0, -15.0, -7.0), "worse"),
        (Difference(-9.0, -12.0, -6.0), "level"),  # within a twentieth of the scale
        (Difference(-50.0, -101.0, 1.0), "level"),  # the interval holds 0
        (Difference(0.0, 0.0, 0.0), "level"),
    ],
)
def test_a_cell_is_worse_if_its_interval_and_its_mean_are_below(difference, expected):
    assert verdict(difference, EXTENT) == expected


def test_without_a_scale_the_interval_decides():
    assert verdict(Difference(-9.0, -12.0, -6.0), math.nan) == "worse"
    assert verdict(Difference(-9.0, -20.0, 2.0), math.nan) == "level"


def test_a_correction_leaves_level_what_is_no_longer_significant():
    difference = Difference(-50.0, -90.0, -10.0)
    assert corrected(difference, EXTENT, 0.04) == "worse"
    assert corrected(difference, EXTENT, 0.06) == "level"


def test_holm_is_that_of_the_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.02]) == [0.02]


def test_the_p_value_agrees_with_the_interval():
    """The interval of confidence 1 − p ends at 0."""
    import scipy.stats

    differences = np.random.default_rng(0).normal(0.4, 1.0, 12)
    assert p_value(differences) == pytest.approx(scipy.stats.ttest_1samp(differences, 0).pvalue)
    assert p_value(np.zeros(5)) == 1
    assert p_value(np.full(5, 2.0)) == 0


def test_statistics_are_over_cells_and_the_mean_over_seeds_comes_first():
    cells = np.array([-1.0, -0.2, 0.0, 0.1, 0.2, 0.3, 0.4, 2.0])
    noise = np.array([-3.0, 3.0, -1.0, 1.0])[:, None]  # of the seeds, which cancels
    found = spread(cells + noise)
    assert found.mean.value == pytest.approx(cells.mean())
    assert found.interquartile_mean.value == pytest.approx(np.mean([0.0, 0.1, 0.2, 0.3]))
    assert found.low_quantile == pytest.approx(np.quantile(cells, 0.1))
    assert found.minimum == pytest.approx(-1.0)
    assert found.mean.low < found.mean.value < found.mean.high


def test_the_best_is_valued_on_seeds_that_did_not_choose_it():
    lucky, good = np.array([9.0, 1.0, 9.0, 1.0]), np.array([5.0, 6.0, 5.0, 6.0])
    assert best([good, lucky]) == (1, 1.0)


def test_a_scale_has_no_extent_where_ppo_is_no_better_than_random_actions():
    assert Scale(-200.0, -100.0, "cleanrl").extent == 100
    assert math.isnan(Scale(-100.0, -100.0, "cleanrl").extent)
