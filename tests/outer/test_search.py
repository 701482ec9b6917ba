import json
import re
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import ENV_STEPS, MemoryRecorder, Quadratic

from metadisco.config import OuterConfig, StrategyConfig
from metadisco.errors import UserError
from metadisco.outer import search as search_module
from metadisco.outer.evaluate import Evaluator
from metadisco.outer.search import Recorder, search
from metadisco.outer.strategy import make_strategy
from metadisco.types import TaskInfo

TIMES = ("seconds", "env_steps_per_second")
KEYS = {
    "generation",
    "fitness_mean",
    "fitness_best",
    "fitness_worst",
    "fitness_std",
    "failed_members",
    "step_skipped",
    "std",
    "step_norm",
    "env_steps",
    *TIMES,
}
NOISY = Quadratic(noise=0.1)
SIZE = 8


@pytest.fixture(scope="module", autouse=True)
def searches_share_what_is_compiled():
    """Compile each strategy and each evaluation once for all tests here."""
    strategies: dict[str, Any] = {}
    evaluators: dict[Any, Evaluator] = {}

    def make_once(config: StrategyConfig, example: Any) -> Any:
        if repr(config) not in strategies:
            strategies[repr(config)] = make_strategy(config, example)
        return strategies[repr(config)]

    def evaluator_once(problem: Any, config: OuterConfig, mesh: Any, example: Any) -> Evaluator:
        kind = (problem, config.strategy.population_size, config.num_rollouts, mesh.size)
        if kind not in evaluators:
            evaluators[kind] = Evaluator(problem, config, mesh, example)
        return evaluators[kind]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_module, "make_strategy", make_once)
        patch.setattr(search_module, "Evaluator", evaluator_once)
        yield


def config_of(num_generations: int = 6, name: str = "Open_ES", **settings: Any) -> OuterConfig:
    strategy = StrategyConfig(name=name, population_size=SIZE, std=0.1)
    defaults = {"num_devices": 1, "checkpoint_every": 1, "evaluate_every": 2, "num_rollouts": 2}
    return OuterConfig(num_generations=num_generations, strategy=strategy, **defaults | settings)


def ran(
    problem: Any = NOISY, *, saved: Any = None, seed: int = 0, tasks: Any = (), **settings: Any
) -> tuple[Any, MemoryRecorder]:
    """Search, and return the centre with what was recorded."""
    recorder = MemoryRecorder(saved)
    return search(problem, config_of(**settings), recorder, tasks=tasks, seed=seed), recorder


def timeless(rows: list[dict[str, Any]], *without: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in (*TIMES, *without)} for row in rows]


def bits(tree: Any) -> list[bytes]:
    leaves = [
        jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        for leaf in jax.tree.leaves(tree)
    ]
    return [np.asarray(leaf).tobytes() for leaf in leaves]


@pytest.fixture(scope="module")
def whole():
    """A run of six generations, a state kept after each."""
    return ran()


def test_a_recorder_in_memory_is_a_recorder():
    assert isinstance(MemoryRecorder(), Recorder)


class TestRows:
    def test_keys_are_those_that_are_documented(self, whole):
        rows = whole[1].rows
        assert [row["generation"] for row in rows] == [0, 1, 2, 3, 4, 5]
        for row in rows:
            evaluated = row["generation"] % 2 == 1
            assert set(row) == (KEYS | {"centre_fitness"} if evaluated else KEYS)

    def test_values_are_plain_numbers_that_json_holds(self, whole):
        assert json.loads(json.dumps(whole[1].rows, allow_nan=False)) == whole[1].rows

    def test_statistics_are_in_order(self, whole):
        for row in whole[1].rows:
            assert row["fitness_worst"] < row["fitness_mean"] < row["fitness_best"]
            assert 0 < row["fitness_std"] < row["fitness_best"] - row["fitness_worst"]

    def test_environment_steps_add_up_over_generations_without_those_of_the_centre(self, whole):
        steps = [row["env_steps"] for row in whole[1].rows]
        assert steps == [SIZE * 2 * ENV_STEPS * (number + 1) for number in range(6)]

    def test_speed_is_steps_of_the_generation_over_its_seconds(self, whole):
        for row in whole[1].rows:
            assert row["seconds"] > 0
            np.testing.assert_allclose(row["env_steps_per_second"] * row["seconds"], SIZE * 2 * ENV_STEPS)

    def test_std_is_the_one_members_were_sampled_with(self, whole):
        stds = [row["std"] for row in whole[1].rows]
        np.testing.assert_allclose(stds, [0.1 * 0.999**number for number in range(6)], rtol=1e-6)

    def test_step_norm_is_how_far_the_centre_moved(self, whole):
        states = whole[1].states
        for row in whole[1].rows:
            before, after = (states[row["generation"] + offset][0].strategy.centre["x"] for offset in (0, 1))
            np.testing.assert_allclose(row["step_norm"], np.linalg.norm(after - before), rtol=1e-4)


