"""Formulas as data: expression trees that can be evaluated and turned into losses without executing code.

An expression is a number, the name of a variable or constant, or a `Node`. As JSON it is a number, a string, or a list
of the operation and its arguments.
"""

import contextlib
import functools
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

from metadisco.errors import UserError
from metadisco.objectives.closed import LOG_RATIO_CLIP, probability_ratio
from metadisco.types import Loss, Sample


class Node(NamedTuple):
    """An operation on expressions."""

    operation: str
    """One of OPERATIONS."""
    arguments: tuple["Expression", ...]


Expression: TypeAlias = "float | int | str | Node"


class Operation(NamedTuple):
    """The number of arguments and the function of an operation."""

    arity: int
    function: Callable[..., Array]


def _absolute(x: Array) -> Array:
    return x * jnp.sign(jax.lax.stop_gradient(x))  # JAX's own derivative of |x| is 1 at 0


def _where_negative(x: Array, negative: Any, other: Any) -> Array:
    return jnp.where(x < 0, negative, other)


def _log_cosh(x: Array) -> Array:
    return jnp.logaddexp(x, -x) - math.log(2)


def _excess(x: Array) -> Array:
    """Return eˣ − 1 − x, accurate near 0."""
    clipped = jnp.minimum(x, LOG_RATIO_CLIP)
    return jax.nn.relu(jnp.expm1(clipped) - clipped)


OPERATIONS: dict[str, Operation] = {
    "add": Operation(2, jnp.add),
    "subtract": Operation(2, jnp.subtract),
    "multiply": Operation(2, jnp.multiply),
    "divide": Operation(2, jnp.divide),
    "minimum": Operation(2, jnp.minimum),
    "maximum": Operation(2, jnp.maximum),
    "negate": Operation(1, jnp.negative),
    "square": Operation(1, jnp.square),
    "absolute": Operation(1, _absolute),
    "relu": Operation(1, jax.nn.relu),
    "tanh": Operation(1, jnp.tanh),
    "exp": Operation(1, lambda x: jnp.exp(jnp.minimum(x, LOG_RATIO_CLIP))),
    "excess": Operation(1, _excess),
    "sqrt": Operation(1, jnp.sqrt),
    "log_cosh": Operation(1, _log_cosh),
    "where_negative": Operation(3, _where_negative),
}
"""Operations by name. `excess(x)` is eˣ − 1 − x; `where_negative(x, a, b)` is a if x < 0, else b."""

POLICY_VARIABLES = ("r", "log_ratio", "A", "progress")
VALUE_VARIABLES = ("error", "target", "old_value", "progress")


def add(*terms: Expression) -> Expression:
    """Return a sum."""
    return functools.reduce(lambda left, right: Node("add", (left, right)), terms)


def multiply(*factors: Expression) -> Expression:
    """Return a product, omitting factors of one."""
    kept = [factor for factor in factors if factor != 1] or [1]
    return functools.reduce(lambda left, right: Node("multiply", (left, right)), kept)


def apply(operation: str, *arguments: Expression) -> Expression:
    """Return an operation on expressions."""
    return Node(operation, arguments)


def evaluate(expression: Expression, variables: Mapping[str, Any]) -> Any:
    """Return the value of an expression.

    Args:
        expression: the tree.
        variables: values of variables and constants by name: arrays or numbers, which are broadcast.
    """
    if isinstance(expression, Node):
        arguments = (evaluate(each, variables) for each in expression.arguments)
        return OPERATIONS[expression.operation].function(*arguments)
    return variables[expression] if isinstance(expression, str) else float(expression)


def substitute(expression: Expression, constants: Mapping[str, Expression]) -> Expression:
    """Return an expression with names replaced."""
    if isinstance(expression, Node):
        return Node(expression.operation, tuple(substitute(each, constants) for each in expression.arguments))
    return constants.get(expression, expression) if isinstance(expression, str) else expression


def parts_of(expression: Expression) -> Iterator[Expression]:
    """Yield all subexpressions of an expression, down to variables and numbers."""
    if isinstance(expression, Node):
        for each in expression.arguments:
            yield each
            yield from parts_of(each)


def names_in(expression: Expression) -> set[str]:
    """Return the names of the variables and constants in an expression."""
    if isinstance(expression, Node):
        return set().union(*map(names_in, expression.arguments))
    return {expression} if isinstance(expression, str) else set()


