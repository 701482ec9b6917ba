"""Expressions as sympy formulas: their text, and an exact check of the conditions of a drift."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from sympy.printing.str import StrPrinter

from metadisco.objectives.closed import LOG_RATIO_CLIP
from metadisco.objectives.expressions import Expression, Node, evaluate, names_in, parts_of

SYMBOLS = {
    "r": sympy.Symbol("r", positive=True),
    "log_ratio": sympy.log(sympy.Symbol("r", positive=True)),
    "A": sympy.Symbol("A", real=True),
    "progress": sympy.Symbol("p", nonnegative=True),
    "error": sympy.Symbol("delta", real=True),
    "target": sympy.Symbol("G", real=True),
    "old_value": sympy.Symbol("V_old", real=True),
}
"""Symbols of the variables: δ is the error V − target, G the target, p the elapsed fraction of the lifetime."""

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "minimum": sympy.Min,
    "maximum": sympy.Max,
    "negate": lambda x: -x,
    "square": lambda x: x**2,
    "absolute": sympy.Abs,
    "relu": lambda x: sympy.Max(x, 0),
    "tanh": sympy.tanh,
    "exp": sympy.exp,
    "excess": lambda x: sympy.exp(x) - 1 - x,
    "sqrt": sympy.sqrt,
    "log_cosh": lambda x: sympy.log(sympy.cosh(x)),
    "where_negative": lambda x, negative, other: sympy.Piecewise((negative, x < 0), (other, True)),
}
DIGITS = 4


def to_sympy(expression: Expression, digits: int | None = DIGITS) -> Any:
    """Convert an expression to sympy.

    Args:
        expression: the tree.
        digits: significant digits of numbers; None for exact fractions.
    """
    if isinstance(expression, Node):
        return FUNCTIONS[expression.operation](*(to_sympy(each, digits) for each in expression.arguments))
    if isinstance(expression, str):
        return SYMBOLS.get(expression, sympy.Symbol(expression, real=True))
    if isinstance(expression, int) or float(expression).is_integer():
        return sympy.Integer(int(expression))
    return sympy.Rational(float(expression)) if digits is None else sympy.Float(expression, digits)


class _Printer(StrPrinter):
    """Prints formulas in common notation."""

    def _print_Piecewise(self, formula: Any) -> str:
        (first, condition), (other, _) = formula.args
        return f"{{{self._print(first)} where {self._print(condition)}, else {self._print(other)}}}"

    def _print_Max(self, formula: Any) -> str:
        return f"max({', '.join(map(self._print, sorted(formula.args, key=lambda x: not x.is_number)))})"

    def _print_Min(self, formula: Any) -> str:
        return f"min({', '.join(map(self._print, sorted(formula.args, key=lambda x: not x.is_number)))})"

    def _print_Abs(self, formula: Any) -> str:
        return f"|{self._print(formula.args[0])}|"

    def _print_Float(self, number: Any) -> str:
        return f"{float(number):.{DIGITS}g}"

    def _print_Symbol(self, symbol: Any) -> str:
        return {"delta": "δ", "V_old": "V_old"}.get(symbol.name, symbol.name)


def written(expression: Expression) -> str:
    """Return an expression as a line of text; δ is the error V − target, G the target, p the elapsed fraction."""
    formula = to_sympy(expression)
    text = str(_Printer().doprint(formula))
    return text[1:-1] if isinstance(formula, sympy.Piecewise) else text


class Verdict(NamedTuple):
    """Whether an expression is a drift of mirror learning: D ≥ 0, D(1, A) = 0 and ∂D/∂r(1, A) = 0."""

    valid: bool
    vanishes: bool
    """Whether D(1, A) = 0 and both one-sided derivatives vanish there, for all A; decided exactly."""
    nonnegative: str
    """`by form` (proven), `on a grid` (checked numerically) or `no`."""
    reason: str
    """The violated condition; empty for a drift."""


def check_drift(expression: Expression) -> Verdict:
    """Check an expression of r, log_ratio, A and progress for the conditions of mirror learning (Kuba et al., 2022).

    The value and one-sided derivatives at r = 1 are propagated through the tree as exact fractions and symbols, for
    A > 0, A < 0 and A = 0, which detects kinks at r = 1. If D ≥ 0 does not follow from the form, it is checked on a
    grid of |log r| ≤ 3, |A| ≤ 8.
    """
    try:
        slopes = _first_violation(expression)
    except (ValueError, KeyError, TypeError) as error:
        return Verdict(False, False, "no", f"undecided: {error}")
    if slopes:
        return Verdict(False, False, "no", slopes)
    log_ratio, advantage = (x.ravel() for x in np.meshgrid(np.linspace(-3, 3, 601), np.linspace(-8, 8, 321)))
    pairs = [_values(expression, log_ratio, advantage, progress) for progress in (0.0, 0.5, 1.0)]
    drift, size = (np.stack(each) for each in zip(*pairs, strict=True))
    if not np.isfinite(drift).all():
        return Verdict(False, True, "no", "D is not finite everywhere for |log r| ≤ 3, |A| ≤ 8")
    if _nonnegative(expression):
        return Verdict(True, True, "by form", "")
    below = np.where(drift < -TOLERANCE * size, drift, 0.0)
    if below.any():
        lowest = int(np.argmin(below.min(0)))
        place = f"r = {np.exp(log_ratio[lowest]):.3g}, A = {advantage[lowest]:.3g}"
        return Verdict(False, True, "no", f"D is {below.min():.3g} at {place}, below 0")
    return Verdict(True, True, "on a grid", "")


def _first_violation(expression: Expression) -> str:
    """Return the first condition that a drift violates at r = 1; empty if there is none."""
    for sign, where in ((1, "A > 0"), (-1, "A < 0"), (0, "A = 0")):
        for direction, side in ((1, "above"), (-1, "below")):
            value, slope = _jet(expression, sign, direction)
            if not _is_zero(value):
                return f"D(1, A) is {_written(value)} where {where}, not 0"
            if not _is_zero(slope):
                return f"∂D/∂r at r = 1 from {side} is {_written(direction * slope)} where {where}, not 0"
    return ""


TOLERANCE = 1e-12  # of the largest intermediate value, for rounding in double precision


def _values(
    expression: Expression, log_ratio: np.ndarray, advantage: np.ndarray, progress: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of an expression at points, and the size of the largest intermediate value at each."""
    known = {"r": np.exp(log_ratio), "log_ratio": log_ratio, "A": advantage, "progress": progress}
    with jax.enable_x64(True):
        variables = {name: jnp.asarray(each, jnp.float64) for name, each in known.items()}
        parts = [
            np.broadcast_to(evaluate(each, variables), log_ratio.shape) for each in (expression, *parts_of(expression))
        ]
    return parts[0], np.abs(parts).max(0)