def test_the_centre_moves_to_where_fitness_is_high():
    centre, recorder = ran(num_generations=60, checkpoint_every=60)
    start = recorder.states[0][0].strategy.centre["x"]
    assert np.square(centre["x"] - 1).sum() < 0.5 * np.square(start - 1).sum()
    assert recorder.rows[-1]["fitness_mean"] > recorder.rows[0]["fitness_mean"]
    assert recorder.rows[-1]["centre_fitness"] > recorder.rows[1]["centre_fitness"]


class TestContinuing:
    @pytest.mark.parametrize("generation", range(6))
    def test_a_run_continued_from_any_generation_is_the_uninterrupted_one(self, whole, generation):
        centre, recorder = ran(saved=whole[1].states[generation])
        assert timeless(recorder.rows) == timeless(whole[1].rows[generation:])
        assert bits(centre) == bits(whole[0])
        assert bits(recorder.states[6][0]) == bits(whole[1].states[6][0])

    def test_population_based_strategies_continue_alike(self):
        centre, recorder = ran(name="SimpleGA")
        for generation in (0, 1, 4):
            again, continued = ran(name="SimpleGA", saved=recorder.states[generation])
            assert timeless(continued.rows) == timeless(recorder.rows[generation:])
            assert bits(again) == bits(centre)

    def test_a_run_that_is_prolonged_is_one_long_run(self, whole):
        _, first = ran(num_generations=3)
        centre, second = ran(num_generations=6, saved=first.states[3])
        assert timeless(first.rows + second.rows) == timeless(whole[1].rows)
        assert bits(centre) == bits(whole[0])

    def test_a_continued_run_keeps_its_own_seed(self, whole):
        _, recorder = ran(saved=whole[1].states[3], seed=99)
        assert timeless(recorder.rows) == timeless(whole[1].rows[3:])

    def test_a_finished_run_is_left_alone(self, whole):
        announced: list[Any] = []
        recorder = MemoryRecorder(whole[1].states[6])
        centre = search(NOISY, config_of(), recorder, announce=announced.append)
        assert bits(centre) == bits(whole[0])
        assert (recorder.rows, recorder.states, announced) == ([], {}, [])

    def test_evaluating_the_centre_more_or_less_often_does_not_change_the_search(self, whole):
        for evaluate_every in (0, 1, 3):
            centre, recorder = ran(evaluate_every=evaluate_every)
            assert timeless(recorder.rows, "centre_fitness") == timeless(whole[1].rows, "centre_fitness")
            assert bits(centre) == bits(whole[0])
            evaluated = [row["generation"] for row in recorder.rows if "centre_fitness" in row]
            assert evaluated == [number for number in range(6) if evaluate_every and (number + 1) % evaluate_every == 0]

    def test_checkpoints_more_or_less_often_do_not_change_the_search(self, whole):
        centre, recorder = ran(checkpoint_every=4)
        assert timeless(recorder.rows) == timeless(whole[1].rows)
        assert bits(centre) == bits(whole[0])


class TestSeeds:
    def test_the_same_seed_repeats_the_numbers(self, whole):
        centre, recorder = ran()
        assert timeless(recorder.rows) == timeless(whole[1].rows)
        assert bits(centre) == bits(whole[0])

    def test_another_seed_gives_other_numbers(self, whole):
        centre, recorder = ran(seed=1)
        assert all(
            row["fitness_mean"] != other["fitness_mean"]
            for row, other in zip(recorder.rows, whole[1].rows, strict=True)
        )
        assert bits(centre) != bits(whole[0])

    def test_members_share_seeds_within_a_generation_and_generations_do_not(self):
        _, recorder = ran(Quadratic(weight=0.0, noise=1.0))
        assert [row["fitness_std"] for row in recorder.rows] == [0.0] * 6
        assert len({row["fitness_mean"] for row in recorder.rows}) == 6

    def test_the_centre_is_judged_on_seeds_of_its_own(self):
        _, recorder = ran(Quadratic(weight=0.0, noise=1.0), evaluate_every=1)
        numbers = [row[key] for row in recorder.rows for key in ("fitness_mean", "centre_fitness")]
        assert len(set(numbers)) == len(numbers)


