"""Searches on several tasks: rows of each task, and aggregation of fitness."""

import json
import re
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from rows import timeless
from toys import KEYS, SIZE, Quadratic, ran

from metadisco.errors import UserError
from metadisco.outer.aggregate import half_width, scores_of
from metadisco.types import TaskInfo

pytestmark = pytest.mark.usefixtures("searches_share_what_is_compiled")

PLAIN = (TaskInfo("a"), TaskInfo("b"))
SCALED = (TaskInfo("a", -1.0, 1.0), TaskInfo("b", -20.0, -10.0))
TASK_KEYS = ("fitness_mean/a", "fitness_mean/b")
CENTRE_KEYS = ("centre_fitness/a", "centre_fitness/b")
PROBLEM = Quadratic(noise=0.1, num_tasks=2)  # fitness on the second task is twice that on the first


@dataclass(frozen=True)
class HalfFails(Quadratic):
    """On the first task fitness is 100 for members that fail on the second and 0 for others, who get 7 there."""

    num_tasks: int = 2

    def evaluate(self, key, meta_params):
        fails = jnp.sin(1000 * meta_params["x"][0]) > 0  # about half of them, wherever the centre is
        evaluation = super().evaluate(key, meta_params)
        return evaluation._replace(
            fitness=jnp.stack([jnp.where(fails, 100.0, 0.0), jnp.where(fails, jnp.nan, 7.0)]),
        )


@pytest.fixture(scope="module")
def scaled():
    return ran(replace(PROBLEM, scales=SCALED))[1]


def test_each_of_several_is_reported_by_name(scaled):
    for row in scaled.rows:
        evaluated = (
            {"centre_fitness", "centre_half_width", "centre/luck", *CENTRE_KEYS}
            if row["generation"] % 2 == 1
            else set()
        )
        assert set(row) == KEYS | set(TASK_KEYS) | evaluated
    assert json.loads(json.dumps(scaled.rows, allow_nan=False)) == scaled.rows


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        ((TaskInfo("a"),), "of shape (2,) for each evaluation, allowed: (1,)"),
        ((TaskInfo("a"), TaskInfo("b"), TaskInfo("c")), "allowed: (3,)"),
        ((object(),), "allowed: a TaskInfo for each task"),
        ((TaskInfo("a"), TaskInfo("a")), "distinct names"),
        ((TaskInfo("a"), TaskInfo("b", 3.0, 3.0)), "b has zero and one (3.0, 3.0)"),
    ],
)
def test_what_cannot_describe_them_is_refused_before_anything_is_compiled(tasks, told, monkeypatch):
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda *_: pytest.fail("compiled"))
    with pytest.raises(UserError, match=re.escape(told)):
        ran(replace(PROBLEM, scales=tasks))


def test_a_single_one_is_not():
    _, recorder = ran(Quadratic(noise=0.1, scales=(TaskInfo("a", -1.0, 1.0),)))
    for row in recorder.rows:
        assert set(row) - {"centre_fitness", "centre_half_width", "centre/luck"} == KEYS


def test_fitness_of_a_task_is_reported_as_it_is_and_the_whole_on_its_scale(scaled):
    for row in scaled.rows:
        a, b = (row[key] for key in TASK_KEYS)
        np.testing.assert_allclose(b, 2 * a, rtol=1e-5)
        np.testing.assert_allclose(row["fitness_mean"], ((a + 1) / 2 + (b + 20) / 10) / 2, rtol=1e-5)


def test_the_centre_is_put_on_the_same_scale(scaled):
    for row in scaled.rows[1::2]:
        a, b = (row[key] for key in CENTRE_KEYS)
        np.testing.assert_allclose(b, 2 * a, rtol=1e-5)
        np.testing.assert_allclose(row["centre_fitness"], ((a + 1) / 2 + (b + 20) / 10) / 2, rtol=1e-5)
        assert a != row["fitness_mean/a"]


def test_the_centre_under_ranks_is_the_mean_over_tasks():
    _, recorder = ran(replace(PROBLEM, scales=SCALED), aggregate="mean_rank")
    for row in recorder.rows[1::2]:
        a, b = (row[key] for key in CENTRE_KEYS)
        np.testing.assert_allclose(row["centre_fitness"], ((a + 1) / 2 + (b + 20) / 10) / 2, rtol=1e-5)


def test_a_task_is_averaged_over_the_members_that_did_not_fail_there():
    _, recorder = ran(HalfFails(scales=PLAIN), num_generations=2)
    for row in recorder.rows:
        assert 0 < row["failed_members"] < SIZE
        assert row["fitness_mean/a"] == 100 * row["failed_members"] / SIZE  # failures on the other task count
        assert row["fitness_mean/b"] == 7
        assert row["fitness_mean"] == 3.5  # of those that failed nowhere


def test_a_task_on_which_all_failed_is_null():
    _, recorder = ran(Quadratic(fails_by_luck=1.1, num_tasks=2, scales=PLAIN), num_generations=2)
    for row in recorder.rows:
        assert [row[key] for key in TASK_KEYS] == [None, None]
    assert [recorder.rows[1][key] for key in CENTRE_KEYS] == [None, None]


def test_a_continued_run_reports_them_as_before(scaled):
    _, recorder = ran(replace(PROBLEM, scales=SCALED), saved=scaled.states[3])
    assert timeless(recorder.rows) == timeless(scaled.rows[3:])


@pytest.mark.parametrize("how", ["mean", "minimum", "mean_rank"])
def test_several_tasks_become_one_fitness(how):
    _, recorder = ran(Quadratic(num_tasks=2), aggregate=how, num_generations=2)
    row = recorder.rows[1]
    assert row["step_skipped"] is False
    assert row["centre_fitness"] < 0  # for ranks the mean over tasks stands in
    assert (row["fitness_mean"] > 0) == (how == "mean_rank")


@pytest.mark.parametrize(
    ("how", "scores"), [("mean", [1.25, 2.75, 3.5]), ("mean_rank", [1.25, 2.75, 3.5]), ("minimum", [1.5, 3.5, 1.0])]
)
def test_the_interval_of_the_centre_is_students_t_over_its_seeds(how, scores):
    fitness = np.array([[1.0, 13.0], [2.0, 17.0], [6.0, 12.0]])
    scales = (TaskInfo("a"), TaskInfo("b", 10.0, 12.0))  # of means 3 and 2 on their scales
    low, high = scipy.stats.t.interval(0.95, 2, np.mean(scores), scipy.stats.sem(scores))
    np.testing.assert_allclose(half_width(scores_of(fitness, how, scales)), (high - low) / 2)
    fitness[0, 0] = np.inf
    assert np.isnan(half_width(scores_of(fitness, how, scales)))
