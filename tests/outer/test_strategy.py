"""One contract for all strategies, then what is particular to some. Axes: P population, D dimensions."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from evosax.algorithms import algorithms

from metadisco.config import EXCLUDED_STRATEGIES, STRATEGIES, StrategyConfig, build_settings
from metadisco.errors import UserError
from metadisco.outer.shaping import SHAPING
from metadisco.outer.strategy import Strategy, StrategyState, TellReport, make_strategy

SIZE = 16
STD = 0.2
STD_DECAY = 0.95
STD_LIMIT = 0.1
NUM_GENERATIONS = 40
TARGET = 0.5
START = {"kernel": jnp.zeros((2, 3)), "bias": jnp.zeros(2)}
SUBSPACE = ("GradientlessDescent",)  # std scales their spread without being it
POPULATION_BASED = [name for name, traits in STRATEGIES.items() if traits.population_based]
DISTRIBUTION_BASED = [name for name, traits in STRATEGIES.items() if not traits.population_based]
SCHEDULED = [name for name, traits in STRATEGIES.items() if traits.std_knob == "schedule"]


def config_of(name: str, **changes: Any) -> StrategyConfig:
    traits = STRATEGIES[name]
    settings: dict[str, Any] = {"population_size": SIZE, "std": STD}
    if traits.has_optimizer:
        settings["learning_rate"] = 0.1
    if traits.std_knob == "schedule":
        settings |= {"std_decay": STD_DECAY, "std_limit": STD_LIMIT}
    return StrategyConfig(name=name, **settings | changes)


@cache
def strategy_of(name: str, **changes: Any) -> Strategy:
    return make_strategy(config_of(name, **changes), START)


def matrix(population: Any) -> np.ndarray:
    """Return a population as [P, D]."""
    return np.concatenate([np.asarray(leaf).reshape(leaf.shape[0], -1) for leaf in jax.tree.leaves(population)], 1)


def vector(params: Any) -> np.ndarray:
    """Return one set of meta-parameters as [D]."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])


def closeness(population: Any) -> jax.Array:
    """Return fitness [P]: minus the squared distance to the target."""
    return jnp.asarray(-np.square(matrix(population) - TARGET).sum(1))


def key_of(*numbers: int) -> jax.Array:
    key = jax.random.key(0)
    for number in numbers:
        key = jax.random.fold_in(key, number)
    return key


def generation(
    strategy: Strategy, state: StrategyState, number: int, fitness: jax.Array | None = None
) -> tuple[StrategyState, TellReport]:
    """Run one generation; fitness is the closeness to the target unless given."""
    population, asked = strategy.ask(key_of(number, 0), state)
    values = closeness(population) if fitness is None else fitness
    return strategy.tell(key_of(number, 1), population, values, asked)


def started(strategy: Strategy, num_generations: int = 0) -> StrategyState:
    state = strategy.init(key_of(7), START)
    for number in range(num_generations):
        state, _ = generation(strategy, state, number)
    return state