class TestNothingToLearn:
    def test_equal_members_skip_the_step_and_the_row_says_so(self):
        centre, recorder = ran(Quadratic(weight=0.0, noise=1.0))
        for row in recorder.rows:
            assert row["step_skipped"] is True
            assert row["step_norm"] == 0.0
            assert row["failed_members"] == 0
        assert bits(centre) == bits(recorder.states[0][0].strategy.centre)

    def test_a_generation_that_failed_as_a_whole_leaves_null_statistics(self):
        centre, recorder = ran(Quadratic(fails_by_luck=1.1))
        for row in recorder.rows:
            assert row["failed_members"] == SIZE
            assert row["step_skipped"] is True
            assert {row[f"fitness_{name}"] for name in ("mean", "best", "worst", "std")} == {None}
        assert recorder.rows[1]["centre_fitness"] is None
        assert bits(centre) == bits(recorder.states[0][0].strategy.centre)
        assert json.loads(json.dumps(recorder.rows, allow_nan=False)) == recorder.rows

    def test_rows_of_other_runs_say_that_no_step_was_skipped(self, whole):
        assert [row["step_skipped"] for row in whole[1].rows] == [False] * 6


def test_failed_members_are_counted_and_the_run_goes_on():
    problem = Quadratic(noise=0.1, fails_above=0.1)
    centre, recorder = ran(problem, num_generations=12)
    counts = [row["failed_members"] for row in recorder.rows]
    assert any(0 < count < SIZE for count in counts)
    assert np.isfinite(centre["x"]).all()
    for row in recorder.rows:
        if row["failed_members"] < SIZE:
            assert row["fitness_worst"] <= row["fitness_mean"] <= row["fitness_best"]


class TestSaving:
    def test_states_are_saved_at_the_start_at_intervals_and_at_the_end(self):
        _, recorder = ran(checkpoint_every=4)
        assert list(recorder.states) == [0, 4, 6]

    def test_progress_says_generations_and_steps(self, whole):
        for generation, (state, progress) in whole[1].states.items():
            assert progress == (generation, generation * SIZE * 2 * ENV_STEPS)
            assert int(state.strategy.generation) == generation

    def test_a_row_is_logged_before_its_state_is_saved(self):
        """Else a kill in between would leave a state without its row."""

        class Watchful(MemoryRecorder):
            def save(self, state, progress):
                assert len(self.rows) == progress.generation
                super().save(state, progress)

        recorder = Watchful()
        search(NOISY, config_of(), recorder)
        assert len(recorder.states) == 7

    def test_a_stop_is_heeded_after_the_generation_in_hand_and_saved(self, whole):
        recorder = MemoryRecorder()
        centre = search(NOISY, config_of(checkpoint_every=100), recorder, should_stop=lambda: len(recorder.rows) == 3)
        assert list(recorder.states) == [0, 3]
        assert bits(centre) == bits(whole[1].states[3][0].strategy.centre)
        _, continued = ran(saved=recorder.states[3])
        assert timeless(continued.rows) == timeless(whole[1].rows[3:])

    def test_the_evaluation_is_announced_before_anything_is_saved(self):
        happened: list[str] = []

        class Telling(MemoryRecorder):
            def save(self, state, progress):
                happened.append(f"saved {progress.generation}")

        search(NOISY, config_of(1), Telling(), announce=lambda evaluator: happened.append("announced"))
        assert happened == ["announced", "saved 0", "saved 1"]


@pytest.mark.parametrize("how", ["mean", "minimum", "mean_rank"])
def test_several_tasks_become_one_fitness(how):
    _, recorder = ran(Quadratic(num_tasks=2), aggregate=how, num_generations=2)
    row = recorder.rows[1]
    assert row["step_skipped"] is False
    assert row["centre_fitness"] < 0  # for ranks the mean over tasks stands in
    assert (row["fitness_mean"] > 0) == (how == "mean_rank")


def test_a_population_that_does_not_divide_is_refused_before_the_problem_is_touched():
    class Untouchable:
        def init(self, key):
            raise AssertionError

        evaluate = init

    config = OuterConfig(strategy=StrategyConfig(population_size=6), num_devices=4)
    with pytest.raises(UserError, match="4 or 8"):
        search(Untouchable(), config, MemoryRecorder())


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


