"""Expressions as lines of Python, and their derivatives: random ones, compared with JAX."""

import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.export.code import Code
from metadisco.export.derivative import derivative
from metadisco.objectives import LOG_RATIO_CLIP
from metadisco.objectives.expressions import (
    OPERATIONS,
    Node,
    add,
    apply,
    evaluate,
    fold,
    multiply,
    names_in,
    to_json,
)
from metadisco.objectives.losses import ppo_drift

NUM_EXPRESSIONS = 40
VARIABLES = ("error", "error", "target", "old_value", "progress")
LINE = 120 - 4  # characters, less the indentation in a function


def clipped(x):
    return np.minimum(x, LOG_RATIO_CLIP)


HELPERS = {
    "np": np,
    "_clipped": clipped,
    "_greater": lambda x, y: np.where(x == y, 0.5, x > y),
    "_within": lambda x, low, high, y: np.where(
        (x < low) | (x > high), 0, np.where((x == low) | (x == high), 0.5, 1) * y
    ),
    "_exp": lambda x: np.exp(clipped(x)),
    "_excess": lambda x: np.maximum(np.expm1(clipped(x)) - clipped(x), 0),
    "_log_cosh": lambda x: np.logaddexp(x, -x) - np.log(2),
}


def random_expression(rng: random.Random, depth: int):
    """Return an expression that is defined everywhere."""
    if depth == 0 or rng.random() < 0.1:
        return rng.choice([*VARIABLES, rng.randint(-2, 3), round(rng.uniform(-3, 3), 2)])
    operation = rng.choice(list(OPERATIONS))
    arguments = [random_expression(rng, depth - 1) for _ in range(OPERATIONS[operation].arity)]
    if operation in ("sqrt", "divide"):
        arguments[-1] = add(0.1, apply("square", arguments[-1]))
    return apply(operation, *arguments)


def expressions():
    rng = random.Random(0)
    while True:
        expression = random_expression(rng, rng.randint(1, 6))
        if isinstance(expression, Node) and "error" in names_in(expression):
            yield expression


@pytest.fixture(scope="module")
def variables():
    rng = np.random.default_rng(0)
    arrays = {name: 3 * rng.normal(size=50) for name in VARIABLES}
    arrays["error"][:10] *= 30
    return {**arrays, "progress": np.full(50, 0.37)}


def of_jax(expression, variables):
    """Return values and slopes by the error."""

    def values_of(error):
        values = evaluate(expression, {**{name: jnp.asarray(x) for name, x in variables.items()}, "error": error})
        return jnp.broadcast_to(values, error.shape)

    with jax.enable_x64(True):
        values, pull = jax.vjp(values_of, jnp.asarray(variables["error"]))
        return np.asarray(values), np.asarray(*pull(jnp.ones_like(values)))


def of_lines(expression, variables):
    code = Code("np")
    code.assign("result", expression)
    assert max(map(len, code.lines)) <= LINE
    names = {**HELPERS, **variables}
    exec("\n".join(code.lines), names)
    return np.broadcast_to(names["result"], variables["error"].shape)


def test_lines_compute_random_expressions_and_their_derivatives(variables):
    drawn = expressions()
    for _ in range(NUM_EXPRESSIONS):
        expression = next(drawn)
        with np.errstate(all="ignore"):
            found = of_lines(expression, variables), of_lines(derivative(expression, {"error": 1}), variables)
        for ours, theirs in zip(found, of_jax(expression, variables), strict=True):
            finite = np.isfinite(theirs)
            np.testing.assert_allclose(ours[finite], theirs[finite], rtol=1e-8, atol=1e-8, err_msg=to_json(expression))


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if OPERATIONS[name].arity == 1])
def test_the_slope_of_each_operation_is_that_of_jax_even_where_its_argument_is_0_or_huge(operation):
    values = np.array([-1e3, -50.0, -1.0, 0.0, 1.0, 50.0, 1e3])
    if operation == "sqrt":
        values = np.abs(values[values != 0])
    expression = apply(operation, "error")
    with np.errstate(over="ignore"):
        found = of_lines(derivative(expression, {"error": 1}), {"error": values})
    np.testing.assert_allclose(found, of_jax(expression, {"error": values})[1], rtol=1e-12)


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide", "minimum", "maximum"])
@pytest.mark.parametrize("order", [("error", "target"), ("target", "error")])
def test_the_slope_of_each_operation_on_two_is_that_of_jax_even_where_they_are_equal(operation, order):
    variables = {"error": np.array([-2.0, 1.0, 3.0]), "target": np.array([1.0, 1.0, 1.0])}
    expression = apply(operation, *order)
    found = of_lines(derivative(expression, {"error": 1}), variables)
    np.testing.assert_allclose(found, of_jax(expression, variables)[1], rtol=1e-12)


def test_where_ppo_clips_the_slope_is_that_of_what_else_the_drift_has_to_the_last_digit():
    drift = apply("relu", apply("subtract", add(ppo_drift(0.2), fold(multiply(0.5, "error"))), 1e-4))
    slope = derivative(fold(drift), {"r": "dr", "error": 1}, less=multiply("dr", "A"))
    ratio, advantage = np.float32([1.3, 1e9, 2e17, 0.1]), np.float32([1, 30, 3, -7])
    found = of_lines(slope, {"r": ratio, "dr": ratio, "A": advantage, "error": np.ones(4, np.float32)})
    np.testing.assert_array_equal(found, 0.5)


@pytest.mark.parametrize("outer", ["add", "subtract", "multiply", "divide"])
@pytest.mark.parametrize("inner", ["add", "subtract", "multiply", "divide"])
def test_what_is_computed_first_stays_first(outer, inner):
    """The same to the last digit: a + (b - c) is not (a + b) - c."""
    rng = np.random.default_rng(0)
    variables = {name: rng.normal(size=50) * 10.0 ** rng.integers(-8, 8, size=50) for name in VARIABLES}
    for expression in (
        apply(outer, "error", apply(inner, "target", "old_value")),
        apply(outer, apply(inner, "target", "old_value"), "error"),
    ):
        np.testing.assert_array_equal(of_lines(expression, variables), of_jax(expression, variables)[0])
