"""Derivatives of expressions, as expressions, for languages that have no automatic differentiation."""

from collections.abc import Callable, Mapping

from metadisco.expressions import Expression, Node, apply, multiply


def derivative(expression: Expression, of: Mapping[str, Expression]) -> Expression:
    """Return the derivative of an expression; at a kink, one of the two there are.

    Args:
        expression: the tree.
        of: the derivative of each variable that has one; all others are constant.
    """
    if not isinstance(expression, Node):
        return of.get(expression, 0) if isinstance(expression, str) else 0
    slopes = [derivative(each, of) for each in expression.arguments]
    if all(slope == 0 for slope in slopes):
        return 0
    return _RULES[expression.operation](expression, *slopes)


def _sum(x: Expression, y: Expression) -> Expression:
    if x == 0 or y == 0:
        return y if x == 0 else x
    return apply("add", x, y)


def _minus(x: Expression, y: Expression) -> Expression:
    if x == 0 or y == 0:
        return x if y == 0 else apply("negate", y)
    return apply("subtract", x, y)


def _times(x: Expression, y: Expression) -> Expression:
    return 0 if x == 0 or y == 0 else multiply(x, y)


def _over(x: Expression, y: Expression) -> Expression:
    return 0 if x == 0 else apply("divide", x, y)


def _quotient(whole: Node, dx: Expression, dy: Expression) -> Expression:
    _, y = whole.arguments
    return _minus(_over(dx, y), _times(_over(dy, y), whole))


def _signed(x: Expression, dx: Expression) -> Expression:
    """Return dx with the sign of x, and 0 where x is."""
    return apply("where_negative", x, apply("negate", dx), apply("where_negative", apply("negate", x), dx, 0))


_RULES: dict[str, Callable[..., Expression]] = {
    "add": lambda whole, dx, dy: _sum(dx, dy),
    "subtract": lambda whole, dx, dy: _minus(dx, dy),
    "multiply": lambda whole, dx, dy: _sum(_times(dx, whole.arguments[1]), _times(whole.arguments[0], dy)),
    "divide": _quotient,
    "minimum": lambda whole, dx, dy: apply("where_negative", apply("subtract", *whole.arguments), dx, dy),
    "maximum": lambda whole, dx, dy: apply("where_negative", apply("subtract", *whole.arguments), dy, dx),
    "negate": lambda whole, dx: apply("negate", dx),
    "square": lambda whole, dx: _times(multiply(2, whole.arguments[0]), dx),
    "absolute": lambda whole, dx: _signed(whole.arguments[0], dx),
    "relu": lambda whole, dx: apply("where_negative", apply("negate", whole.arguments[0]), dx, 0),
    "tanh": lambda whole, dx: _times(apply("subtract", 1, apply("square", whole)), dx),
    "exp": _times,
    "excess": lambda whole, dx: _times(apply("subtract", apply("exp", whole.arguments[0]), 1), dx),
    "sqrt": lambda whole, dx: apply("divide", dx, multiply(2, whole)),
    "log_cosh": lambda whole, dx: _times(apply("tanh", whole.arguments[0]), dx),
    "where_negative": lambda whole, _, dx, dy: apply("where_negative", whole.arguments[0], dx, dy),
}
