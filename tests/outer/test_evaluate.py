"""Axes: P population, R rollouts, K tasks, L = P·R evaluations."""

import re
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import Quadratic

from metadisco.config import OuterConfig, StrategyConfig
from metadisco.errors import UserError
from metadisco.outer.aggregate import aggregate
from metadisco.outer.contract import check_problem
from metadisco.outer.evaluate import Evaluator, choose_num_devices
from metadisco.outer.mesh import ACCELERATOR_CHUNK, CPU_CHUNK, default_chunk_size, make_mesh
from metadisco.types import TaskInfo

NOISY = Quadratic(noise=1.0)
LUCKY = Quadratic(noise=1.0, fails_by_luck=0.3)


def config_of(size: int = 4, **settings: Any) -> OuterConfig:
    return OuterConfig(strategy=StrategyConfig(population_size=size), **settings)


@cache
def evaluator_of(problem: Quadratic, num_devices: int = 1, size: int = 4, **settings: Any) -> Evaluator:
    example = problem.init(jax.random.key(0))
    return Evaluator(problem, config_of(size, **settings), make_mesh(num_devices), example)


@pytest.fixture
def population(getkey):
    return {"x": jax.random.normal(getkey(), (4, 3))}


@pytest.fixture
def equal_members(getkey):
    return {"x": jnp.tile(jax.random.normal(getkey(), (3,)), (4, 1))}


class TestPopulation:
    def test_members_that_are_equal_get_equal_fitness(self, getkey, equal_members):
        fitness = np.asarray(evaluator_of(NOISY, num_rollouts=2).population(getkey(), equal_members).fitness)
        assert fitness.shape == (4, 1)
        assert (fitness == fitness[0]).all()

    def test_another_key_gives_other_seeds(self, getkey, equal_members):
        evaluator = evaluator_of(NOISY, num_rollouts=2)
        one, other = (evaluator.population(getkey(), equal_members).fitness for _ in range(2))
        assert (np.asarray(one) != np.asarray(other)).all()

    def test_rollouts_of_a_member_have_different_seeds_which_all_members_share(self, getkey, population):
        metrics = evaluator_of(NOISY, num_rollouts=2).population(getkey(), population).metrics
        luck = np.asarray(metrics["luck"]).reshape(4, 2)
        assert (luck == luck[0]).all()
        assert luck[0, 0] != luck[0, 1]

    def test_fitness_is_the_mean_over_rollouts(self, getkey, population):
        key = getkey()
        fitness = evaluator_of(NOISY, num_rollouts=2).population(key, population).fitness
        for member in range(4):
            mine = jax.tree.map(lambda leaf, member=member: leaf[member], population)
            evaluations = [NOISY.evaluate(seed, mine).fitness for seed in jax.random.split(key, 2)]
            np.testing.assert_allclose(fitness[member], np.mean(evaluations, 0), rtol=1e-5)

    def test_rollouts_of_different_members_are_not_mixed_up(self, getkey):
        problem = Quadratic()
        population = {"x": jnp.arange(12, dtype=jnp.float32).reshape(4, 3)}
        fitness = evaluator_of(problem, num_rollouts=2).population(getkey(), population).fitness
        np.testing.assert_allclose(fitness[:, 0], -np.square(np.asarray(population["x"]) - 1).sum(1), rtol=1e-6)

    def test_metrics_hold_every_evaluation(self, getkey, population):
        metrics = evaluator_of(NOISY, num_rollouts=2).population(getkey(), population).metrics
        luck = np.asarray(metrics["luck"])
        assert luck.shape == (4, 2)
        np.testing.assert_array_equal(luck, np.broadcast_to(luck[0], (4, 2)))  # the seeds are shared

    def test_every_task_has_a_fitness_of_its_own(self, getkey, population):
        fitness = evaluator_of(Quadratic(num_tasks=3)).population(getkey(), population).fitness
        assert fitness.shape == (4, 3)
        np.testing.assert_allclose(fitness[:, 2], 3 * fitness[:, 0], rtol=1e-6)

    def test_a_failed_evaluation_fails_its_member_alone(self, getkey):
        problem = Quadratic(noise=1.0, fails_above=5.0)
        population = {"x": jnp.zeros((4, 3)).at[2, 0].set(9.0)}
        fitness = evaluator_of(problem, num_rollouts=2).population(getkey(), population).fitness
        np.testing.assert_array_equal(np.isnan(fitness[:, 0]), [False, False, True, False])

    def test_one_failed_rollout_of_several_fails_the_member(self, population):
        """Failure depends on the seed alone here, and the seeds are shared: so all members fail or none does."""
        evaluator = evaluator_of(LUCKY, num_rollouts=2)
        outcomes = set()
        for number in range(12):
            key = jax.random.key(number)
            failed_evaluations = sum(bool(jnp.isnan(LUCKY.evaluate(seed, LUCKY.init(key)).fitness)) for seed in
                               jax.random.split(key, 2))  # fmt: skip
            failed = np.isnan(evaluator.population(key, population).fitness[:, 0])
            assert (failed == (failed_evaluations > 0)).all()
            outcomes.add(failed_evaluations)
        assert {0, 1} <= outcomes