def bits(tree: Any) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def kinds(tree: Any) -> Any:
    """Return structure, shapes, dtypes and weak types: all that `jit` looks at."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(leaf.shape, leaf.dtype, leaf.weak_type) for leaf in leaves]


class Run(NamedTuple):
    name: str
    strategy: Strategy
    states: list[StrategyState]
    reports: list[TellReport]


@pytest.fixture(scope="module", params=STRATEGIES)
def run(request) -> Run:
    """One search by each strategy; compiled functions are shared by all tests of the strategy."""
    strategy = strategy_of(request.param)
    states, reports = [started(strategy)], []
    for number in range(NUM_GENERATIONS):
        state, report = generation(strategy, states[-1], number)
        states.append(state)
        reports.append(report)
    return Run(request.param, strategy, states, reports)


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
        assert run.strategy.ask._cache_size() == 1
        assert run.strategy.tell._cache_size() == 1

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


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name not in SUBSPACE])
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
        np.testing.assert_allclose(steps[0], np.sqrt(8) * 0.1, rtol=1e-2)  # less what Adam's ε takes off
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
    @pytest.fixture(params=POPULATION_BASED)
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
    fitness = jnp.full(SIZE, -1e3).at[3].set(jnp.nan).at[4].set(-2e3)
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


WRONG_SETTINGS = [
    ("PGPE", {"std_lrr": 0.1}, "std_lrr"),
    ("PGPE", {"std_init": 0.1}, "std_init"),
    ("PGPE", {"std_lr": "much"}, "much"),
    ("PGPE", {"std_lr": [0.1]}, "std_lr"),
    ("PGPE", {"std_lr": True}, "True"),
    ("PGPE", {"std_lr": float("nan")}, "nan"),
    ("DifferentialEvolution", {"elitism": 0.3}, "0.3"),
    ("Open_ES", {"population_size": 8}, "population_size"),
    ("Open_ES", {"solution": 8}, "solution"),
    ("GESMR_GA", {"num_groups": 3}, "num_groups"),
    ("EvoTF_ES", {"max_context_len": "long"}, "long"),
]


@pytest.mark.parametrize(("name", "settings", "told"), WRONG_SETTINGS)
def test_settings_that_evosax_cannot_use_are_refused_by_name(name, settings, told):
    with pytest.raises(UserError, match=f"(?s)settings.*{told}"):
        make_strategy(build_settings(StrategyConfig, {"name": name, "settings": settings, "population_size": 8}), START)


def test_a_misspelt_setting_is_answered_with_the_nearest_name():
    with pytest.raises(UserError, match="did you mean 'std_lr'"):
        make_strategy(config_of("PGPE", settings={"std_lrr": 0.1}), START)


def test_a_setting_of_evosax_reaches_the_strategy():
    slow = strategy_of("SNES")
    fast = make_strategy(config_of("SNES", settings={"lr_std_init": 2.0}), START)
    stds = [float(jnp.mean(started(strategy, 2).evosax.std)) for strategy in (slow, fast)]
    assert stds[0] != stds[1]


WRONG_FIELDS = [
    ("CMA_ES", {"std_decay": 0.9}, "std_decay: CMA_ES has no such setting"),
    ("CMA_ES", {"std_limit": 0.1}, "std_limit: CMA_ES has no such setting"),
    ("CMA_ES", {"learning_rate": 0.1}, "learning_rate: CMA_ES has no such setting"),
    ("SimpleGA", {"learning_rate_decay": 0.9}, "learning_rate_decay: SimpleGA has no such setting"),
    ("PGPE", {"antithetic": True}, "antithetic: PGPE has no such setting"),
    ("SNES", {"fitness_shaping": "raw"}, "fitness_shaping: SNES has no such setting"),
    ("LES", {"fitness_shaping": "z_score"}, "fitness_shaping: LES has no such setting"),
    ("Open_ES", {"population_size": 7}, "population_size: got 7"),
    ("SNES", {"population_size": 3}, "population_size: got 3"),
    ("Open_SE", {}, "did you mean 'Open_ES'"),
    ("xNES", {}, "xNES is not offered"),
]


@pytest.mark.parametrize(("name", "fields", "told"), WRONG_FIELDS)
def test_fields_that_a_strategy_does_not_have_are_refused_by_name(name, fields, told):
    with pytest.raises(UserError, match=told):
        build_settings(StrategyConfig, {"name": name, **fields})


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("ESMC", {"population_size": 2}),
        ("CR_FM_NES", {"population_size": 5}),
        ("Open_ES", {"population_size": 3, "antithetic": False}),
    ],
)
def test_a_population_size_that_evosax_cannot_use_is_refused_by_name(name, fields):
    with pytest.raises(UserError, match="population_size: got"):
        make_strategy(build_settings(StrategyConfig, {"name": name, **fields}), START)
