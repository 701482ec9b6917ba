"""Fits known closed forms to a loss by weighted least squares on values and derivatives.

The slope of a drift is ∂D/∂r, that of a value loss ∂φ/∂V. Axes: N points, K constants.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jax import Array
from jaxtyping import Float

from metadisco.distillation.targets import Target, centred, variables
from metadisco.objectives.expressions import Expression, add, apply, evaluate, multiply, substitute
from metadisco.objectives.losses import ppo_drift


class Family(NamedTuple):
    """A form with free constants."""

    name: str
    expression: Expression
    """Expression in which constants occur by name."""
    starts: Mapping[str, tuple[float, ...]]
    """Starting points of fits, by constant."""
    bounds: Mapping[str, tuple[float, float]] = MappingProxyType({})
    """Bounds by constant; other constants are unbounded."""
    factor: str | None = None
    """The constant that multiplies the whole form and is solved for exactly."""


class Fit(NamedTuple):
    """A form with fitted constants, and its errors relative to the target."""

    name: str
    expression: Expression
    """Expression with numbers in place of constants."""
    constants: dict[str, float]
    scale: float | None
    """Factor of the whole loss, for families that have one."""
    value_error: float
    """Weighted root mean square error of the values; for a value loss after subtracting its mean."""
    slope_error: float
    """Weighted root mean square error of the slopes."""
    relative_error: float
    """Root mean square of both errors, each relative to the weighted root mean square of the target."""


GAP: Expression = apply("subtract", "r", 1)
ERROR: Expression = "error"


def _saturating(x: Expression, limit: Expression) -> Expression:
    """Return relu(x − limit·tanh(x/limit))."""
    bent = multiply(limit, apply("tanh", apply("divide", x, limit)))
    return apply("relu", apply("subtract", x, bent))


PPO_CLIP = ppo_drift("epsilon")
DPO = apply(
    "where_negative", "A", _saturating(multiply("log_ratio", "A"), "beta"), _saturating(multiply(GAP, "A"), "alpha")
)
KL = apply("excess", "log_ratio")

WEIGHT = (0.0, math.inf)
WIDTH = (0.01, 1000.0)  # of the flat part at r = 1: narrower is a kink in single precision, wider is zero everywhere
DRIFT_BOUNDS = {"epsilon": WIDTH, "alpha": WIDTH, "beta": WIDTH, "coef": WEIGHT}
DRIFT_FAMILIES = (
    Family("ppo", PPO_CLIP, {"epsilon": (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)}, DRIFT_BOUNDS),
    Family("dpo", DPO, {"alpha": (0.5, 2.0, 8.0), "beta": (0.15, 0.6, 2.4)}, DRIFT_BOUNDS),
    Family("kl", multiply("coef", KL), {"coef": (1.0,)}, DRIFT_BOUNDS, "coef"),
    Family("quadratic", multiply("coef", apply("square", GAP)), {"coef": (1.0,)}, DRIFT_BOUNDS, "coef"),
    Family("total_variation", multiply("coef", apply("absolute", GAP)), {"coef": (1.0,)}, DRIFT_BOUNDS, "coef"),
    Family("policy_gradient", 0, {}),
)
"""Closed forms of a drift, named like the closed objectives."""

COMPONENTS: dict[str, tuple[Expression, Mapping[str, tuple[float, ...]]]] = {
    "ppo": (PPO_CLIP, {"epsilon": (0.1, 0.2, 0.5)}),
    "dpo": (DPO, {"alpha": (1.0, 3.0), "beta": (0.3, 0.9)}),
    "kl": (KL, {}),
    "quadratic": (apply("square", GAP), {}),
}
"""Components of a mixture of drifts; with positive weights the mixture is a drift."""
NEGLIGIBLE = 0.02


def _value_families() -> tuple[Family, ...]:
    half_square = multiply(0.5, apply("square", ERROR))
    clipped = apply("minimum", apply("absolute", ERROR), "threshold")
    huber = add(
        multiply(0.5, apply("square", clipped)),
        multiply("threshold", apply("subtract", apply("absolute", ERROR), clipped)),
    )
    shapes: dict[str, tuple[Expression, dict[str, tuple[float, ...]]]] = {
        "squared_error": (half_square, {}),
        "huber": (huber, {"threshold": UNITS}),
        "absolute_error": (apply("absolute", ERROR), {}),
        "log_cosh": (
            multiply(apply("square", "width"), apply("log_cosh", apply("divide", ERROR, "width"))),
            {"width": UNITS},
        ),
        "asymmetric": (
            apply("where_negative", ERROR, multiply("left", half_square), half_square),
            {"left": (0.2, 0.5, 2.0, 5.0)},
        ),
        "asymmetric_huber": (
            multiply(apply("where_negative", ERROR, "left", 1), huber),
            {"left": (0.2, 1.0, 5.0), "threshold": UNITS},
        ),
        "quantile": (
            multiply(apply("where_negative", ERROR, "left", 1), apply("absolute", ERROR)),
            {"left": (0.2, 1.0, 5.0)},
        ),
    }
    families = []
    for name, (shape, starts) in shapes.items():
        families.append(Family(name, multiply("scale", shape), {"scale": (1.0,), **starts}, VALUE_BOUNDS, "scale"))
        moved = substitute(shape, {"error": apply("subtract", ERROR, "shift")})
        constants = {"scale": (1.0,), "shift": (-0.3, 0.0, 0.3), **starts}
        families.append(Family(f"{name}_shifted", multiply("scale", moved), constants, VALUE_BOUNDS, "scale"))
    return tuple(families)


UNITS = (0.1, 0.5, 2.0)  # of the weighted root mean square error, for constants that are errors themselves
IN_ERRORS = ("threshold", "width", "shift")
VALUE_BOUNDS = {"scale": WEIGHT, "left": WEIGHT, "threshold": (1e-3, 1e3), "width": (1e-3, 1e3)}  # in the same units
VALUE_FAMILIES = _value_families()
"""Closed forms of a value loss; each also occurs with its minimum shifted away from δ = 0."""


def fit(family: Family, target: Target) -> Fit:
    """Fit the constants of a family.

    Values and slopes have equal weight, each relative to its weighted root mean square. Gauss-Newton steps start from
    the best starting points. A simplex search follows, because the slope of a clipped form jumps in its constant.

    Args:
        family: the form.
        target: the loss that it is fitted to.
    """
    names = tuple(family.starts)
    with jax.enable_x64(True):
        residuals, jacobian = _residuals(family.expression, names, target)
        low, high = _bounds(family, target)
        starts = [
            np.clip(_solved(start, names, family.factor, residuals), low, high) for start in _starts(family, target)
        ]
        costs = [_cost(residuals(start)) for start in starts]
        best = starts[int(np.argmin(costs))]
        if names and np.isfinite(min(costs)):
            chosen = [starts[index] for index in np.argsort(costs)[:3] if np.isfinite(costs[index])]
            tries = [_refine(residuals, jacobian, start, low, high) for start in chosen]
            best = min(tries, key=lambda x: _cost(residuals(x)))
    constants = {name: float(value) for name, value in zip(names, best, strict=True)}
    return measure(family.name, substitute(family.expression, constants), target, constants, constants.get("scale"))


def fit_mixture(target: Target) -> Fit | None:
    """Fit a sum of drifts with positive weights; None if a single component remains.

    Components whose values and slopes are below 2 % of the target are removed, and the others are fitted again.

    Args:
        target: a drift.
    """
    whole = fit(_mixture(tuple(COMPONENTS)), target)
    kept = tuple(name for name in COMPONENTS if _share(name, whole.constants, target) > NEGLIGIBLE)
    if len(kept) < 2:
        return None
    return whole if len(kept) == len(COMPONENTS) else fit(_mixture(kept), target)


def _mixture(names: tuple[str, ...]) -> Family:
    starts: dict[str, tuple[float, ...]] = {}
    bounds = dict(DRIFT_BOUNDS)
    for name in names:
        starts |= {**COMPONENTS[name][1], f"{name}_weight": (1 / len(names),)}
        bounds[f"{name}_weight"] = WEIGHT
    return Family("mixture", add(*(multiply(f"{name}_weight", COMPONENTS[name][0]) for name in names)), starts, bounds)


def _share(name: str, constants: Mapping[str, float], target: Target) -> float:
    """Return the size of a component of a mixture relative to the target."""
    part = measure(name, substitute(multiply(f"{name}_weight", COMPONENTS[name][0]), constants), target)
    zero = target._replace(value=np.zeros_like(target.value), slope=np.zeros_like(target.slope))
    size = measure(name, part.expression, zero)
    return max(size.value_error / target.norms[0], size.slope_error / target.norms[1])


def measure(
    name: str,
    expression: Expression,
    target: Target,
    constants: Mapping[str, float] | None = None,
    scale: float | None = None,
) -> Fit:
    """Return an expression as a `Fit` with its errors.

    Args:
        name: name of the fit.
        expression: without free constants.
        target: the loss that it is compared with.
        constants: the fitted constants.
        scale: factor of the whole loss.
    """
    with jax.enable_x64(True):
        value, slope = (np.asarray(each) for each in value_and_slope(expression, target, {}))
    errors = [
        float(np.sqrt(target.weight @ np.square(difference)))
        for difference in (centred(target, value - target.value), slope - target.slope)
    ]
    relative = float(np.sqrt(np.mean(np.square(np.array(errors) / target.norms))))
    return Fit(name, expression, dict(constants or {}), scale, errors[0], errors[1], relative)


def value_and_slope(
    expression: Expression, target: Target, constants: Mapping[str, Any]
) -> tuple[Float[Array, "N"], Float[Array, "N"]]:
    """Return D and ∂D/∂r, or φ − φ(δ = 0) and ∂φ/∂V, of an expression at the points of a target."""

    def value_of(x: Array) -> Array:
        return jnp.broadcast_to(evaluate(expression, {**variables(target, x), **constants}), x.shape)

    x = jnp.asarray(target.x)
    value, slope = jax.jvp(value_of, (x,), (jnp.ones_like(x),))
    if target.kind == "policy":
        return value, slope / jnp.exp(x)
    return value - value_of(jnp.zeros_like(x)), slope


_Vector = Callable[[np.ndarray], np.ndarray]


def _residuals(expression: Expression, names: tuple[str, ...], target: Target) -> tuple[_Vector, _Vector]:
    """Return functions from constants, [K], to weighted relative residuals, [2N], and to their Jacobian, [2N, K]."""
    root = jnp.sqrt(jnp.asarray(target.weight))
    value_norm, slope_norm = target.norms

    def residuals(constants: Array) -> Array:
        value, slope = value_and_slope(expression, target, dict(zip(names, constants, strict=True)))
        miss = value - target.value
        if target.kind == "value":
            miss = miss - jnp.asarray(target.weight) @ miss
        return jnp.concatenate([root * miss / value_norm, root * (slope - target.slope) / slope_norm])

    compiled, jacobian = jax.jit(residuals), jax.jit(jax.jacfwd(residuals))
    return lambda x: np.asarray(compiled(jnp.asarray(x))), lambda x: np.asarray(jacobian(jnp.asarray(x)))


def _starts(family: Family, target: Target) -> list[Float[np.ndarray, "K"]]:
    """Return all combinations of starting points, in units of the target."""
    unit = _unit(target)
    axes = [np.array(values) * (unit if name in IN_ERRORS else 1.0) for name, values in family.starts.items()]
    if not axes:
        return [np.zeros(0)]
    return list(np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], 1))


def _bounds(family: Family, target: Target) -> tuple[Float[np.ndarray, "K"], Float[np.ndarray, "K"]]:
    """Return lower and upper bounds of the constants."""
    unit = _unit(target)
    pairs = [
        np.array(family.bounds.get(name, (-np.inf, np.inf))) * (unit if name in IN_ERRORS else 1.0)
        for name in family.starts
    ]
    low, high = np.array(pairs).reshape(-1, 2).T
    return low, high


def _unit(target: Target) -> float:
    """Return the weighted root mean square of the variable `Target.x`."""
    return float(np.sqrt(target.weight @ np.square(target.x)))


def _solved(start: np.ndarray, names: Sequence[str], factor: str | None, residuals: _Vector) -> np.ndarray:
    """Return constants with the best factor of the whole form, in which the residuals are linear."""
    if factor is None:
        return start
    place = names.index(factor)
    without, once = start.copy(), start.copy()
    without[place], once[place] = 0.0, 1.0
    rest = residuals(without)
    change = residuals(once) - rest
    size = change @ change
    solved = start.copy()
    if np.isfinite(size) and size > 0:
        solved[place] = -change @ rest / size
    return solved


def _cost(residuals: np.ndarray) -> float:
    """Return the sum of squares; infinity if it is not finite."""
    cost = float(np.square(residuals).sum())
    return cost if np.isfinite(cost) else np.inf


def _refine(residuals: _Vector, jacobian: _Vector, start: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the constants of a local minimum."""
    inside = np.clip(start, low, high)
    try:
        solved = scipy.optimize.least_squares(residuals, inside, jac=jacobian, bounds=(low, high), x_scale="jac").x
    except (ValueError, np.linalg.LinAlgError):  # non-finite numbers during the iterations
        solved = inside
    scale = np.where(np.abs(solved) > 0, 0.05 * np.abs(solved), 0.01)
    simplex = np.vstack([solved, solved + np.diag(scale)])

    def cost(x: np.ndarray) -> float:
        return _cost(residuals(np.clip(x, low, high)))

    polished = scipy.optimize.minimize(
        cost,
        solved,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 1e-6, "fatol": 1e-12, "maxfev": 200 * len(solved)},
    ).x
    polished = np.clip(polished, low, high)
    return polished if cost(polished) < cost(solved) else solved