class TestCentre:
    def test_evaluations_of_the_centre_have_a_seed_each(self, getkey):
        """The mean over L independent seeds: with the members' R seeds alone it would not be."""
        key, centre = getkey(), {"x": jnp.zeros(3)}
        fitness = evaluator_of(NOISY, num_rollouts=2).centre(key, centre).fitness.mean(0)
        evaluations = [NOISY.evaluate(seed, centre).fitness for seed in jax.random.split(key, 8)]
        assert len({float(each[0]) for each in evaluations}) == 8
        np.testing.assert_allclose(fitness, np.mean(evaluations, 0), rtol=1e-5)

    def test_one_failed_evaluation_makes_the_centre_fail(self, getkey):
        problem = Quadratic(noise=1.0, fails_above=5.0)
        evaluator = evaluator_of(problem, num_rollouts=2)
        assert np.isnan(evaluator.centre(getkey(), {"x": jnp.full(3, 9.0)}).fitness.mean(0)).all()
        assert np.isfinite(evaluator.centre(getkey(), {"x": jnp.zeros(3)}).fitness.mean(0)).all()


class TestChunksAndDevices:
    @pytest.mark.parametrize("chunk_size", [1, 2, 3, 5, 7, 8, 100])
    def test_chunks_of_any_size_give_the_same_fitness(self, population, chunk_size):
        """Three, five and seven leave a short last chunk of the eight evaluations."""
        key = jax.random.key(3)
        whole = evaluator_of(NOISY, num_rollouts=2, chunk_size=8).population(key, population)
        parts = evaluator_of(NOISY, num_rollouts=2, chunk_size=chunk_size).population(key, population)
        np.testing.assert_allclose(parts.fitness, whole.fitness, rtol=1e-5)
        np.testing.assert_array_equal(parts.metrics["luck"], whole.metrics["luck"])

    def test_chunks_are_cut_to_what_a_device_has(self):
        assert evaluator_of(NOISY, num_rollouts=2, chunk_size=100).chunk_size == 8
        assert evaluator_of(NOISY, num_devices=2, num_rollouts=2, chunk_size=100).chunk_size == 4

    def test_with_chunks_of_one_any_number_of_devices_gives_the_same_bits(self, population):
        key = jax.random.key(4)
        one, two = (
            evaluator_of(NOISY, num_devices=number, num_rollouts=2, chunk_size=1).population(key, population)
            for number in (1, 2)
        )
        assert np.asarray(one.fitness).tobytes() == np.asarray(two.fitness).tobytes()
        assert np.asarray(one.metrics["luck"]).tobytes() == np.asarray(two.metrics["luck"]).tobytes()

    def test_short_last_chunks_on_several_devices_agree_with_one_device(self, population):
        key = jax.random.key(5)
        one = evaluator_of(NOISY, num_rollouts=2, chunk_size=8).population(key, population)
        two = evaluator_of(NOISY, num_devices=2, num_rollouts=2, chunk_size=3).population(key, population)
        np.testing.assert_allclose(two.fitness, one.fitness, rtol=1e-5)

    def test_evaluator_says_what_it_compiled(self):
        evaluator = evaluator_of(NOISY, num_devices=2, num_rollouts=2)
        assert (evaluator.num_devices, evaluator.platform) == (2, "cpu")
        assert evaluator.compile_seconds > 0
        assert evaluator.chunk_bytes is None or evaluator.chunk_bytes > 0