MAGNITUDE, PROGRESS = sympy.Symbol("a", positive=True), sympy.Symbol("p", positive=True)


def _jet(expression: Expression, sign: int, direction: int) -> tuple[Any, Any]:
    """Return value and directional derivative along log r at r = 1 for a sign of A."""
    if not isinstance(expression, Node):
        known = {
            "r": (sympy.Integer(1), sympy.Integer(direction)),
            "log_ratio": (sympy.Integer(0), sympy.Integer(direction)),
            "A": (sign * MAGNITUDE, sympy.Integer(0)),
            "progress": (PROGRESS, sympy.Integer(0)),
        }
        return known[expression] if isinstance(expression, str) else (to_sympy(expression, None), sympy.Integer(0))
    jets = [_jet(each, sign, direction) for each in expression.arguments]
    if expression.operation == "where_negative":
        return _jet_where(expression.arguments[0], *jets)
    return _RULES[expression.operation](*jets)


def _jet_where(condition: Expression, of_it: tuple[Any, Any], negative: Any, other: Any) -> tuple[Any, Any]:
    """Choose the piece that applies next to r = 1."""
    order = _sign(of_it[0]) or _sign(of_it[1])
    same = all(_is_zero(ours - theirs) for ours, theirs in zip(negative, other, strict=True))
    if order == 0 and names_in(condition) & {"r", "log_ratio"} and not same:
        raise ValueError("the piece that applies next to r = 1 depends on higher derivatives")
    return tuple(negative) if order < 0 else tuple(other)


