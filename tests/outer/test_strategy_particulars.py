"""Features of some strategies: schedules, fitness shaping, antithetic members, persistent populations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick import quick
from strategies import (
    POPULATION_BASED,
    SIZE,
    START,
    STD,
    STD_DECAY,
    STD_LIMIT,
    TARGET,
    config_of,
    generation,
    key_of,
    matrix,
    started,
    strategy_of,
    vector,
)
from toys import bits

from metadisco.config import STRATEGIES
from metadisco.outer.shaping import SHAPING

DISTRIBUTION_BASED = [name for name, traits in STRATEGIES.items() if not traits.population_based]
SCHEDULED = [name for name, traits in STRATEGIES.items() if traits.std_knob == "schedule"]


class TestSchedules:
    @pytest.mark.parametrize("name", SCHEDULED)
    def test_std_of_each_generation_is_on_time(self, name):
        strategy = strategy_of(name)
        state, stds = started(strategy), []
        for number in range(20):
            state, report = generation(strategy, state, number)
            stds.append(float(report.std))
        np.testing.assert_allclose(stds, [max(STD * STD_DECAY**number, STD_LIMIT) for number in range(20)], rtol=1e-5)

    def test_members_are_sampled_with_the_std_of_their_generation(self):
        strategy = strategy_of("Open_ES", std=0.4, std_decay=0.5, std_limit=0.06)
        state, spreads = started(strategy), []
        for number in range(5):
            population, _ = strategy.ask(key_of(3), state)
            spreads.append(np.abs(matrix(population) - vector(state.centre)).mean())
            state, _ = generation(strategy, state, number)
        np.testing.assert_allclose(np.asarray(spreads) / spreads[0], [1, 0.5, 0.25, 0.15, 0.15], rtol=1e-5)

    def test_learning_rate_decays_to_its_floor(self):
        """With the same gradient every time, Adam's step is the learning rate per dimension."""
        strategy = strategy_of(
            "Open_ES", std_decay=1.0, learning_rate=0.1, learning_rate_decay=0.5, learning_rate_limit=0.02
        )
        state, steps = started(strategy), []
        fitness = jnp.arange(SIZE, dtype=jnp.float32)
        for _ in range(5):
            state, report = generation(strategy, state, 0, fitness)
            steps.append(float(report.step_norm))
        np.testing.assert_allclose(steps[0], np.sqrt(8) * 0.1, rtol=1e-2)  # slightly less because of Adam's ε
        np.testing.assert_allclose(np.asarray(steps) / steps[0], [1, 0.5, 0.25, 0.2, 0.2], rtol=1e-4)


@pytest.mark.parametrize("shaping", SHAPING)
class TestFitnessShaping:
    def test_one_failed_member_is_the_worst_finite_one(self, shaping):
        strategy = strategy_of("Open_ES", fitness_shaping=shaping)
        fitness = jnp.arange(SIZE, dtype=jnp.float32)
        failed, _ = generation(strategy, started(strategy, 2), 2, fitness.at[5].set(jnp.nan))
        worst, _ = generation(strategy, started(strategy, 2), 2, fitness.at[5].set(0.0))
        assert bits(failed) == bits(worst)

    @pytest.mark.parametrize(
        "fitness", [jnp.full(SIZE, 3.0, jnp.float32), jnp.full(SIZE, jnp.nan, jnp.float32)], ids=["equal", "failed"]
    )
    def test_nothing_moves_when_there_is_nothing_to_learn(self, shaping, fitness):
        strategy = strategy_of("Open_ES", fitness_shaping=shaping)
        before = started(strategy, 2)
        after, report = generation(strategy, before, 2, fitness)
        assert bool(report.skipped)
        assert bits((after.evosax, after.centre)) == bits((before.evosax, before.centre))
        assert int(after.generation) == int(before.generation) + 1

    def test_moves_towards_higher_fitness(self, shaping):
        strategy = strategy_of("Open_ES", fitness_shaping=shaping)
        state = started(strategy, 20)
        assert np.square(vector(state.centre) - TARGET).sum() < 0.5 * 8 * TARGET**2


def test_centred_ranks_make_the_step_blind_to_the_scale_of_fitness():
    strategy = strategy_of("Open_ES")
    fitness = jnp.asarray(np.random.default_rng(0).permutation(SIZE), jnp.float32)
    one, _ = generation(strategy, started(strategy), 0, fitness)
    other, _ = generation(strategy, started(strategy), 0, 1000 * fitness - 5)
    assert bits(one.centre) == bits(other.centre)


