"""Metrics of a problem, self-play against the search centre, and a baseline: rows, and bit-exact resumption."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rows import timeless
from toys import SIZE, MemoryRecorder, Quadratic, bits, config_of, ran

from metadisco.errors import UserError
from metadisco.outer.search import search
from metadisco.types import Evaluation, TaskInfo


@dataclass(frozen=True)
class Measured(Quadratic):
    """Reports x, how often something happened, and a number that only some members have."""

    def evaluate(self, key, meta_params):
        x = meta_params["x"]
        metrics = {"x": x[0], "times": jnp.int32(3), "seldom": jnp.where(x[1] > 0, x[1], jnp.nan)}
        return super().evaluate(key, meta_params)._replace(metrics=metrics)


class TestMetrics:
    def test_every_scalar_is_in_the_row_and_that_of_the_centre_where_it_is_judged(self):
        _, recorder = ran(Measured(), num_generations=2)
        for row in recorder.rows:
            assert {"metrics/x", "metrics/times", "metrics/seldom"} <= row.keys()
            assert row["metrics/times"] == 3
        assert recorder.rows[1]["centre/times"] == 3
        centre = recorder.states[2][0].strategy.centre["x"]
        np.testing.assert_allclose(recorder.rows[1]["centre/x"], centre[0], rtol=1e-6)

    def test_a_metric_is_the_mean_over_members_that_did_not_fail_and_have_it(self):
        problem = Measured(fails_above=0.0)
        _, recorder = ran(problem, num_generations=1, num_rollouts=1, seed=1)
        (row,) = recorder.rows
        assert 0 < row["failed_members"] < SIZE
        assert row["metrics/x"] <= 0  # those above failed
        assert row["metrics/seldom"] > 0

    def test_where_all_failed_it_is_null(self):
        _, recorder = ran(Measured(fails_by_luck=1.1), num_generations=1)
        assert recorder.rows[0]["metrics/x"] is None


class SelfPlay:
    """A member's fitness is how far it is above the centre, at the square of the generation."""

    tasks, env_steps = (TaskInfo("duel"),), 0

    def init(self, key):
        return {"x": jax.random.normal(key, (2,))}

    def evaluate(self, key, meta_params):
        raise AssertionError("in self-play nobody is judged alone")

    def evaluate_against(self, key, meta_params, centre, generation):
        ahead = (meta_params["x"] - centre["x"]).sum()
        return Evaluation(ahead[None], {"generation": generation})


class TestSelfPlay:
    @pytest.mark.parametrize("chunk_size", [1, 3])
    def test_members_see_the_centre_and_the_generation(self, chunk_size):
        problem = SelfPlay()
        centre, recorder = ran(problem, evaluate_every=1, num_generations=3, chunk_size=chunk_size, num_devices=2)
        start = recorder.states[0][0].strategy.centre["x"]
        assert centre["x"].sum() > start.sum()
        for generation, row in enumerate(recorder.rows):
            assert row["metrics/generation"] == row["centre/generation"] == generation
            assert row["centre_fitness"] == 0  # against itself
            assert abs(row["fitness_mean"]) < 1e-5  # mirrored around the centre

    def test_a_continued_search_is_the_uninterrupted_one(self):
        centre, recorder = ran(SelfPlay(), num_generations=3)
        again, continued = ran(SelfPlay(), num_generations=3, saved=recorder.states[1])
        assert bits(again) == bits(centre)
        assert timeless(continued.rows) == timeless(recorder.rows[1:])


@dataclass(frozen=True)
class Compared(Quadratic):
    """Has a baseline of fitness −1 on its first task, −2 on its second."""

    num_tasks: int = 2

    def baseline(self, key):
        return -1.0 - jnp.arange(self.num_tasks)


class TestBaseline:
    def test_it_stands_beside_the_centre_on_the_same_scale(self):
        _, recorder = ran(Compared(), num_generations=2)
        assert "baseline_fitness" not in recorder.rows[0]
        row = recorder.rows[1]
        assert row["baseline_fitness"] == -1.5
        assert [row[f"baseline_fitness/task {number}"] for number in (0, 1)] == [-1, -2]

    def test_one_of_another_shape_is_refused(self):
        class Wrong(Compared):
            def baseline(self, key):
                return jnp.zeros(3)

        with pytest.raises(UserError, match="baseline of the meta-problem"):
            search(Wrong(), config_of(), MemoryRecorder())


@dataclass(frozen=True)
class Told(Quadratic):
    """Wants a count and a mean told of all evaluations."""

    over_all = {"times_in_all": "times", "mean_luck": "luck"}  # noqa: RUF012 - never changed

    def evaluate(self, key, meta_params):
        evaluation = super().evaluate(key, meta_params)
        return evaluation._replace(metrics={**evaluation.metrics, "times": jnp.int32(3)})


def test_counts_and_means_over_all_evaluations_are_told_by_the_keys_that_a_problem_names():
    _, recorder = ran(Told(fails_by_luck=1.1), num_generations=1)
    (row,) = recorder.rows
    assert row["times_in_all"] == 3 * 2 * SIZE
    assert 0 < row["mean_luck"] < 1
    assert row["metrics/luck"] is None  # as all have failed
