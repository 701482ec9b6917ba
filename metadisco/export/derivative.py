"""Derivatives of expressions as expressions, for libraries without automatic differentiation.

sympy is not used: its simplifications change how a form rounds in float32, so that terms that cancel in JAX no longer
cancel, and it does not know that arguments of exponentials are clipped.
"""

from collections.abc import Callable, Mapping
from typing import TypeGuard

from metadisco.export.code import clip_bounds
from metadisco.objectives.closed import LOG_RATIO_CLIP
from metadisco.objectives.expressions import Expression, Node, apply, fold, multiply


def derivative(expression: Expression, of: Mapping[str, Expression], less: Expression = 0) -> Expression:
    """Return the derivative of an expression minus `less`.

    Where both arguments of a maximum are equal, its derivative is the mean of theirs. The result may contain the
    operations `sign`, `greater` and `within` (see `Code`).

    Args:
        expression: the tree.
        of: the derivative of each variable that has one; all others are constant.
        less: an expression that is subtracted from the derivative, as deep inside the tree as possible. Where PPO
            clips, the derivative of its drift equals A·∂r, so that both cancel exactly.
    """
    return fold(_less(expression, of, less))


def _less(expression: Expression, of: Mapping[str, Expression], less: Expression) -> Expression:
    if not isinstance(expression, Node):
        return _minus(_derivative(expression, of), less)
    first, *rest = expression.arguments
    if expression.operation == "relu":
        return _where(apply("negate", first), _less(first, of, less), _minus(0, less))
    if expression.operation == "where_negative":
        return _where(first, *(_less(each, of, less) for each in rest))
    if expression.operation == "add":
        return _sum(_less(first, of, less), _derivative(rest[0], of))
    if expression.operation == "subtract":
        return _minus(_less(first, of, less), _derivative(rest[0], of))
    return _minus(_derivative(expression, of), less)


def _derivative(expression: Expression, of: Mapping[str, Expression]) -> Expression:
    if not isinstance(expression, Node):
        return of.get(expression, 0) if isinstance(expression, str) else 0
    bounds = clip_bounds(expression)
    if bounds is not None:
        x, low, high = bounds
        slope = _derivative(x, of)
        return 0 if slope == 0 else apply("within", x, low, high, slope)
    slopes = [_derivative(each, of) for each in expression.arguments]
    if all(slope == 0 for slope in slopes):
        return 0
    return _RULES[expression.operation](expression, *slopes)


def _sum(x: Expression, y: Expression) -> Expression:
    if x == 0 or y == 0:
        return y if x == 0 else x
    return apply("add", x, y)


def _minus(x: Expression, y: Expression) -> Expression:
    if x == y:
        return 0
    if x == 0 or y == 0:
        return x if y == 0 else apply("negate", y)
    if isinstance(x, Node) and x.operation == "subtract" and x.arguments[0] == y:
        return apply("negate", x.arguments[1])
    if _is_product(x) and _is_product(y) and x.arguments[1] == y.arguments[1]:
        return _times(_minus(x.arguments[0], y.arguments[0]), x.arguments[1])
    return apply("subtract", x, y)


def _times(x: Expression, y: Expression) -> Expression:
    if x == 0 or y == 0:
        return 0
    if _is_product(y) and x == 0.5 and y.arguments[0] == 2:
        return y.arguments[1]
    return multiply(x, y)


def _is_product(x: Expression) -> TypeGuard[Node]:
    return isinstance(x, Node) and x.operation == "multiply"


def _over(x: Expression, y: Expression) -> Expression:
    return 0 if x == 0 else apply("divide", x, y)


def _greater(x: Expression, y: Expression) -> Expression:
    return apply("greater", x, y)


def _largest(whole: Node, dx: Expression, dy: Expression) -> Expression:
    x, y = whole.arguments
    return _sum(_times(_greater(x, y), dx), _times(_greater(y, x), dy))


def _smallest(whole: Node, dx: Expression, dy: Expression) -> Expression:
    x, y = whole.arguments
    return _sum(_times(_greater(y, x), dx), _times(_greater(x, y), dy))


def _quotient(whole: Node, dx: Expression, dy: Expression) -> Expression:
    _, y = whole.arguments
    return _minus(_over(dx, y), _times(_over(dy, y), whole))


def _where(condition: Expression, x: Expression, y: Expression) -> Expression:
    return x if x == y else apply("where_negative", condition, x, y)


def _chained_exp(whole: Node, slope: Expression, dx: Expression) -> Expression:
    """Return slope · dx; 0 where the argument of the exponential is clipped."""
    return _times(multiply(_greater(LOG_RATIO_CLIP, whole.arguments[0]), slope), dx)


_RULES: dict[str, Callable[..., Expression]] = {
    "add": lambda whole, dx, dy: _sum(dx, dy),
    "subtract": lambda whole, dx, dy: _minus(dx, dy),
    "multiply": lambda whole, dx, dy: _sum(_times(dx, whole.arguments[1]), _times(whole.arguments[0], dy)),
    "divide": _quotient,
    "minimum": _smallest,
    "maximum": _largest,
    "negate": lambda whole, dx: apply("negate", dx),
    "square": lambda whole, dx: _times(multiply(2, whole.arguments[0]), dx),
    "absolute": lambda whole, dx: _times(apply("sign", whole.arguments[0]), dx),
    "relu": lambda whole, dx: _where(apply("negate", whole.arguments[0]), dx, 0),
    "tanh": lambda whole, dx: _times(apply("subtract", 1, apply("square", whole)), dx),
    "exp": lambda whole, dx: _chained_exp(whole, whole, dx),
    "excess": lambda whole, dx: _chained_exp(whole, apply("subtract", apply("exp", whole.arguments[0]), 1), dx),
    "sqrt": lambda whole, dx: apply("divide", dx, multiply(2, whole)),
    "log_cosh": lambda whole, dx: _times(apply("tanh", whole.arguments[0]), dx),
    "where_negative": lambda whole, _, dx, dy: _where(whole.arguments[0], dx, dy),
}