@given(evaluations=st.integers(1, 3000), platform=st.sampled_from(["cpu", "gpu", "tpu"]))
def test_default_chunks_fit_the_limit_and_divide_where_a_fair_divisor_exists(evaluations, platform):
    limit = min(evaluations, CPU_CHUNK if platform == "cpu" else ACCELERATOR_CHUNK)
    chunk_size = default_chunk_size(evaluations, platform)
    fair = [size for size in range((limit + 1) // 2, limit + 1) if evaluations % size == 0]
    assert chunk_size == (max(fair) if fair else limit)


class TestNumberOfDevices:
    @pytest.mark.parametrize(("size", "expected"), [(8, 4), (6, 3), (12, 4)])
    def test_most_devices_that_divide_are_taken_if_they_are_more_than_half(self, size, expected, four_devices):
        assert choose_num_devices(config_of(size)) == expected

    def test_half_of_the_devices_is_too_few_to_go_unsaid(self, four_devices):
        with pytest.raises(UserError, match="10 evaluations, not divisible by 4 devices; allowed: 8 or 12"):
            choose_num_devices(config_of(10))

    def test_a_number_that_was_asked_for_is_taken_or_refused(self):
        assert choose_num_devices(config_of(10, num_devices=2)) == 2
        with pytest.raises(
            UserError, match=r"got 10, .* with 1 rollouts .* not divisible by 4 devices; allowed: 8 or 12"
        ):
            choose_num_devices(config_of(10, num_devices=4))

    @given(size=st.integers(1, 40), rollouts=st.integers(1, 6), devices=st.integers(1, 16))
    def test_the_sizes_named_in_a_refusal_do_divide(self, size, rollouts, devices):
        def config(size: int) -> OuterConfig:
            return config_of(size, num_rollouts=rollouts, num_devices=devices)

        if 2 * size * rollouts % devices == 0:
            assert choose_num_devices(config(2 * size)) == devices
            return
        with pytest.raises(UserError) as caught:
            choose_num_devices(config(2 * size))
        for proposal in sizes_named(caught.value):
            assert choose_num_devices(config(proposal)) == devices

    @pytest.mark.parametrize(("size", "devices"), [(5, 2), (4, 3), (7, 8)])
    def test_sizes_that_the_strategy_refuses_are_not_named(self, size, devices):
        config = OuterConfig(strategy=StrategyConfig(name="SNES", population_size=size), num_devices=devices)
        with pytest.raises(UserError) as caught:
            choose_num_devices(config)
        for proposal in sizes_named(caught.value):
            StrategyConfig(name="SNES", population_size=proposal)


@pytest.fixture
def four_devices(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 4)


def sizes_named(error: UserError) -> list[int]:
    named = re.search(r"allowed: (\d+(?: or \d+)*),", str(error))
    assert named is not None
    return [int(number) for number in named[1].split(" or ")]


class TestContract:
    """The results of a meta-problem are checked before anything is compiled."""

    def test_a_fitness_that_is_no_vector_over_tasks_is_refused(self):
        class OneNumber(Quadratic):
            def evaluate(self, key, meta_params):
                evaluation = super().evaluate(key, meta_params)
                return evaluation._replace(fitness=evaluation.fitness[0])

        with pytest.raises(UserError, match="one real number for each of its tasks"):
            evaluator_of(OneNumber())

    @pytest.mark.parametrize("metric", [jnp.zeros(2), jnp.zeros((), jnp.complex64)])
    def test_metrics_that_are_no_real_scalars_are_refused(self, metric):
        class Measured(Quadratic):
            def evaluate(self, key, meta_params):
                return super().evaluate(key, meta_params)._replace(metrics={"mine": metric})

        with pytest.raises(UserError, match=r"'mine'.*allowed: real scalars"):
            evaluator_of(Measured())

    @pytest.mark.parametrize(
        "scale", [(0.0, float("nan")), (0.0, float("inf")), ("0", 1.0), (None, 1.0), (jnp.zeros(2), 1.0)]
    )
    def test_scales_that_are_no_two_numbers_are_refused(self, scale):
        with pytest.raises(UserError, match="two different numbers"):
            check_problem(Quadratic(scales=(TaskInfo("a", *scale),)))

    @pytest.mark.parametrize("name", [3, None, "a\n", "\ud800", ["a"]])
    def test_names_of_tasks_that_are_no_text_are_refused(self, name):
        with pytest.raises(UserError, match="distinct names of printable text"):
            check_problem(Quadratic(scales=(TaskInfo(name),)))

    def test_a_fitness_that_is_no_real_number_is_refused(self):
        class Complex(Quadratic):
            def evaluate(self, key, meta_params):
                evaluation = super().evaluate(key, meta_params)
                return evaluation._replace(fitness=evaluation.fitness.astype(jnp.complex64))

        with pytest.raises(UserError, match="complex64"):
            evaluator_of(Complex())

    @pytest.mark.parametrize("env_steps", [None, -1, 1.5, True, jnp.int32(3), 10**400])
    def test_env_steps_that_are_no_number_are_refused(self, env_steps):
        class Uncounted(Quadratic):
            @property
            def env_steps(self):
                return env_steps

        with pytest.raises(UserError, match="env_steps of the meta-problem"):
            evaluator_of(Uncounted())


class TestAggregate:
    FITNESS = jnp.asarray([[1.0, 10.0], [2.0, 40.0], [3.0, 30.0], [4.0, 20.0]])
    FAILED = FITNESS.at[2, 1].set(jnp.nan)

    def test_mean_and_minimum_are_over_tasks(self):
        np.testing.assert_allclose(aggregate(self.FITNESS, "mean"), [5.5, 21.0, 16.5, 12.0])
        np.testing.assert_allclose(aggregate(self.FITNESS, "minimum"), [1.0, 2.0, 3.0, 4.0])

    def test_mean_rank_ranks_within_the_population_per_task(self):
        np.testing.assert_allclose(aggregate(self.FITNESS, "mean_rank"), [1.0, 3.0, 3.0, 3.0])

    def test_mean_rank_does_not_depend_on_the_scale_of_a_task(self):
        scaled = self.FITNESS * jnp.asarray([1.0, 1000.0])
        np.testing.assert_array_equal(aggregate(scaled, "mean_rank"), aggregate(self.FITNESS, "mean_rank"))

    @pytest.mark.parametrize("how", ["mean", "minimum", "mean_rank"])
    def test_a_failed_task_fails_its_member_alone(self, how):
        np.testing.assert_array_equal(np.isnan(aggregate(self.FAILED, how)), [False, False, True, False])

    @pytest.mark.parametrize("how", ["mean", "minimum"])
    def test_members_that_did_not_fail_keep_their_fitness(self, how):
        keep = np.asarray([0, 1, 3])
        np.testing.assert_array_equal(aggregate(self.FAILED, how)[keep], aggregate(self.FITNESS, how)[keep])

    def test_mean_rank_keeps_the_order_of_members_that_did_not_fail(self):
        ranks = aggregate(self.FAILED, "mean_rank")
        np.testing.assert_allclose(ranks[jnp.asarray([0, 1, 3])], [1.0, 2.5, 3.0])

    @pytest.mark.parametrize("how", ["mean", "minimum", "mean_rank"])
    def test_the_order_over_one_task_is_that_of_its_fitness(self, how):
        one_task = jnp.asarray([[3.0], [-1.0], [7.0], [2.0]])
        np.testing.assert_array_equal(np.argsort(aggregate(one_task, how)), [1, 3, 0, 2])


class TestNormalising:
    """Fitness over a CartPole, where random gets 20 and PPO 420, and an Acrobot with −500 and −100."""

    TASKS = (TaskInfo("cartpole", 20.0, 420.0), TaskInfo("acrobot", -500.0, -100.0))
    FITNESS = jnp.asarray([[20.0, -500.0], [420.0, -400.0], [120.0, -200.0], [220.0, -60.0]])

    @pytest.mark.parametrize(
        ("how", "expected"),
        [("mean", [0.0, 0.625, 0.5, 0.8]), ("minimum", [0.0, 0.25, 0.25, 0.5]), ("mean_rank", [1.0, 3.0, 2.5, 3.5])],
    )
    def test_is_zero_at_random_and_one_at_ppo(self, how, expected):
        np.testing.assert_allclose(aggregate(self.FITNESS, how, self.TASKS), expected, rtol=1e-6)

    def test_decides_who_is_best(self):
        wider = (self.TASKS[0], TaskInfo("acrobot", -500.0, 9500.0))
        assert aggregate(self.FITNESS, "mean", self.TASKS).argmax() == 3
        assert aggregate(self.FITNESS, "mean", wider).argmax() == 1

    def test_does_not_change_ranks(self):
        plain = aggregate(self.FITNESS, "mean_rank")
        np.testing.assert_array_equal(aggregate(self.FITNESS, "mean_rank", self.TASKS), plain)

    @pytest.mark.parametrize("how", ["mean", "minimum", "mean_rank"])
    def test_a_failed_task_fails_its_member_alone(self, how):
        for task in range(2):
            failed = self.FITNESS.at[1, task].set(jnp.nan)
            fitness = aggregate(failed, how, self.TASKS)
            np.testing.assert_array_equal(np.isnan(fitness), [False, True, False, False])

    @pytest.mark.parametrize("how", ["mean", "minimum", "mean_rank"])
    def test_a_task_without_a_scale_is_left_as_it_is(self, how):
        tasks = (TaskInfo("one"), TaskInfo("other"))
        np.testing.assert_array_equal(aggregate(self.FITNESS, how, tasks), aggregate(self.FITNESS, how))
