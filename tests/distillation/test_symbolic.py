"""Symbolic search: exact recovery where possible, drifts by construction, smaller errors with complexity."""

import itertools

import jax
import numpy as np
import pytest
from known_targets import huber, noisy, value_points
from samples import make_sample

from metadisco.distillation import symbolic
from metadisco.distillation.formulas import check_drift
from metadisco.distillation.network import train_student
from metadisco.distillation.symbolic import SHAPES, VALUE_SHAPES, Grammar, default_grammar, search
from metadisco.distillation.targets import drift_target, value_target
from metadisco.evaluation.histograms import VALUE_EDGES, MinibatchHistograms
from metadisco.objectives import dpo, mirror, no_drift
from metadisco.objectives.expressions import Node, complexity, drift_of, evaluate, value_loss_of
from metadisco.parametrisations import LPODrift

SMALL = Grammar(("square", "tanh"), 1)
BOTH_SIGNS = np.meshgrid(np.linspace(-1.5, 1.5, 31), np.linspace(-5, 5, 21))


@pytest.fixture(autouse=True)
def few_are_refined(monkeypatch, request):
    """Refine only the best two sums of each size in fast tests."""
    if "slow" not in request.keywords:
        monkeypatch.setattr(symbolic, "REFINED", 2)


@pytest.fixture(scope="module")
def told():
    """Progress messages of the search for DPO."""
    return []


