"""The generation loop: its rows, its seeds, what it saves, and that it goes on from there."""

import json

import numpy as np
import pytest
from rows import timeless
from toys import ENV_STEPS, KEYS, NOISY, SIZE, MemoryRecorder, Quadratic, bits, config_of, ran

from metadisco.config import OuterConfig, StrategyConfig
from metadisco.errors import UserError
from metadisco.outer.search import Recorder, search
from metadisco.types import TaskInfo

CENTRE = ("centre_fitness", "centre_half_width", "centre/luck")

pytestmark = pytest.mark.usefixtures("searches_share_what_is_compiled")


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
            assert set(row) == (KEYS | set(CENTRE) if evaluated else KEYS)

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
        recorder = MemoryRecorder(whole[1].states[6])
        centre = search(NOISY, config_of(), recorder)
        assert bits(centre) == bits(whole[0])
        assert (recorder.rows, recorder.states, recorder.started) == ([], {}, [])

    def test_evaluating_the_centre_more_or_less_often_does_not_change_the_search(self, whole):
        for evaluate_every in (0, 1, 3):
            centre, recorder = ran(evaluate_every=evaluate_every)
            assert timeless(recorder.rows, *CENTRE) == timeless(whole[1].rows, *CENTRE)
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

    def test_the_search_starts_before_anything_is_saved(self):
        happened: list[str] = []

        class Telling(MemoryRecorder):
            def start(self, evaluator):
                happened.append("started")

            def save(self, state, progress):
                happened.append(f"saved {progress.generation}")

        search(NOISY, config_of(1), Telling())
        assert happened == ["started", "saved 0", "saved 1"]


def test_a_population_that_does_not_divide_is_refused_before_the_problem_is_touched():
    class Untouchable:
        tasks, env_steps = (TaskInfo("none"),), 0

        def init(self, key):
            raise AssertionError

        evaluate = init

    config = OuterConfig(strategy=StrategyConfig(population_size=6), num_devices=4)
    with pytest.raises(UserError, match="4 or 8"):
        search(Untouchable(), config, MemoryRecorder())
