"""What a life is worth, when episodes do not finish in every update."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metadisco.config import FITNESS_NAMES
from metadisco.inner.fitness import FITNESS, area_under_curve, fill_gaps, final_return
from metadisco.inner.train import TrainResult

NAN = np.nan
FILL = jax.jit(fill_gaps)


def life(curve, evaluation=((1.0, 3.0), (5.0, 9.0))):
    return TrainResult(
        state=None,
        curve=jnp.array(curve, jnp.float32),
        evaluation=jnp.array(evaluation, jnp.float32),
        finite=jnp.ones((), bool),
        diagnostics=None,
    )


@pytest.mark.parametrize(
    ("curve", "filled"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ([1, NAN, NAN, 4, NAN], [1, 1, 1, 4, 4]),
        ([NAN, NAN, 3, NAN], [3, 3, 3, 3]),
        ([NAN, NAN, NAN], [NAN, NAN, NAN]),
        ([NAN, 0, -1], [0, 0, -1]),
    ],
)
def test_gaps_take_the_last_number_and_leading_ones_the_first(curve, filled):
    np.testing.assert_array_equal(fill_gaps(jnp.array(curve, jnp.float32)), np.array(filled, np.float32))


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(st.lists(st.one_of(st.just(NAN), st.floats(-100, 100, width=32)), min_size=8, max_size=8))
def test_filled_curves_equal_a_loop(curve):
    expected, last = [], next((x for x in curve if not np.isnan(x)), NAN)
    for x in curve:
        last = last if np.isnan(x) else x
        expected.append(last)
    np.testing.assert_array_equal(FILL(jnp.array(curve, jnp.float32)), np.array(expected, np.float32))


def test_area_under_curve_is_the_mean_of_a_curve_without_gaps():
    assert area_under_curve(life([1, 2, 6])) == 3


def test_area_under_curve_counts_gaps_at_the_last_return_and_does_not_leave_them_out():
    curve = [10, NAN, 500, NAN, NAN, NAN, NAN, NAN]
    assert area_under_curve(life(curve)) == (2 * 10 + 6 * 500) / 8
    assert area_under_curve(life(curve)) > np.nanmean(curve)


def test_area_under_curve_counts_a_leading_gap_at_the_first_return():
    assert area_under_curve(life([NAN, NAN, 3, 9])) == (3 + 3 + 3 + 9) / 4


def test_a_life_in_which_no_episode_finished_is_scored_by_its_last_evaluation():
    assert area_under_curve(life([NAN, NAN, NAN])) == 7


def test_final_return_is_the_mean_of_the_last_evaluation_only():
    assert final_return(life([NAN, 1])) == 7


@pytest.mark.parametrize("name", FITNESS)
def test_every_fitness_is_a_scalar_that_a_better_life_raises(name):
    better = FITNESS[name](life([2, NAN, 4], ((2.0, 4.0), (6.0, 10.0))))
    assert better.shape == ()
    assert better > FITNESS[name](life([1, NAN, 3]))


def test_every_name_that_a_config_may_use_is_a_fitness_function_and_the_other_way_round():
    assert set(FITNESS) == set(FITNESS_NAMES)
