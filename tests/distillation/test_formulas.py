"""Formulas: exact decisions which are drifts, and their text."""

import itertools
import math
import random
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from metadisco.distillation.families import DRIFT_FAMILIES, VALUE_FAMILIES, Family
from metadisco.distillation.formulas import MAGNITUDE, PROGRESS, SYMBOLS, _jet, check_drift, to_sympy, written
from metadisco.objectives.expressions import OPERATIONS, Expression, add, apply, evaluate, multiply, substitute, to_json

GAP = apply("subtract", "r", 1)
LOG = "log_ratio"
FAMILIES = {family.name: family for family in (*DRIFT_FAMILIES, *VALUE_FAMILIES)}
SQUARE = apply("square", GAP)
HUGE = apply("exp", multiply(4, apply("square", "A")))  # 1 at A = 0


def with_starts(family: Family) -> Expression:
    """Return the expression of a family with numbers of four digits."""
    constants = {name: round(0.9 * starts[0], 4) for name, starts in family.starts.items()}
    return substitute(family.expression, constants)


def bent(limit, x):
    return apply("relu", apply("subtract", x, multiply(limit, apply("tanh", apply("divide", x, limit)))))


class TestDrifts:
    @pytest.mark.parametrize("name", ["ppo", "dpo", "kl", "quadratic", "policy_gradient"])
    def test_those_that_are_known_are_recognised_by_their_form(self, name):
        assert check_drift(with_starts(FAMILIES[name])) == (True, True, "by form", "")

    @pytest.mark.parametrize(
        "expression",
        [
            apply("square", LOG),
            multiply(SQUARE, apply("absolute", "A")),
            multiply(apply("square", LOG), apply("exp", "A")),
            apply("relu", apply("subtract", multiply(GAP, "A"), 0.3)),
            apply("maximum", SQUARE, multiply(2, "A", SQUARE)),
            apply("minimum", SQUARE, apply("absolute", GAP)),  # bends elsewhere
            multiply(apply("absolute", GAP), apply("absolute", LOG)),  # two kinks make none
            add(multiply(SQUARE, "progress"), bent(0.3, multiply(LOG, "A"))),
        ],
        ids=written,
    )
    def test_others_are_recognised_too(self, expression):
        verdict = check_drift(expression)
        assert verdict == (True, True, "by form", "")

    @pytest.mark.parametrize(
        "expression",
        [
            apply("subtract", GAP, LOG),  # r − 1 − log r ≥ 0
            apply("subtract", multiply("r", LOG), GAP),
            apply("subtract", apply("subtract", apply("exp", multiply(GAP, 0.5)), 1), multiply(GAP, 0.5)),
            apply("subtract", SQUARE, multiply(0.5, SQUARE)),
        ],
        ids=written,
    )
    def test_what_only_looks_nonnegative_is_labelled_so(self, expression):
        assert check_drift(expression) == (True, True, "on a grid", "")

    @pytest.mark.parametrize(
        ("expression", "reason"),
        [
            (apply("absolute", GAP), "from above is 1.000 where A > 0"),
            (multiply(0.01, apply("absolute", GAP)), "0.01000"),
            (multiply(apply("absolute", GAP), apply("square", "A")), r"\|A\|\*\*2 where A > 0"),
            (multiply("r", "A"), r"D\(1, A\) is \|A\| where A > 0"),
            (apply("relu", GAP), "from above is 1.000"),
            (apply("relu", apply("negate", LOG)), "from below is -1.000"),
            (multiply(apply("relu", LOG), apply("relu", apply("negate", "A"))), r"from above is \|A\| where A < 0"),
            (apply("relu", apply("subtract", multiply(GAP, "A"), -0.1)), "0.1000"),
            (apply("where_negative", "A", SQUARE, LOG), "where A > 0"),
            (apply("where_negative", "A", LOG, SQUARE), "where A < 0"),
            (add(SQUARE, multiply(1e-9, GAP)), "1.000e-9"),
            (add(SQUARE, 1e-12), "1.000e-12"),
            (1, "is 1"),
            ("A", r"\|A\|"),
            ("progress", "is p"),
        ],
        ids=str,
    )
    def test_what_is_not_flat_at_a_ratio_of_one_is_refused_with_the_reason(self, expression, reason):
        verdict = check_drift(expression)
        assert not verdict.valid
        assert not verdict.vanishes
        assert verdict.nonnegative == "no"
        assert re.search(reason, verdict.reason), verdict.reason

    @pytest.mark.parametrize(
        ("condition", "side"), [(LOG, "below"), (GAP, "below"), (apply("negate", GAP), "above")], ids=str
    )
    def test_a_kink_between_two_pieces_that_meet_at_a_ratio_of_one_is_seen(self, condition, side):
        verdict = check_drift(apply("where_negative", condition, apply("absolute", LOG), SQUARE))
        assert not verdict.valid
        assert f"from {side}" in verdict.reason

    @pytest.mark.parametrize(
        "expression",
        [
            apply("negate", SQUARE),
            multiply(GAP, SQUARE),
            multiply("A", SQUARE),
            apply("subtract", SQUARE, apply("square", SQUARE)),
            multiply(SQUARE, apply("subtract", "progress", 0.9)),
            apply("where_negative", "A", multiply(SQUARE, HUGE), apply("negate", SQUARE)),
            apply("subtract", multiply(SQUARE, HUGE), multiply(3, SQUARE)),
        ],
        ids=written,
    )
    def test_what_is_negative_somewhere_is_refused_with_the_place(self, expression):
        verdict = check_drift(expression)
        assert not verdict.valid
        assert verdict.vanishes
        assert verdict.nonnegative == "no"
        assert "below 0" in verdict.reason
        number, ratio, advantage = map(float, re.findall(r"-?\d+\.?\d*(?:e[+-]?\d+)?", verdict.reason)[:3])
        values = [
            float(evaluate(expression, {"r": ratio, LOG: math.log(ratio), "A": advantage, "progress": progress}))
            for progress in (0.0, 0.5, 1.0)
        ]
        assert min(values) == pytest.approx(number, rel=0.05)

    @pytest.mark.parametrize(
        "expression",
        [
            apply("maximum", multiply(GAP, "A"), GAP),
            multiply(SQUARE, apply("relu", apply("subtract", apply("absolute", "A"), 1))),
            apply("where_negative", apply("subtract", "A", 1), SQUARE, apply("square", LOG)),
        ],
        ids=written,
    )
    def test_what_cannot_be_decided_for_all_advantages_is_refused_as_such(self, expression):
        verdict = check_drift(expression)
        assert not verdict.valid
        assert verdict.reason.startswith("undecided: ")

    @pytest.mark.parametrize(
        "expression",
        [
            apply("divide", SQUARE, apply("square", apply("square", LOG))),
            apply("sqrt", multiply(SQUARE, SQUARE, apply("negate", "A"))),
        ],
        ids=written,
    )
    def test_what_is_no_number_somewhere_is_refused(self, expression):
        assert not check_drift(expression).valid

    def test_what_is_infinite_beyond_the_exact_conditions_is_refused_as_not_finite(self):
        huge = multiply(SQUARE, apply("exp", multiply(5, "A", "A")), apply("exp", multiply(5, "A", "A")))
        for _ in range(5):
            huge = apply("square", huge)
        verdict = check_drift(huge)
        assert (verdict.valid, verdict.vanishes) == (False, True)
        assert "not finite" in verdict.reason

    def test_a_reason_is_written_in_the_symbols_of_the_formula(self):
        assert "is tanh(|A|) where" in check_drift(apply("tanh", "A")).reason
        assert "|A|" not in check_drift(apply("divide", 0, apply("square", GAP))).reason