def _jet_relu(x: tuple[Any, Any]) -> tuple[Any, Any]:
    value, slope = x
    order = _sign(value)
    if order == 0:
        return sympy.Integer(0), (slope if _sign(slope) > 0 else sympy.Integer(0))
    return x if order > 0 else (sympy.Integer(0), sympy.Integer(0))


def _jet_maximum(x: tuple[Any, Any], y: tuple[Any, Any]) -> tuple[Any, Any]:
    above = _jet_relu((x[0] - y[0], x[1] - y[1]))
    return y[0] + above[0], y[1] + above[1]


def _jet_minimum(x: tuple[Any, Any], y: tuple[Any, Any]) -> tuple[Any, Any]:
    value, slope = _jet_maximum((-x[0], -x[1]), (-y[0], -y[1]))
    return -value, -slope


def _jet_absolute(x: tuple[Any, Any]) -> tuple[Any, Any]:
    order = _sign(x[0]) or _sign(x[1])
    return (order or 1) * x[0], (order or 1) * x[1]


def _smooth(function: Callable[[Any], Any]) -> Callable[[tuple[Any, Any]], tuple[Any, Any]]:
    symbol = sympy.Symbol("x", real=True)
    derivative = sympy.diff(function(symbol), symbol)
    return lambda x: (function(x[0]), derivative.subs(symbol, x[0]) * x[1])


def _clipped(function: Callable[[Any], Any]) -> Callable[[tuple[Any, Any]], tuple[Any, Any]]:
    smooth = _smooth(function)

    def jet(x: tuple[Any, Any]) -> tuple[Any, Any]:
        if x[0].is_number and x[0] > LOG_RATIO_CLIP:
            raise ValueError(f"the argument of exp is clipped at {LOG_RATIO_CLIP:g}")
        return smooth(x)

    return jet


_RULES: dict[str, Callable[..., tuple[Any, Any]]] = {
    "add": lambda x, y: (x[0] + y[0], x[1] + y[1]),
    "subtract": lambda x, y: (x[0] - y[0], x[1] - y[1]),
    "multiply": lambda x, y: (x[0] * y[0], x[0] * y[1] + x[1] * y[0]),
    "divide": lambda x, y: (x[0] / y[0], x[1] / y[0] - x[0] * y[1] / y[0] ** 2),
    "minimum": _jet_minimum,
    "maximum": _jet_maximum,
    "negate": lambda x: (-x[0], -x[1]),
    "square": lambda x: (x[0] ** 2, 2 * x[0] * x[1]),
    "absolute": _jet_absolute,
    "relu": _jet_relu,
    "tanh": _smooth(sympy.tanh),
    "exp": _clipped(sympy.exp),
    "excess": _clipped(lambda x: sympy.exp(x) - 1 - x),
    "sqrt": _smooth(sympy.sqrt),
    "log_cosh": _smooth(lambda x: sympy.log(sympy.cosh(x))),
}


def _sign(x: Any) -> int:
    """Return the sign of a term in |A| and progress; it must be the same for all of their values."""
    x = sympy.simplify(x)
    for order, known in ((0, x.is_zero), (1, x.is_positive), (-1, x.is_negative)):
        if known:
            return order
    raise ValueError(f"the sign of {x} depends on A or progress")


def _is_zero(x: Any) -> bool:
    return sympy.simplify(x) == 0


def _written(x: Any) -> str:
    return str(sympy.simplify(x).subs(MAGNITUDE, sympy.Symbol("|A|")).evalf(DIGITS))


def _nonnegative(expression: Expression) -> bool:
    """Return whether the form of an expression implies that it is nonnegative."""
    if not isinstance(expression, Node):
        return expression in ("r", "progress") or (not isinstance(expression, str) and expression >= 0)
    operation, arguments = expression
    if operation in ("square", "absolute", "relu", "exp", "excess", "sqrt", "log_cosh"):
        return True
    if operation in ("add", "multiply", "divide", "minimum"):
        return all(map(_nonnegative, arguments))
    if operation == "maximum":
        return any(map(_nonnegative, arguments))
    return operation == "where_negative" and all(map(_nonnegative, arguments[1:]))
