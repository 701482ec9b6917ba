"""Searches whose evaluations draw settings, and which a baseline stands beside."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rows import timeless
from toys import SIZE, MemoryRecorder, Quadratic, bits, config_of, ran

from metadisco.errors import UserError
from metadisco.evolution.opening import baseline_cost
from metadisco.outer.search import search
from metadisco.types import Evaluation, TaskInfo

pytestmark = pytest.mark.usefixtures("searches_share_what_is_compiled")

NUM_ROLLOUTS = 2
COUNTED = []


@dataclass(frozen=True)
class Drawn(Quadratic):
    """The optimum is drawn for each evaluation, and the metric tells where it was."""

    def draws(self, key):
        return {"optimum": jax.random.uniform(jax.random.fold_in(key, 77))}

    def evaluate(self, key, meta_params):
        optimum = self.draws(key)["optimum"]
        distance = jnp.square(meta_params["x"] - optimum).sum()
        return Evaluation(-distance * (1.0 + jnp.arange(self.num_tasks)), {"optimum": optimum})


@dataclass(frozen=True)
class Compared(Drawn):
    """The baseline stays at 0; each of its evaluations is counted."""

    def baseline(self, key):
        optimum = self.draws(key)["optimum"]
        jax.debug.callback(COUNTED.append, optimum)
        return -3 * jnp.square(optimum) * (1.0 + jnp.arange(self.num_tasks))


SCALES = (TaskInfo("a", -4.0, 0.0), TaskInfo("b", -8.0, 0.0))
COMPARED = Compared(num_tasks=2, scales=SCALES)


@pytest.fixture(scope="module")
def drawn():
    return ran(Drawn(), num_generations=4)


@pytest.fixture(scope="module")
def capped():
    return ran(COMPARED, num_generations=4, aggregate="capped_mean")


class TestDraws:
    KEYS = tuple(f"draw/optimum/{rollout}" for rollout in range(NUM_ROLLOUTS))

    def test_every_rollout_of_a_generation_has_its_own_and_members_share_them(self, drawn):
        rows = drawn[1].rows
        values = np.array([[row[key] for key in self.KEYS] for row in rows])
        assert len(np.unique(values)) == values.size
        means = [row["metrics/optimum"] for row in rows]  # over members and rollouts
        np.testing.assert_allclose(means, values.mean(1), rtol=1e-6)

    def test_the_centre_draws_on_its_own_keys(self, drawn):
        for row in drawn[1].rows[1::2]:
            assert row["centre/optimum"] != row["metrics/optimum"]

    def test_a_continued_search_draws_the_same(self, drawn):
        centre, recorder = drawn
        again, continued = ran(Drawn(), num_generations=4, saved=recorder.states[2])
        assert timeless(continued.rows) == timeless(recorder.rows[2:])
        assert bits(again) == bits(centre)

    def test_a_problem_that_draws_nothing_has_no_such_keys(self):
        _, recorder = ran(num_generations=1)
        assert not any(key.startswith("draw/") for key in recorder.rows[0])

    @pytest.mark.parametrize("drawn", [{"a": jnp.zeros(2)}, {"a\n": jnp.zeros(())}, jnp.zeros(())])
    def test_what_is_no_scalar_by_name_is_refused(self, drawn):
        class Wrong(Quadratic):
            def draws(self, key):
                return drawn

        with pytest.raises(UserError, match="draws of the meta-problem: allowed: a dict of scalars by name"):
            search(Wrong(), config_of(), MemoryRecorder())


class TestBaseline:
    def test_the_centre_is_compared_on_the_same_seeds(self):
        _, recorder = ran(COMPARED, num_generations=2)
        assert not any("baseline" in key for key in recorder.rows[0])
        row = recorder.rows[1]
        difference, error = row["centre_minus_baseline"], row["centre_minus_baseline_error"]
        np.testing.assert_allclose(difference, row["centre_fitness"] - row["baseline_fitness"], rtol=1e-4)
        assert 0 < error < 1
        # A difference of the means without pairs would be much less certain.
        a, b = (row[f"centre_minus_baseline/{name}"] for name in "ab")
        np.testing.assert_allclose(b, 2 * a, rtol=1e-5)
        np.testing.assert_allclose(row["centre_minus_baseline_error/b"], 2 * row["centre_minus_baseline_error/a"], 1e-5)
        np.testing.assert_allclose(difference, (a / 4 + b / 8) / 2, rtol=1e-5)

    def test_a_failed_lifetime_leaves_no_difference(self):
        @dataclass(frozen=True)
        class Fails(Compared):
            def baseline(self, key):
                return super().baseline(key) * jnp.nan

        _, recorder = ran(Fails(num_tasks=2, scales=SCALES), num_generations=2)
        assert recorder.rows[1]["centre_minus_baseline"] is None
        assert recorder.rows[1]["centre_minus_baseline_error"] is None
        assert recorder.rows[1]["centre_fitness"] is not None

    @pytest.mark.parametrize(
        ("aggregate", "per_centre", "per_generation"),
        [("mean", SIZE * NUM_ROLLOUTS, 0), ("capped_mean", SIZE * NUM_ROLLOUTS, NUM_ROLLOUTS)],
    )
    def test_it_costs_what_is_announced(self, aggregate, per_centre, per_generation):
        COUNTED.clear()
        _, recorder = ran(COMPARED, num_generations=4, aggregate=aggregate)
        jax.effects_barrier()
        (evaluator,) = recorder.started
        assert (evaluator.num_baselines, evaluator.num_baselines_per_generation) == (per_centre, per_generation)
        assert len(COUNTED) == 2 * per_centre + 4 * per_generation
        config = replace(config_of(), aggregate=aggregate)
        (sentence,) = baseline_cost(config, 2, evaluator)
        assert f"{2 * per_centre} more lifetimes whenever the centre is evaluated, every 2 generations" in sentence
        assert (f"{2 * per_generation} more lifetimes in each generation" in sentence) == bool(per_generation)

    def test_where_it_is_not_used_it_is_not_evaluated(self):
        COUNTED.clear()
        _, recorder = ran(COMPARED, num_generations=2, evaluate_every=0)
        jax.effects_barrier()
        assert COUNTED == []
        assert baseline_cost(replace(config_of(), evaluate_every=0), 2, recorder.started[0]) == []


class TestCappedMean:
    def test_the_scale_is_the_baseline_on_the_draws_of_the_generation(self, capped):
        """The baseline is at 1, or below where it hardly learns; the mean member is near it at the start."""
        row = capped[1].rows[1]
        np.testing.assert_allclose(row["baseline_fitness"], 1.0, atol=0.1)
        np.testing.assert_allclose(row["centre_fitness"], 1.0, atol=0.3)

    def test_two_devices_share_the_work(self, capped):
        _, recorder = ran(COMPARED, num_generations=4, aggregate="capped_mean", num_devices=2)
        for one, other in zip(timeless(recorder.rows), timeless(capped[1].rows), strict=True):
            assert one.keys() == other.keys()
            for name, value in one.items():
                np.testing.assert_allclose(value, other[name], rtol=1e-3, atol=1e-5)

    def test_a_batch_that_does_not_divide_among_devices_is_filled_up(self):
        one, two = (
            ran(COMPARED, num_generations=2, aggregate="capped_mean", num_rollouts=3, num_devices=number)[1].rows
            for number in (1, 2)
        )
        COUNTED.clear()
        _, recorder = ran(COMPARED, num_generations=1, aggregate="capped_mean", num_rollouts=3, num_devices=2)
        jax.effects_barrier()
        assert len(COUNTED) == recorder.started[0].num_baselines_per_generation == 4
        for name in ("fitness_mean", "centre_fitness", "baseline_fitness", "centre_minus_baseline"):
            np.testing.assert_allclose(one[1][name], two[1][name], rtol=1e-4)

    def test_a_problem_without_a_baseline_is_refused_before_anything_is_compiled(self, monkeypatch):
        monkeypatch.setattr(jax.stages.Lowered, "compile", lambda *_: pytest.fail("compiled"))
        with pytest.raises(UserError, match=r"outer\.aggregate: got 'capped_mean' for a problem without a baseline"):
            ran(Quadratic(num_tasks=3), aggregate="capped_mean")


def test_ranks_per_draw_drive_a_search():
    _, recorder = ran(Drawn(), num_generations=2, aggregate="mean_rank_per_draw")
    row = recorder.rows[1]
    assert row["fitness_mean"] == (1 + SIZE) / 2
    assert row["centre_fitness"] < 0
