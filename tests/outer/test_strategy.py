"""One contract for all strategies."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from evosax.algorithms import algorithms
from quick import quick
from strategies import (
    POPULATION_BASED,
    SIZE,
    START,
    STD,
    TARGET,
    closeness,
    generation,
    key_of,
    matrix,
    started,
    strategy_of,
    vector,
)
from toys import bits

from metadisco.config import EXCLUDED_STRATEGIES, STRATEGIES
from metadisco.outer.strategy import Strategy, StrategyState, TellReport

NUM_GENERATIONS = 40
SUBSPACE = ("GradientlessDescent",)  # std scales their spread without being it
FEW = ("Open_ES", "CMA_ES", "PGPE", "SimpleGA")


def kinds(tree: Any) -> Any:
    """Return structure, shapes, dtypes and weak types: all that `jit` looks at."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(leaf.shape, leaf.dtype, leaf.weak_type) for leaf in leaves]


class Run(NamedTuple):
    strategy: Strategy
    states: list[StrategyState]
    reports: list[TellReport]
    num_compiled: list[tuple[int, int]]  # programs of ask and of tell after each generation


@pytest.fixture(
    scope="module",
    params=quick(STRATEGIES, (*FEW, *SUBSPACE)),
)
def run(request) -> Run:
    """One search by each strategy; compiled functions are shared by all tests of the strategy."""
    strategy = strategy_of(request.param)
    states, reports, num_compiled = [started(strategy)], [], []
    for number in range(NUM_GENERATIONS):
        state, report = generation(strategy, states[-1], number)
        states.append(state)
        reports.append(report)
        num_compiled.append((strategy.ask._cache_size(), strategy.tell._cache_size()))
    return Run(strategy, states, reports, num_compiled)