class TestTasks:
    """Of the toy, whose fitness on the second task is twice that on the first."""

    PLAIN = (TaskInfo("a"), TaskInfo("b"))
    SCALED = (TaskInfo("a", -1.0, 1.0), TaskInfo("b", -20.0, -10.0))
    TASK_KEYS = ("fitness_mean/a", "fitness_mean/b")
    CENTRE_KEYS = ("centre_fitness/a", "centre_fitness/b")
    PROBLEM = Quadratic(noise=0.1, num_tasks=2)

    @pytest.fixture(scope="class")
    @classmethod
    def scaled(cls):
        return ran(cls.PROBLEM, tasks=cls.SCALED)[1]

    def test_each_of_several_is_reported_by_name(self, scaled):
        for row in scaled.rows:
            evaluated = {"centre_fitness", *self.CENTRE_KEYS} if row["generation"] % 2 == 1 else set()
            assert set(row) == KEYS | set(self.TASK_KEYS) | evaluated
        assert json.loads(json.dumps(scaled.rows, allow_nan=False)) == scaled.rows

    @pytest.mark.parametrize(
        ("tasks", "told"),
        [
            ((TaskInfo("a"),), "got 1, allowed: one TaskInfo for each of the problem's 2"),
            ((TaskInfo("a"), TaskInfo("b"), TaskInfo("c")), "got 3"),
            ((TaskInfo("a"), TaskInfo("a")), "names that differ"),
            ((TaskInfo("a"), TaskInfo("b", 3.0, 3.0)), "b has 3.0 for 0 and for 1"),
        ],
    )
    def test_what_cannot_describe_them_is_refused(self, tasks, told):
        with pytest.raises(UserError, match=re.escape(told)):
            ran(self.PROBLEM, tasks=tasks)

    def test_a_single_one_is_not(self):
        _, recorder = ran(Quadratic(noise=0.1), tasks=(TaskInfo("a", -1.0, 1.0),))
        for row in recorder.rows:
            assert set(row) - {"centre_fitness"} == KEYS

    def test_without_names_nothing_is_told_apart(self):
        _, recorder = ran(self.PROBLEM)
        assert not any("/" in key for row in recorder.rows for key in row)

    def test_fitness_of_a_task_is_reported_as_it_is_and_the_whole_on_its_scale(self, scaled):
        for row in scaled.rows:
            a, b = (row[key] for key in self.TASK_KEYS)
            np.testing.assert_allclose(b, 2 * a, rtol=1e-5)
            np.testing.assert_allclose(row["fitness_mean"], ((a + 1) / 2 + (b + 20) / 10) / 2, rtol=1e-5)

    def test_the_centre_is_put_on_the_same_scale(self, scaled):
        for row in scaled.rows[1::2]:
            a, b = (row[key] for key in self.CENTRE_KEYS)
            np.testing.assert_allclose(b, 2 * a, rtol=1e-5)
            np.testing.assert_allclose(row["centre_fitness"], ((a + 1) / 2 + (b + 20) / 10) / 2, rtol=1e-5)
            assert a != row["fitness_mean/a"]

    def test_names_alone_change_no_number(self):
        _, named = ran(self.PROBLEM, tasks=self.PLAIN)
        _, plain = ran(self.PROBLEM)
        assert timeless(named.rows, *self.TASK_KEYS, *self.CENTRE_KEYS) == timeless(plain.rows)

    def test_the_centre_under_ranks_is_the_mean_over_tasks(self):
        _, recorder = ran(self.PROBLEM, tasks=self.SCALED, aggregate="mean_rank")
        for row in recorder.rows[1::2]:
            a, b = (row[key] for key in self.CENTRE_KEYS)
            np.testing.assert_allclose(row["centre_fitness"], ((a + 1) / 2 + (b + 20) / 10) / 2, rtol=1e-5)

    def test_a_task_is_averaged_over_the_members_that_did_not_fail_there(self):
        _, recorder = ran(HalfFails(), tasks=self.PLAIN, num_generations=2)
        for row in recorder.rows:
            assert 0 < row["failed_members"] < SIZE
            assert row["fitness_mean/a"] == 100 * row["failed_members"] / SIZE  # failures on the other task count
            assert row["fitness_mean/b"] == 7
            assert row["fitness_mean"] == 3.5  # of those that failed nowhere

    def test_a_task_on_which_all_failed_is_null(self):
        _, recorder = ran(Quadratic(fails_by_luck=1.1, num_tasks=2), tasks=self.PLAIN, num_generations=2)
        for row in recorder.rows:
            assert [row[key] for key in self.TASK_KEYS] == [None, None]
        assert [recorder.rows[1][key] for key in self.CENTRE_KEYS] == [None, None]

    def test_a_continued_run_reports_them_as_before(self, scaled):
        _, recorder = ran(self.PROBLEM, tasks=self.SCALED, saved=scaled.states[3])
        assert timeless(recorder.rows) == timeless(scaled.rows[3:])