def test_tied_members_weigh_the_same():
    """Exchanging two members that tie does not change the step."""
    strategy = strategy_of("Open_ES")
    population, asked = strategy.ask(key_of(1), started(strategy))
    fitness = jnp.asarray([0.0, 5.0, 5.0, *range(6, 19)])
    exchanged = jax.tree.map(lambda leaf: leaf.at[jnp.asarray([1, 2])].set(leaf[jnp.asarray([2, 1])]), population)
    one, _ = strategy.tell(key_of(2), population, fitness, asked)
    other, _ = strategy.tell(key_of(2), exchanged, fitness, asked)
    np.testing.assert_allclose(vector(one.centre), vector(other.centre), rtol=1e-5)


def test_antithetic_members_come_in_mirrored_pairs_around_the_centre():
    strategy = strategy_of("Open_ES")
    state = started(strategy, 3)
    deviations = matrix(strategy.ask(key_of(1), state)[0]) - vector(state.centre)
    np.testing.assert_allclose(deviations[: SIZE // 2], -deviations[SIZE // 2 :], atol=1e-6)


def test_ties_within_all_mirrored_pairs_give_no_step():
    """Rounding alone must not become a step, which Adam would scale up."""
    config = config_of("Open_ES")
    strategy = strategy_of("Open_ES")
    start = jax.tree.map(lambda leaf: leaf + 0.7, START)
    state = strategy.init(key_of(7), start)
    _, report = generation(strategy, state, 0, jnp.tile(jnp.arange(SIZE // 2, dtype=jnp.float32), 2))
    assert not bool(report.skipped)
    assert float(report.step_norm) < 1e-2 * config.learning_rate


class TestPopulationBased:
    @pytest.fixture(params=quick(POPULATION_BASED, ("SimpleGA", "DifferentialEvolution")))
    def strategy(self, request):
        return strategy_of(request.param)

    def test_first_generation_holds_the_start_as_its_first_member(self, strategy):
        state = started(strategy)
        population, _ = strategy.ask(key_of(1), state)
        assert bits(population) == bits(state.first)
        assert bits(jax.tree.map(lambda leaf: leaf[0], population)) == bits(START)

    def test_first_generation_is_asked_again_until_it_was_told(self, strategy):
        state = started(strategy)
        _, asked = strategy.ask(key_of(1), state)
        again, _ = strategy.ask(key_of(2), asked)
        assert bits(again) == bits(state.first)

    def test_second_generation_differs_from_the_first(self, strategy):
        state = started(strategy, 1)
        population, _ = strategy.ask(key_of(1), state)
        assert (matrix(population) != matrix(state.first)).any()

    @pytest.mark.parametrize("told_before", [0, 3])
    def test_centre_is_the_best_of_the_last_generation(self, strategy, told_before):
        population, asked = strategy.ask(key_of(1), started(strategy, told_before))
        fitness = jnp.asarray(np.random.default_rng(0).permutation(SIZE), jnp.float32)
        told, _ = strategy.tell(key_of(2), population, fitness, asked)
        assert bits(told.centre) == bits(jax.tree.map(lambda leaf: leaf[int(fitness.argmax())], population))


@pytest.mark.parametrize("name", ["DifferentialEvolution", "PSO"])
def test_a_failed_member_does_not_take_the_place_of_a_healthy_incumbent(name):
    strategy = strategy_of(name)
    state = started(strategy, 1)
    population, asked = strategy.ask(key_of(1), state)
    fitness = jnp.full(SIZE, -1e3, jnp.float32).at[3].set(jnp.nan).at[4].set(-2e3)
    told, _ = strategy.tell(key_of(2), population, fitness, asked)
    kept = told.evosax.population_best if name == "PSO" else told.evosax.population
    before = state.evosax.population_best if name == "PSO" else state.evosax.population
    assert bits(kept[3]) == bits(before[3])


@pytest.mark.parametrize("worst", [-3.0, 0.0, 7.0])
def test_failed_members_replace_none_of_the_population_kept(worst):
    """Differential evolution lets a child that ties with its parent win; zero is a fitness often met."""
    strategy = strategy_of("DifferentialEvolution")
    population, asked = strategy.ask(key_of(1), started(strategy))
    kept, _ = strategy.tell(key_of(2), population, jnp.full(SIZE, worst, jnp.float32).at[0].set(9.0), asked)
    population, asked = strategy.ask(key_of(3), kept)
    fitness = jnp.full(SIZE, jnp.nan, jnp.float32).at[0].set(10.0).at[1].set(8.0)
    told, _ = strategy.tell(key_of(4), population, fitness, asked)
    replaced = (np.asarray(told.evosax.population) != np.asarray(kept.evosax.population)).any(1)
    assert replaced.tolist() == [True, True] + [False] * (SIZE - 2)


@pytest.mark.parametrize("name", DISTRIBUTION_BASED)
def test_strategies_with_a_mean_carry_no_first_generation(name):
    assert jax.eval_shape(strategy_of(name).init, key_of(0), START).first is None
