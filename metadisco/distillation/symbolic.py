"""Symbolic search for formulas: weighted sums of terms with inner constants.

Inner constants are positive, so every term of a drift is zero and flat at r = 1, and so are their sums and relu(sum).
The search is deterministic. It scores all terms and all pairs on a grid of inner constants by linear least squares with
a common Gram matrix, extends the best sums (beam search), and refines the constants by nonlinear least squares.
Axes: N points, M columns (a term at one value of its inner constant).
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from metadisco.distillation.families import GAP, Family, Fit, fit, measure, value_and_slope
from metadisco.distillation.targets import Target
from metadisco.objectives.expressions import Expression, add, apply, complexity, multiply, substitute

CONSTANT = "c"


class Shape(NamedTuple):
    """A function of one argument m and an inner constant c > 0; those in SHAPES are zero and flat at m = 0."""

    build: Callable[[Expression, Expression], Expression]
    constants: tuple[float, ...]
    """Grid of c; empty if the shape has no c."""


def _bend(function: str) -> Callable[[Expression, Expression], Expression]:
    """Return m − c·f(m/c), for an f with slope 1 at 0."""
    return lambda m, c: apply("subtract", m, multiply(c, apply(function, apply("divide", m, c))))


THRESHOLDS = tuple(np.geomspace(0.05, 8.0, 16).tolist())

SHAPES: dict[str, Shape] = {
    "square": Shape(lambda m, c: apply("square", m), ()),
    "cube": Shape(lambda m, c: multiply(m, apply("square", m)), ()),
    "quartic": Shape(lambda m, c: apply("square", apply("square", m)), ()),
    "tanh": Shape(_bend("tanh"), THRESHOLDS),
    "exp": Shape(lambda m, c: apply("excess", apply("divide", m, c)), THRESHOLDS),
    "log_cosh": Shape(lambda m, c: apply("log_cosh", apply("divide", m, c)), THRESHOLDS),
    "sqrt": Shape(
        lambda m, c: apply("subtract", apply("sqrt", add(1, apply("square", apply("divide", m, c)))), 1), THRESHOLDS
    ),
    "hinge": Shape(lambda m, c: apply("relu", apply("subtract", m, c)), THRESHOLDS),
    "hinge_below": Shape(lambda m, c: apply("relu", apply("subtract", apply("negate", m), c)), THRESHOLDS),
}
"""Shapes of drifts and value losses, by name."""

VALUE_SHAPES: dict[str, Shape] = {
    "absolute": Shape(lambda m, c: apply("absolute", m), ()),
    "positive_part": Shape(lambda m, c: apply("relu", m), ()),
    "positive_square": Shape(lambda m, c: apply("square", apply("relu", m)), ()),
    "linear": Shape(lambda m, c: m, ()),
    "tanh_linear": Shape(lambda m, c: multiply(c, apply("tanh", apply("divide", m, c))), THRESHOLDS),
    "bump": Shape(lambda m, c: apply("exp", apply("negate", apply("square", apply("divide", m, c)))), THRESHOLDS),
}
"""Further shapes of value losses, which are not flat at 0."""


class Grammar(NamedTuple):
    """Building blocks of formulas."""

    shapes: tuple[str, ...]
    """Names in SHAPES, and for a value loss in VALUE_SHAPES."""
    max_terms: int = 2
    """Maximum number of terms, on each side of A = 0."""
    split: bool = True
    """Whether a drift may have another formula for A < 0."""


def default_grammar(kind: str) -> Grammar:
    """Return the full grammar: sums of up to two terms for a drift (`policy`), of up to three for a value loss."""
    return Grammar((*SHAPES, *VALUE_SHAPES), 3, False) if kind == "value" else Grammar(tuple(SHAPES))


class Term(NamedTuple):
    """A term with a free weight, and the grid of its inner constant."""

    expression: Expression
    """Contains the inner constant, if there is one, under the name CONSTANT."""
    constants: tuple[float, ...]


class _Column(NamedTuple):
    term: int
    constant: float | None


BEAM = 48  # sums that are extended by another term
REFINED = 6  # sums of each size whose constants are refined
ZERO = 0.01  # of the root mean square, below which a relu counts as zero
NEGLIGIBLE_NORM = 1e-9  # root mean square below which a loss counts as zero
EXACT = 1e-6  # relative error below which no formula is better than another


def search(
    target: Target, grammar: Grammar | None = None, advance: Callable[[str], None] = lambda text: None
) -> list[Fit]:
    """Return the formulas that are better than all simpler ones, the simplest first.

    Args:
        target: a drift or a value loss.
        grammar: of the formulas; the full grammar by default.
        advance: called after each step with its name.
    """
    grammar = grammar or default_grammar(target.kind)
    if max(target.norms) < NEGLIGIBLE_NORM:
        return []
    found = []
    if target.kind == "value":
        found = _sums(target, _value_terms(target, grammar), grammar.max_terms, outer=("sum",))
        advance("sums of terms")
        return _front(found)
    found = _sums(target, _drift_terms(grammar, 0), grammar.max_terms, outer=("sum", "relu"))
    advance("one formula for all advantages")
    if grammar.split:
        sides = []
        for sign, side in ((-1, "negative"), (1, "positive")):
            inside = (np.sign(target.others["A"]) == sign) if sign < 0 else (target.others["A"] >= 0)
            part = _part(target, inside)
            sides.append(_front(_sums(part, _drift_terms(grammar, sign), grammar.max_terms, outer=("sum", "relu"))))
            advance(f"{side} advantages")
        for below, above in itertools.product(*sides):
            expression = apply("where_negative", "A", below.expression, above.expression)
            constants = {f"{name}_below": value for name, value in below.constants.items()}
            constants |= {f"{name}_above": value for name, value in above.constants.items()}
            found.append(measure("", expression, target, constants))
    return _front(found)


def _part(target: Target, inside: np.ndarray) -> Target:
    """Return the target at some of its points, weights normalised."""
    weight = target.weight[inside]
    return Target(
        target.kind,
        target.x[inside],
        {name: values[inside] for name, values in target.others.items()},
        target.value[inside],
        target.slope[inside],
        weight / weight.sum(),
    )


def _drift_terms(grammar: Grammar, sign: int) -> list[Term]:
    """Return terms in r − 1, log r and their products with A, times 1, |A| or A²; for both signs of A also times A."""
    size: Expression = "A" if sign > 0 else apply("negate", "A") if sign < 0 else apply("absolute", "A")
    factors: list[Expression] = [1, size, apply("square", "A")] + (["A"] if sign == 0 else [])
    terms = []
    for name, base in itertools.product(grammar.shapes, (GAP, "log_ratio")):
        shape = SHAPES[name]
        for argument, factor in itertools.product((base, multiply(base, "A")), factors):
            polynomial = not shape.constants
            if polynomial and argument != base:
                continue  # the factors make these
            terms.append(Term(multiply(factor, shape.build(argument, CONSTANT)), shape.constants))
    return terms


def _value_terms(target: Target, grammar: Grammar) -> list[Term]:
    """Return terms in the error, times 1 or a second input."""
    unit = float(np.sqrt(target.weight @ np.square(target.x)))
    factors: list[Expression] = [1, *target.others]
    if "old_value" in target.others:
        factors.append(apply("subtract", "old_value", "target"))
    terms = []
    for name, factor in itertools.product(grammar.shapes, factors):
        shape = {**SHAPES, **VALUE_SHAPES}[name]
        constants = tuple(unit * constant for constant in shape.constants)
        terms.append(Term(multiply(factor, shape.build("error", CONSTANT)), constants))
    return terms


def _sums(target: Target, terms: Sequence[Term], max_terms: int, outer: Sequence[str]) -> list[Fit]:
    """Return the best sums of up to `max_terms` terms with fitted constants."""
    columns = [_Column(i, c) for i, term in enumerate(terms) for c in term.constants or (None,)]
    found = []
    for how in outer:
        value_norm, slope_norm = target.norms
        active = (target.value > ZERO * value_norm) | (np.abs(target.slope) > ZERO * slope_norm)
        if how == "sum":
            active = np.ones(len(target.x), bool)
        if how == "relu" and (active.all() or active.sum() < 10):
            continue  # a relu would cut off nothing
        for chosen in _screen(target, terms, columns, max_terms, active):
            found.append(_fit_sum(target, terms, chosen, how))
    return found


def _screen(
    target: Target, terms: Sequence[Term], columns: Sequence[_Column], max_terms: int, active: np.ndarray
) -> list[list[tuple[_Column, float]]]:
    """Return the best choices of columns with their weights, by linear least squares on the active points."""
    matrix, y = _matrix(target, terms, columns, active)
    norms = np.sqrt(np.square(matrix).sum(0))
    known = np.isfinite(norms) & (norms > 0)
    matrix = np.where(known, matrix, 0.0) / np.where(known, norms, 1.0)
    gram, correlation = matrix.T @ matrix, matrix.T @ y
    usable = np.flatnonzero(known)
    beam: list[tuple[int, ...]] = [()]
    result = []
    for _ in range(max_terms):
        if not beam:
            break
        gains = _extend(beam, usable, gram, correlation)
        beam, skeletons = [], set()
        for _, chosen in gains:
            skeleton = tuple(sorted(columns[index].term for index in chosen))
            if len(set(skeleton)) < len(skeleton) or skeleton in skeletons:
                continue
            skeletons.add(skeleton)
            beam.append(chosen)
            if len(beam) == BEAM:
                break
        for chosen in beam[:REFINED]:
            index = np.array(chosen)
            weights = np.linalg.lstsq(gram[np.ix_(index, index)], correlation[index], rcond=1e-10)[0]
            result.append([(columns[i], float(w / norms[i])) for i, w in zip(index, weights, strict=True)])
    return result


def _extend(
    beam: Sequence[tuple[int, ...]], usable: np.ndarray, gram: np.ndarray, correlation: np.ndarray
) -> list[tuple[float, tuple[int, ...]]]:
    """Return choices with one more column, by explained variance; pairs extend every single column."""
    starts = beam if len(beam[0]) != 1 else [(int(index),) for index in usable]
    gains: list[float] = []
    choices: list[tuple[int, ...]] = []
    for chosen in starts:
        base = np.array(chosen, int)
        rest = usable
        if base.size:
            inverse = np.linalg.pinv(gram[np.ix_(base, base)], rcond=1e-10)
            projected = gram[np.ix_(rest, base)] @ inverse
            left = np.diag(gram)[rest] - np.einsum("ij,ij->i", projected, gram[np.ix_(rest, base)])
            aligned = correlation[rest] - projected @ correlation[base]
            explained = float(correlation[base] @ inverse @ correlation[base])
        else:
            left, aligned, explained = np.diag(gram)[rest], correlation[rest], 0.0
        independent = left > 1e-6 * np.diag(gram)[rest]
        gain = np.where(independent, aligned**2 / np.where(independent, left, 1.0), -np.inf) + explained
        best = np.argsort(-gain)[: 40 if base.size else None]
        gains.extend(gain[best])
        choices.extend((*chosen, int(rest[index])) for index in best)
    order = np.argsort(-np.array(gains), kind="stable")
    return [(gains[index], choices[index]) for index in order if np.isfinite(gains[index])]


def _matrix(
    target: Target, terms: Sequence[Term], columns: Sequence[_Column], active: np.ndarray
) -> tuple[Float[np.ndarray, "2*N M"], Float[np.ndarray, "2*N"]]:
    """Return weighted relative values and slopes of all columns, and of the target."""
    root = np.sqrt(target.weight)[active]
    value_norm, slope_norm = target.norms
    stacked = []
    with jax.enable_x64(True):
        for column in columns:
            known = {} if column.constant is None else {CONSTANT: column.constant}
            value, slope = (
                np.asarray(x)[active] for x in value_and_slope(terms[column.term].expression, target, known)
            )
            stacked.append(_weighted(target, root, value, slope, value_norm, slope_norm))
    y = _weighted(target, root, target.value[active], target.slope[active], value_norm, slope_norm)
    return np.stack(stacked, 1), y


def _weighted(
    target: Target, root: np.ndarray, value: np.ndarray, slope: np.ndarray, value_norm: float, slope_norm: float
) -> np.ndarray:
    if target.kind == "value":
        value = value - root**2 @ value / (root**2).sum()
    return np.concatenate([root * value / value_norm, root * slope / slope_norm])


def _fit_sum(target: Target, terms: Sequence[Term], chosen: Sequence[tuple[_Column, float]], how: str) -> Fit:
    """Fit all constants of a sum, starting from the result of the screening."""
    parts: list[Expression] = []
    starts: dict[str, tuple[float, ...]] = {}
    bounds: dict[str, tuple[float, float]] = {}
    for number, (column, weight) in enumerate(chosen, 1):
        name, inner = f"w{number}", f"c{number}"
        parts.append(multiply(name, substitute(terms[column.term].expression, {CONSTANT: inner})))
        starts[name] = (weight,)
        if column.constant is not None:
            starts[inner] = (column.constant,)
            searched = terms[column.term].constants
            bounds[inner] = (searched[0] / 5, 100 * searched[-1])
    expression = add(*parts)
    return fit(Family("", apply("relu", expression) if how == "relu" else expression, starts, bounds), target)


def _front(found: Sequence[Fit]) -> list[Fit]:
    """Return the Pareto front of complexity and relative error, by increasing complexity."""
    front: list[Fit] = []
    for each in sorted(found, key=lambda fit: (complexity(fit.expression), fit.relative_error)):
        if np.isfinite(each.relative_error) and (
            not front or max(each.relative_error, EXACT) < 0.98 * front[-1].relative_error
        ):
            front.append(each)
    return [each._replace(name=f"symbolic_{number}") for number, each in enumerate(front, 1)]