@pytest.fixture(scope="module")
def of_dpo(told):
    """Result for DPO in a small grammar, shared by several tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(symbolic, "REFINED", 1)
        return search(drift_target(dpo().policy_loss, num_points=200), SMALL, told.append)


def operations(expression):
    if not isinstance(expression, Node):
        return set()
    return {expression.operation}.union(*map(operations, expression.arguments))


def names(expression):
    if not isinstance(expression, Node):
        return {expression} if isinstance(expression, str) else set()
    return set().union(*map(names, expression.arguments))


def assert_front(front):
    assert front
    assert [each.name for each in front] == [f"symbolic_{number}" for number in range(1, len(front) + 1)]
    for simpler, better in itertools.pairwise(front):
        assert complexity(simpler.expression) < complexity(better.expression)
        assert simpler.relative_error > better.relative_error


def same(expression, formula, error, **others):
    return np.asarray(evaluate(expression, {"error": error, **others})) == pytest.approx(formula, abs=1e-5, rel=1e-5)


class TestDrifts:
    @pytest.mark.slow
    def test_both_branches_of_dpo_are_found_exactly(self, of_dpo):
        best = of_dpo[-1]
        assert best.relative_error < 1e-6
        assert best.expression.operation == "where_negative"
        sample = make_sample(*BOTH_SIGNS)
        np.testing.assert_allclose(mirror(drift_of(best.expression))(sample), dpo().policy_loss(sample), atol=1e-4)
        sorted_constants = sorted(best.constants.values())
        assert sorted_constants == pytest.approx([0.6, 1.0, 1.0, 2.0], abs=1e-4)

    def test_each_side_of_the_advantage_has_its_own_constants(self, of_dpo):
        assert {name.rpartition("_")[2] for name in of_dpo[-1].constants} == {"below", "above"}

    def test_the_front_gets_better_as_it_gets_more_complex(self, of_dpo):
        assert_front(of_dpo)
        assert len(of_dpo) > 2

    def test_every_formula_vanishes_with_its_slope_at_a_ratio_of_one(self, of_dpo):
        for each in of_dpo:
            verdict = check_drift(each.expression)
            assert verdict.vanishes, verdict.reason

    def test_progress_is_told(self, of_dpo, told):
        assert told == ["one formula for all advantages", "negative advantages", "positive advantages"]

    def test_only_what_the_grammar_has_is_used(self, of_dpo):
        glue = {"add", "subtract", "multiply", "divide", "negate", "absolute", "square", "relu", "where_negative"}
        for each in of_dpo:
            assert operations(each.expression) <= glue | {"tanh"}
            assert names(each.expression) <= {"r", "log_ratio", "A"}
        assert "tanh" in operations(of_dpo[-1].expression)

    def test_without_a_split_there_is_one_formula_of_so_many_terms(self):
        target = noisy(drift_target(dpo().policy_loss, num_points=200), 0)
        front = search(target, Grammar(("square", "cube"), 2, split=False))
        assert_front(front)
        for each in front:
            assert operations(each.expression) <= {"add", "subtract", "multiply", "absolute", "square", "relu"}
            assert check_drift(each.expression).vanishes
        assert set().union(*(each.constants for each in front)) == {"w1", "w2"}

    def test_where_there_is_no_drift_none_is_found(self):
        target = drift_target(mirror(no_drift()), num_points=200)
        for each in search(target, Grammar(("square",), 1)):
            assert each.value_error < 1e-9
            assert check_drift(each.expression).vanishes

    @pytest.mark.slow
    def test_dpo_is_found_exactly_in_the_whole_grammar(self):
        front = search(drift_target(dpo().policy_loss, num_points=1000))
        assert_front(front)
        assert front[-1].relative_error < 1e-6
        assert sorted(front[-1].constants.values()) == pytest.approx([0.6, 1.0, 1.0, 2.0], abs=1e-4)
        for each in front:
            assert check_drift(each.expression).vanishes

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "network", [LPODrift(hidden_sizes=(32,), ppo_init=False, start="random"), LPODrift()], ids=["alone", "on PPO"]
    )
    def test_dpo_is_found_in_a_network_that_was_taught_it(self, network):
        student = train_student(jax.random.key(0), network, [drift_target(dpo().policy_loss)], 6000, 1e-2)
        front = search(drift_target(network.bind(student.meta_params).policy_loss), SMALL)
        assert sorted(front[-1].constants.values()) == pytest.approx([0.6, 1.0, 1.0, 2.0], abs=0.02)
        assert front[-1].relative_error < 0.05


def pseudo_huber(threshold, unit=1.0):
    """Return c²(√(1 + (δ/c)²) − 1): a Huber loss without its kinks."""
    root = lambda x: np.sqrt(1 + (x / threshold) ** 2)  # noqa: E731
    return value_points(lambda x: threshold**2 * (root(x) - 1), lambda x: x / root(x), unit, 300)


ROOTS = Grammar(("square", "sqrt", "absolute"), 2)


class TestValueLosses:
    @pytest.mark.parametrize("unit", [1.0, 1000.0])
    def test_a_loss_like_hubers_is_found_at_any_scale(self, unit):
        front = search(pseudo_huber(0.7 * unit, unit), ROOTS)
        assert_front(front)
        assert front[-1].relative_error < 1e-6
        assert front[-1].constants == pytest.approx({"w1": (0.7 * unit) ** 2, "c1": 0.7 * unit}, rel=1e-4)
        assert "sqrt" in operations(front[-1].expression)

    def test_a_sum_of_two_terms_is_taken_apart(self):
        target = value_points(lambda x: 0.5 * x**2 + 2 * np.abs(x), lambda x: x + 2 * np.sign(x), 1.0, 300)
        front = search(target, ROOTS)
        assert front[-1].relative_error < 1e-6
        error = np.linspace(-3, 3, 13)
        assert same(front[-1].expression, 0.5 * error**2 + 2 * np.abs(error), error)
        assert operations(front[-1].expression) == {"add", "multiply", "square", "absolute"}

    def test_a_small_negative_part_is_found_as_well(self):
        target = value_points(
            lambda x: 1.5 * np.log(np.cosh(x / 0.4)) - 0.3 * x, lambda x: 1.5 / 0.4 * np.tanh(x / 0.4) - 0.3, 1.0, 300
        )
        front = search(target, Grammar(("log_cosh", "linear"), 2))
        assert front[-1].relative_error < 1e-6
        assert sorted(front[-1].constants.values()) == pytest.approx([-0.3, 0.4, 1.5], abs=1e-4)

    def test_a_search_repeats_exactly(self):
        target = noisy(huber(0.7, num_points=200), 0)
        one, other = (search(target, Grammar(("square", "absolute"), 2)) for _ in range(2))
        assert one == other

    @pytest.mark.parametrize("max_terms", [1, 2, 3, 4])
    def test_more_terms_may_be_asked_for_than_there_are(self, max_terms):
        front = search(huber(0.7, num_points=100), Grammar(("square",), max_terms))
        assert [operations(each.expression) for each in front] == [{"multiply", "square"}]

    @pytest.mark.parametrize("unit", [1e-3, 1e3])
    def test_terms_of_any_size_are_fitted_together(self, unit):
        weights = (0.5 * unit, 0.1 / unit**2)
        target = value_points(
            lambda x: weights[0] * np.abs(x) + weights[1] * x**4,
            lambda x: weights[0] * np.sign(x) + 4 * weights[1] * x**3,
            unit,
            200,
        )
        front = search(target, Grammar(("absolute", "quartic"), 2))
        assert_front(front)
        assert sorted(front[-1].constants.values()) == pytest.approx(sorted(weights), rel=1e-3)

    def test_a_second_input_enters_as_what_it_is(self):
        goal = np.random.default_rng(1).normal(2, 1, 300)
        target = value_points(lambda x: 3 * goal * x**2, lambda x: 6 * goal * x, 1.0, 300, target=goal)
        best = search(target, Grammar(("square", "absolute"), 1))[-1]
        assert best.relative_error < 1e-6
        assert names(best.expression) == {"error", "target"}
        sample = make_sample(value=[3.0, 0.0], target=[2.0, -1.0])
        np.testing.assert_allclose(value_loss_of(best.expression)(sample), [6, -3], rtol=1e-5)

    def test_what_depends_on_the_move_from_the_old_value_is_found_as_such_whatever_the_target(self):
        loss = lambda sample: (sample.value - sample.target) ** 2 * (sample.old_value - sample.target)  # noqa: E731
        rng = np.random.default_rng(0)
        error, goal, move = rng.normal(size=(3, 20_000))
        edges = (VALUE_EDGES, VALUE_EDGES)
        counts = [np.histogram2d(error, other, edges)[0].astype(int) for other in (5 + goal, error + 0.3 * move)]
        target = value_target(loss, MinibatchHistograms(np.zeros((1, 1), int), *counts), 300)
        best = search(target, Grammar(("square",), 2))[-1]
        sample = make_sample(value=[6.0, 0.0], target=[5.0, -2.0], old_value=[5.5, 1.0])
        np.testing.assert_allclose(value_loss_of(best.expression)(sample), loss(sample), rtol=1e-3)

    @pytest.mark.slow
    def test_the_whole_grammar_finds_a_loss_like_hubers(self):
        front = search(pseudo_huber(0.7))
        assert_front(front)
        assert front[-1].relative_error < 1e-6


def test_grammars_hold_all_shapes_that_are_right_for_their_kind():
    assert set(default_grammar("policy").shapes) == set(SHAPES)
    assert set(default_grammar("value").shapes) == set(SHAPES) | set(VALUE_SHAPES)
    assert not set(SHAPES) & set(VALUE_SHAPES)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_for_drifts_is_flat_at_zero(name):
    assert check_drift(SHAPES[name].build(Node("subtract", ("r", 1)), 0.3)).vanishes
