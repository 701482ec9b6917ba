"""Fitness of a training run with gaps in its learning curve, and over a part of the lifetime."""

from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metadisco.config import FITNESS_NAMES, PARTIAL_FITNESS_NAMES, parse_config
from metadisco.errors import UserError
from metadisco.inner.fitness import (
    FITNESS,
    area_under_curve,
    fill_gaps,
    final_return,
    mean_evaluation,
    share_of_gaps,
)
from metadisco.inner.train import TrainResult
from metadisco.problems import make_fitness, make_problem

NAN = np.nan
FILL = jax.jit(fill_gaps)


def lifetime(curve, evaluation=((1.0, 3.0), (5.0, 9.0)), running=None):
    return TrainResult(
        state=None,
        curve=jnp.array(curve, jnp.float32),
        evaluation=jnp.array(evaluation, jnp.float32),
        finite=jnp.ones((), bool),
        diagnostics=None,
        running=None if running is None else jnp.array(running, jnp.float32),
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
    assert area_under_curve(lifetime([1, 2, 6])) == 3


def test_area_under_curve_counts_gaps_at_the_last_return_and_does_not_leave_them_out():
    curve = [10, NAN, 500, NAN, NAN, NAN, NAN, NAN]
    assert area_under_curve(lifetime(curve)) == (2 * 10 + 6 * 500) / 8
    assert area_under_curve(lifetime(curve)) > np.nanmean(curve)


def test_episodes_that_outlast_those_before_count_by_what_they_have_collected():
    curve, running = [10, NAN, NAN, NAN, 12], [NAN, NAN, 40, 60, 5]
    filled = [10, 10, 40, 60, 12]  # where an episode ended it is that which counts
    np.testing.assert_array_equal(fill_gaps(*(jnp.array(each, jnp.float32) for each in (curve, running))), filled)
    np.testing.assert_allclose(area_under_curve(lifetime(curve, running=running)), np.mean(filled), rtol=1e-6)
    np.testing.assert_allclose(area_under_curve(lifetime(curve)), (10 * 4 + 12) / 5, rtol=1e-6)


def test_area_under_curve_counts_a_leading_gap_at_the_first_return():
    assert area_under_curve(lifetime([NAN, NAN, 3, 9])) == (3 + 3 + 3 + 9) / 4


def test_the_share_of_gaps_is_that_of_updates_in_which_no_episode_ended():
    assert share_of_gaps(lifetime([1, NAN, NAN, 4])) == 0.5
    assert share_of_gaps(lifetime([1, 2])) == 0


def test_a_lifetime_in_which_no_episode_finished_is_scored_by_its_last_evaluation():
    assert area_under_curve(lifetime([NAN, NAN, NAN])) == 7


def test_final_return_is_the_mean_of_the_last_evaluation_only():
    assert final_return(lifetime([NAN, 1])) == 7


@pytest.mark.parametrize("name", FITNESS)
def test_every_fitness_is_a_scalar_that_a_better_lifetime_raises(name):
    better = FITNESS[name](lifetime([2, NAN, 4], ((2.0, 4.0), (6.0, 10.0))))
    assert better.shape == ()
    assert better > FITNESS[name](lifetime([1, NAN, 3]))


def test_every_name_that_a_config_may_use_is_a_fitness_function_and_the_other_way_round():
    assert set(FITNESS) == set(FITNESS_NAMES)


class TestOnesOwn:
    @pytest.fixture
    def judged(self):
        """(fitness) -> the shape and type that a problem makes of it, without compiling."""
        inner = {"env": "probes:constant_reward", "ppo": {"num_env_steps": 256, "num_envs": 2, "num_steps": 8}}
        problem = make_problem(parse_config({"inner": inner}))

        def judged(fitness):
            key = jax.random.key(0)
            evaluate = replace(problem, fitness=fitness).evaluate
            return jax.eval_shape(evaluate, key, jax.eval_shape(problem.init, key)).fitness

        return judged

    @pytest.mark.parametrize(
        "value",
        [None, "good", 1 + 2j, jnp.ones(2), [[1], [1, 2]]],
    )
    def test_what_is_no_real_number_is_refused_while_tracing(self, judged, value):
        with pytest.raises(UserError, match=r"inner\.fitness: got ") as refusal:
            judged(lambda result: value)
        assert "\n" not in str(refusal.value)

    @pytest.mark.parametrize("value", [1, 0.5, True, np.float64(2), jnp.ones((), jnp.bfloat16)])
    def test_any_real_number_is_taken(self, judged, value):
        assert judged(lambda result: value).shape == (1,)


class TestParts:
    CURVE = tuple(range(10))
    EVALUATION = ((1.0, 3.0), (5.0, 9.0), (10.0, 20.0), (0.0, 2.0))

    @pytest.mark.parametrize(
        ("part", "updates"),
        [
            ((0.0, 1.0), range(10)),
            ((0.5, 1.0), range(5, 10)),
            ((0.0, 0.5), range(5)),
            ((0.3, 0.6), range(3, 6)),
            ((0.25, 0.31), (2, 3)),  # both lie in it in part
            ((0.51, 0.52), (5,)),
        ],
    )
    def test_area_under_a_part_of_the_curve_counts_the_updates_in_it(self, part, updates):
        expected = sum(updates) / len(updates)
        np.testing.assert_allclose(area_under_curve(lifetime(self.CURVE), part), expected, rtol=1e-6)

    def test_rounding_of_fractions_adds_or_drops_none(self):
        """0.29 × 100 is below 29 in floating point, and 0.07 × 100 above 7."""
        hundred = lifetime(range(100), [[number] for number in range(100)])
        np.testing.assert_allclose(area_under_curve(hundred, (0.29, 1.0)), np.mean(range(29, 100)), rtol=1e-6)
        np.testing.assert_allclose(area_under_curve(hundred, (0.0, 0.07)), 3, rtol=1e-6)
        np.testing.assert_allclose(mean_evaluation(hundred, (0.0, 0.29)), 14, rtol=1e-6)

    def test_a_gap_at_the_start_of_a_part_takes_the_return_before_it(self):
        assert area_under_curve(lifetime([5, NAN, NAN, 7]), (0.5, 1.0)) == 6
        assert area_under_curve(lifetime([NAN, NAN, 3, 9]), (0.0, 0.5)) == 3

    def test_a_part_of_a_lifetime_in_which_no_episode_finished_is_scored_by_its_last_evaluation(self):
        assert area_under_curve(lifetime([NAN] * 4), (0.0, 0.25)) == 7

    @pytest.mark.parametrize(
        ("part", "mean"),
        [
            ((0.0, 1.0), 50 / 8),
            ((0.5, 1.0), 32 / 4),
            ((0.0, 0.5), 18 / 4),
            ((0.25, 0.75), 44 / 4),
            ((0.74, 0.76), 15),
            ((0.2, 0.3), 2),
        ],
    )
    def test_mean_evaluation_counts_those_after_the_start_up_to_the_end(self, part, mean):
        assert mean_evaluation(lifetime([0], self.EVALUATION), part) == mean

    @pytest.mark.parametrize("part", [(0.0, 0.2), (0.3, 0.4), (0.76, 0.99)])
    def test_a_part_without_an_evaluation_is_refused(self, part):
        with pytest.raises(UserError, match=r"inner\.fitness_part: got .* none of the 4 evaluations.*num_evaluations"):
            mean_evaluation(lifetime([0], self.EVALUATION), part)

    def test_it_is_refused_before_anything_is_compiled(self):
        inner = {"fitness": "mean_evaluation", "fitness_part": [0.5, 0.9], "env": "probes:constant_reward"}
        problem = make_problem(parse_config({"inner": {**inner, "ppo": {"num_evaluations": 1}}}))
        key = jax.random.key(0)
        with pytest.raises(UserError, match=r"inner\.fitness_part: got \[0\.5, 0\.9\]"):
            jax.eval_shape(problem.evaluate, key, problem.init(key))

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(
        size=st.sampled_from([1, 3, 7, 10]),
        denominator=st.integers(1, 12),
        data=st.data(),
    )
    def test_parts_agree_with_exact_arithmetic(self, size, denominator, data):
        first = data.draw(st.integers(0, denominator - 1))
        last = data.draw(st.integers(first + 1, denominator))
        start, end = Fraction(first, denominator), Fraction(last, denominator)
        part = (float(start), float(end))
        values = [2.0**number for number in range(size)]
        overlapping = [values[u] for u in range(size) if Fraction(u, size) < end and Fraction(u + 1, size) > start]
        played = [values[v] for v in range(size) if start < Fraction(v + 1, size) <= end]
        result = lifetime(values, [[value] for value in values])
        np.testing.assert_allclose(area_under_curve(result, part), np.mean(overlapping), rtol=1e-6)
        if played:
            np.testing.assert_allclose(mean_evaluation(result, part), np.mean(played), rtol=1e-6)
        else:
            with pytest.raises(UserError):
                mean_evaluation(result, part)

    @pytest.mark.parametrize("name", PARTIAL_FITNESS_NAMES)
    def test_a_config_gives_the_part(self, name):
        result = lifetime(self.CURVE, self.EVALUATION)
        assert make_fitness(name, (0.5, 1.0))(result) == FITNESS[name](result, (0.5, 1.0))
        assert make_fitness(name, (0.5, 1.0))(result) != make_fitness(name)(result)
        assert make_fitness(name)(result) == FITNESS[name](result)

    def test_final_return_looks_at_no_part(self):
        assert make_fitness("final_return", (0.0, 1.0))(lifetime([0])) == 7