def fold(expression: Expression) -> Expression:
    """Return an expression in which operations on numbers are evaluated, in double precision."""
    if not isinstance(expression, Node):
        return expression
    arguments = tuple(map(fold, expression.arguments))
    if expression.operation in _NUMBERS and not any(isinstance(each, (Node, str)) for each in arguments):
        with contextlib.suppress(ArithmeticError, ValueError):  # infinite or undefined results are not folded
            number = _NUMBERS[expression.operation](*arguments)
            if math.isfinite(number):
                return number
    return Node(expression.operation, arguments)


def _exp_of_number(x: float) -> float:
    return math.exp(min(x, LOG_RATIO_CLIP))


def _excess_of_number(x: float) -> float:
    clipped = min(x, LOG_RATIO_CLIP)
    return max(math.expm1(clipped) - clipped, 0.0)


_NUMBERS: dict[str, Callable[..., float]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "minimum": min,
    "maximum": max,
    "negate": operator.neg,
    "square": lambda x: x * x,
    "absolute": abs,
    "relu": lambda x: max(x, 0.0),
    "tanh": math.tanh,
    "exp": _exp_of_number,
    "excess": _excess_of_number,
    "sqrt": math.sqrt,
    "log_cosh": lambda x: abs(x) + math.log1p(math.exp(-2 * abs(x))) - math.log(2),
    "where_negative": lambda x, negative, other: negative if x < 0 else other,
}


def complexity(expression: Expression) -> int:
    """Return the number of operations, variables and numbers."""
    if isinstance(expression, Node):
        return 1 + sum(complexity(each) for each in expression.arguments)
    return 1


def policy_variables(sample: Sample) -> dict[str, Array]:
    """Return the variables of a drift: A, progress, and r and log_ratio, which are clipped consistently (at e⁴⁰)."""
    return {
        "r": probability_ratio(sample),
        "log_ratio": jnp.minimum(sample.log_ratio, LOG_RATIO_CLIP),
        "A": sample.advantage,
        "progress": sample.progress,
    }


def value_variables(sample: Sample) -> dict[str, Array]:
    """Return the variables of a value loss: error = V − target, target, old_value and progress."""
    return {
        "error": sample.value - sample.target,
        "target": sample.target,
        "old_value": sample.old_value,
        "progress": sample.progress,
    }


def drift_of(expression: Expression) -> Loss:
    """Turn an expression of r, log_ratio, A and progress into a drift."""

    def drift(sample: Sample) -> Array:
        return jnp.broadcast_to(evaluate(expression, policy_variables(sample)), sample.log_ratio.shape)

    return drift


def value_loss_of(expression: Expression) -> Loss:
    """Turn an expression of error, target, old_value and progress into a value loss."""

    def loss(sample: Sample) -> Array:
        return jnp.broadcast_to(evaluate(expression, value_variables(sample)), sample.value.shape)

    return loss


def to_json(expression: Expression) -> Any:
    """Convert an expression to numbers, strings and lists."""
    if isinstance(expression, Node):
        return [expression.operation, *(to_json(each) for each in expression.arguments)]
    return expression


MAX_DEPTH = 100
MAX_NUMBER = 1e30


def from_json(data: Any, variables: tuple[str, ...], where: str, depth: int = 0) -> Expression:
    """Convert numbers, strings and lists to an expression.

    Args:
        data: numbers, strings and lists.
        variables: allowed names of variables.
        where: a description of the expression, for messages.
        depth: depth of `data` within the whole expression.

    Raises:
        UserError: for anything that is not an expression in these variables.
    """
    if depth > MAX_DEPTH:
        raise UserError(f"{where}: got an expression nested more than {MAX_DEPTH} deep")
    if isinstance(data, str):
        if data not in variables:
            raise UserError(f"{where}: got the variable {data!r}, allowed: {', '.join(variables)}")
        return data
    if isinstance(data, (int, float)) and not isinstance(data, bool):
        if not -MAX_NUMBER <= data <= MAX_NUMBER:
            raise UserError(
                f"{where}: got the number {data:.4g}, allowed: finite ones up to {MAX_NUMBER:g}"
                if isinstance(data, float)
                else f"{where}: got a number of {len(str(data))} digits, allowed: up to {MAX_NUMBER:g}"
            )
        return data
    if not isinstance(data, list) or not data or not isinstance(data[0], str) or data[0] not in OPERATIONS:
        got = data[0] if isinstance(data, list) and data else data
        raise UserError(f"{where}: got {got!r}, allowed: a number, a variable, or a list that begins with an operation")
    operation, *arguments = data
    arity = OPERATIONS[operation].arity
    if len(arguments) != arity:
        raise UserError(f"{where}: got {len(arguments)} arguments of {operation}, allowed: {arity}")
    return Node(operation, tuple(from_json(each, variables, where, depth + 1) for each in arguments))