KINKED = ("absolute", "relu", "minimum", "maximum")


def random_tree(rng, depth):
    """Return a random expression of the variables of a drift; pieces depend on the advantage or progress."""
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(["r", LOG, "A", "progress", rng.choice([1, 2, 0.5, -1.5, 0.3])])
    operation = rng.choice([*OPERATIONS, *KINKED])
    if operation == "where_negative":
        condition = rng.choice(["A", apply("negate", "progress")])
        return apply(operation, condition, random_tree(rng, depth - 1), random_tree(rng, depth - 1))
    return apply(operation, *(random_tree(rng, depth - 1) for _ in range(OPERATIONS[operation].arity)))


def one_sided(expression, advantage, direction, step=1e-7):
    """Return value and directional derivative along log r at r = 1 by second-order finite differences."""

    def value(log_ratio):
        point = {"r": np.exp(log_ratio), LOG: log_ratio, "A": advantage, "progress": 0.4}
        return float(evaluate(expression, {name: jnp.asarray(x) for name, x in point.items()}))

    with jax.enable_x64(True):
        here, near, far = (value(number * direction * step) for number in range(3))
    return here, (4 * near - 3 * here - far) / (2 * step)


def exact(expression, sign, direction):
    """Return the propagated value and derivative at |A| = 0.7 and progress 0.4; NaN if undecided."""
    try:
        jet = map(sympy.sympify, _jet(expression, sign, direction))
        return [complex(sympy.N(x.subs({MAGNITUDE: 0.7, PROGRESS: 0.4}))) for x in jet]
    except ValueError:
        return [math.nan, math.nan]


def test_one_sided_slopes_are_what_finite_differences_say():
    rng = random.Random(0)
    compared = kinks = 0
    for expression, sign in itertools.product([random_tree(rng, 3) for _ in range(25)], (1, -1, 0)):
        slopes = []
        for direction in (1, -1):
            value, slope = one_sided(expression, 0.7 * sign, direction)
            jet = exact(expression, sign, direction)
            if np.isfinite([value, slope, *jet]).all() and abs(value) < 1e5:
                assert jet[0] == pytest.approx(value, rel=1e-9, abs=1e-9), to_json(expression)
                assert jet[1] == pytest.approx(slope, rel=1e-4, abs=1e-4 * (1 + abs(value))), to_json(expression)
                slopes.append(direction * jet[1].real)
        compared += len(slopes)
        kinks += len(slopes) == 2 and abs(slopes[0] - slopes[1]) > 1e-3
    assert compared > 75
    assert kinks > 2