class TestEveryStrategy:
    def test_moves_its_centre_towards_higher_fitness(self, run):
        distance = [np.square(vector(run.states[index].centre) - TARGET).sum() for index in (0, -1)]
        assert distance[1] < 0.5 * distance[0]

    def test_starts_with_its_centre_at_the_start(self, run):
        assert bits(run.states[0].centre) == bits(START)

    def test_keeps_structure_shapes_and_types_of_its_state(self, run):
        assert kinds(run.states[-1]) == kinds(run.states[0])

    def test_keeps_structure_shapes_and_types_of_the_meta_parameters(self, run):
        population, _ = run.strategy.ask(key_of(0), run.states[-1])
        assert kinds(run.states[-1].centre) == kinds(START)
        assert kinds(jax.tree.map(lambda leaf: leaf[0], population)) == kinds(START)
        assert matrix(population).shape == (SIZE, 8)

    def test_is_compiled_once(self, run):
        assert len(set(run.num_compiled)) == 1

    def test_counts_generations(self, run):
        assert [int(state.generation) for state in run.states] == list(range(NUM_GENERATIONS + 1))

    def test_reports_how_far_the_centre_moved(self, run):
        for before, after, report in zip(run.states[:5], run.states[1:6], run.reports[:5], strict=True):
            distance = np.linalg.norm(vector(after.centre) - vector(before.centre))
            np.testing.assert_allclose(report.step_norm, distance, rtol=1e-4, atol=1e-7)

    def test_reports_neither_failures_nor_skipped_steps_where_there_are_none(self, run):
        assert sum(int(report.failed) for report in run.reports) == 0
        assert not any(bool(report.skipped) for report in run.reports)

    def test_repeats_itself_bit_for_bit(self, run):
        assert bits(started(run.strategy, num_generations=4)) == bits(run.states[4])

    def test_samples_other_members_from_another_key(self, run):
        one, _ = run.strategy.ask(key_of(1), run.states[3])
        other, _ = run.strategy.ask(key_of(2), run.states[3])
        assert (matrix(one) != matrix(other)).any()

    @pytest.mark.parametrize("told_before", [0, 3])
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_takes_a_failed_member_for_one_with_the_worst_finite_fitness(self, run, told_before, bad):
        state = run.states[told_before]
        population, asked = run.strategy.ask(key_of(5), state)
        fitness = closeness(population)
        told, report = run.strategy.tell(key_of(6), population, fitness.at[3].set(bad), asked)
        worst = jnp.delete(fitness, 3).min()
        if state.first is not None:  # a population is kept: the failed one must lose against its worst, too
            kept = -np.asarray(asked.evosax.fitness)
            worst = min([float(worst), *kept[np.isfinite(kept)]])
            worst -= 1e-6 * max(abs(worst), 1.0)
        expected, expected_report = run.strategy.tell(key_of(6), population, fitness.at[3].set(worst), asked)
        assert int(report.failed) == 1
        assert int(expected_report.failed) == 0
        assert bits(told) == bits(expected)

    def test_keeps_its_centre_finite_when_members_fail_in_every_generation(self, run):
        state = run.states[0]
        for number in range(8):
            failing = np.random.default_rng(number).random(SIZE) < 0.5
            population, asked = run.strategy.ask(key_of(number, 0), state)
            fitness = jnp.where(failing, jnp.nan, closeness(population))
            state, report = run.strategy.tell(key_of(number, 1), population, fitness, asked)
            assert int(report.failed) == int(failing.sum())
        population, _ = run.strategy.ask(key_of(9), state)
        assert np.isfinite(vector(state.centre)).all()
        assert np.isfinite(matrix(population)).all()

    @pytest.mark.parametrize("told_before", [0, 3])
    @pytest.mark.parametrize(
        ("fitness", "failed"),
        [
            (jnp.full(SIZE, 2.5, jnp.float32), 0),
            (jnp.full(SIZE, jnp.nan, jnp.float32), SIZE),
            (jnp.full(SIZE, jnp.inf, jnp.float32), SIZE),
            (jnp.full(SIZE, 2.5, jnp.float32).at[4].set(jnp.nan), 1),
            (jnp.full(SIZE, jnp.nan, jnp.float32).at[4].set(2.5), SIZE - 1),
        ],
        ids=["all equal", "all NaN", "all infinite", "equal but for a failure", "one survivor"],
    )
    def test_changes_nothing_but_the_generation_when_there_is_nothing_to_learn(self, run, told_before, fitness, failed):
        before = run.states[told_before]
        population, asked = run.strategy.ask(key_of(5), before)
        after, report = run.strategy.tell(key_of(6), population, fitness, asked)
        assert bool(report.skipped)
        assert int(report.failed) == failed
        assert float(report.step_norm) == 0.0
        assert bits(after.evosax) == bits(before.evosax)
        assert bits(after.centre) == bits(before.centre)
        assert int(after.generation) == told_before + 1

    def test_goes_on_after_a_skipped_first_generation(self, run):
        state, _ = generation(run.strategy, run.states[0], 0, jnp.full(SIZE, jnp.nan, jnp.float32))
        for number in range(1, 5):
            state, report = generation(run.strategy, state, number)
            assert not bool(report.skipped)
        assert np.isfinite(vector(state.centre)).all()


@pytest.mark.parametrize("name", quick((name for name in STRATEGIES if name not in SUBSPACE), FEW))
def test_first_generation_is_spread_by_std(name):
    strategy, deviations = strategy_of(name), []
    for number in range(24):
        population, _ = strategy.ask(key_of(100 + number), strategy.init(key_of(number), START))
        members = matrix(population)
        deviations.append(members[1:] if name in POPULATION_BASED else members)
    np.testing.assert_allclose(np.sqrt(np.square(deviations).mean()), STD, rtol=0.08)


@pytest.mark.parametrize("name", SUBSPACE)
def test_std_scales_the_first_generation_of_strategies_with_a_spread_of_their_own(name):
    spreads = []
    for std in (STD, 2 * STD):
        strategy = strategy_of(name, std=std)
        populations = [matrix(strategy.ask(key_of(number), started(strategy))[0]) for number in range(24)]
        spreads.append(np.sqrt(np.square(populations).mean()))
    assert 0 < spreads[0] < 2 * STD
    np.testing.assert_allclose(spreads[1] / spreads[0], 2.0, rtol=0.1)


def test_every_strategy_of_evosax_is_either_offered_or_excluded_with_a_reason():
    assert set(algorithms) == set(STRATEGIES) | set(EXCLUDED_STRATEGIES)
    assert not set(STRATEGIES) & set(EXCLUDED_STRATEGIES)
    assert all(EXCLUDED_STRATEGIES.values())