NAMES = {"min": min, "max": max, "abs": abs, "log": math.log, "tanh": math.tanh, "cosh": math.cosh, "exp": math.exp,
         "sqrt": math.sqrt}  # fmt: skip
POINTS = [
    {"r": 0.4, "A": -1.3, "progress": 0.2, "error": -0.7, "target": 1.4, "old_value": 0.3},
    {"r": 1.9, "A": -0.6, "progress": 0.9, "error": 1.2, "target": -2.0, "old_value": -0.4},
    {"r": 2.7, "A": 2.1, "progress": 0.4, "error": 0.02, "target": 0.1, "old_value": 5.0},
    {"r": 0.7, "A": 0.8, "progress": 0.0, "error": -3.1, "target": 0.6, "old_value": 1.0},
]


def read(text, point):
    """Evaluate the text of a formula at a point; "f where c, else g" binds least, like Python's conditional."""
    python = re.sub(r"\|([^|]+)\|", r"abs(\1)", text).translate(str.maketrans("{}", "()"))
    python = python.replace(" where ", " if ").replace(", else ", " else ")
    letters = {"δ": point["error"], "G": point["target"], "V_old": point["old_value"], "p": point["progress"]}
    return eval(python, {"__builtins__": {}}, {**NAMES, **letters, "r": point["r"], "A": point["A"]})


OTHERS = {
    "a piece in a product": multiply(apply("where_negative", "error", 2, 3), "target"),
    "a piece in a sum": add(apply("where_negative", "error", 2, 3), "target"),
    "a piece in a function": apply("tanh", apply("where_negative", "A", 0.25, LOG)),
    "pieces within pieces": apply(
        "where_negative",
        "A",
        apply("where_negative", "error", "target", 2),
        apply("where_negative", "old_value", 3, 4),
    ),
    "three pieces": apply("where_negative", apply("subtract", "error", -1), 1, apply("where_negative", "error", 2, 3)),
    "signs": apply("subtract", "r", apply("subtract", "A", apply("negate", "target"))),
    "quotients": apply("divide", "A", apply("divide", "r", apply("divide", "error", 3))),
    "powers": apply("square", apply("negate", apply("square", apply("subtract", "error", "target")))),
    "every other function": add(
        apply("sqrt", apply("exp", "progress")), apply("log_cosh", "A"), apply("minimum", "A", "r"), "old_value"
    ),
}


@pytest.mark.parametrize(
    "expression", [*(with_starts(family) for family in FAMILIES.values()), *OTHERS.values()], ids=[*FAMILIES, *OTHERS]
)
def test_a_written_formula_says_what_the_expression_says(expression):
    text = written(expression)
    assert "\n" not in text
    for point in POINTS:
        variables = {**point, LOG: math.log(point["r"])}
        assert read(text, point) == pytest.approx(float(evaluate(expression, variables)), rel=2e-3, abs=2e-3), text


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (multiply(0.123456, "error"), "0.1235*δ"),
        (multiply(1 / 3, SQUARE), "0.3333*(r - 1)**2"),
        (apply("absolute", "error"), "|δ|"),
        (apply("relu", LOG), "max(0, log(r))"),
        (apply("minimum", "old_value", 0.5), "min(0.5, V_old)"),
        (multiply("target", "progress"), "G*p"),
        (apply("where_negative", "A", 2.0, 3), "2 where A < 0, else 3"),
        (multiply(1e-7, "error"), "1e-07*δ"),
        (multiply(12345.678, "error"), "1.235e+04*δ"),
    ],
)
def test_numbers_are_written_with_four_digits_and_variables_by_their_letters(expression, text):
    assert written(expression) == text


@pytest.mark.parametrize("expression", [with_starts(family) for family in FAMILIES.values()], ids=FAMILIES)
def test_sympy_has_the_same_values(expression):
    formula = to_sympy(expression, 17)
    for point in POINTS:
        known = {SYMBOLS[name]: value for name, value in point.items()}
        exact = evaluate(expression, {**point, LOG: math.log(point["r"])})
        with jax.enable_x64(True):
            exact = evaluate(expression, {**point, LOG: math.log(point["r"])})
        assert float(formula.subs(known)) == pytest.approx(float(exact), rel=1e-12, abs=1e-12)


def test_exact_numbers_are_fractions_of_the_very_float():
    assert to_sympy(0.1, None) == sympy.Rational(3602879701896397, 36028797018963968)
    assert to_sympy(2.0) == sympy.Integer(2)
    assert to_sympy("c") == sympy.Symbol("c", real=True)
