"""Smooth scalar functions evaluated by interpolation in a table, up to rounding error.

A table pays off for a function of one variable that takes thousands of operations and is evaluated millions of times.
Polynomials of degree 7 on the cells of a fine grid represent a smooth function to float32 precision. The size of their
last coefficients shows whether they do (Trefethen, "Approximation Theory and Approximation Practice", 2013, ch. 8).
Only a step that is thousands of times narrower than the distance of two nodes could be missed. If they do not, the
function itself is used. Axes: C cells, D coefficients, B samples.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_batching import custom_vmap
from jaxtyping import Bool, Float, Int

from metadisco.types import Loss, Sample

NUM_COEFFICIENTS = 8
MANTISSA_BITS = 4  # 16 cells per octave of |x| + NARROWEST
NARROWEST = 0.5  # for |x| far below this, all cells have the same width
NUM_OCTAVES = 18
BOUND = NARROWEST * (
    2.0**NUM_OCTAVES - 1
)  # of |x|; beyond it the function is taken to be constant, if it is flat there
NUM_BLOCKS = 16  # a table is built in blocks: all nodes together would take more memory than training an agent
LARGEST = np.nextafter(np.float32(BOUND + NARROWEST), np.float32(0))
CELLS_PER_SIDE = NUM_OCTAVES << MANTISSA_BITS
NUM_NODES = 2 * CELLS_PER_SIDE * NUM_COEFFICIENTS

LOCAL_TOLERANCE = 1e-5  # of the last two coefficients, relative to the largest derivative in their cell
GLOBAL_TOLERANCE = 2e-6  # and relative to the largest derivative of all: the rounding error of a network
VALUE_TOLERANCE = 4e-6  # of the last two coefficients of values, relative to the largest value

Function = Callable[[Any, Float[Array, "..."]], Float[Array, "..."]]
"""(parameters, x) -> values, elementwise in x."""


@dataclass(frozen=True)
class TabulableLoss:
    """A loss that can be replaced by a table, which is equal up to rounding and faster for millions of samples."""

    exact: Loss
    tabulate: Callable[[], Loss]
    """Build the tabulated loss; costs as much as `NUM_NODES` samples."""

    def __call__(self, sample: Sample) -> Float[Array, "B"]:
        """Return the exact loss."""
        return self.exact(sample)


class Table(NamedTuple):
    """Chebyshev coefficients of a function and of its derivative in every cell."""

    coefficients: Float[Array, "C 2 D"]
    """Coefficients of values and of derivatives."""
    good: Bool[Array, ""]
    """Whether the table is accurate up to rounding error everywhere."""


def tabulated(function: Function, params: Any) -> Callable[[Float[Array, "B"]], Float[Array, "B"]]:
    """Return x -> function(params, x) with the same values and first derivatives, cheap to evaluate.

    Building the table costs NUM_NODES evaluations of the function and its derivative. Under `vmap`, tables are used
    only if those of the whole batch are accurate: an inaccurate one costs the others time, but no precision.
    Derivatives with respect to the parameters, and second derivatives, are not available.

    Args:
        function: elementwise and smooth in x; its parameters are passed, not closed over.
        params: a pytree of arrays, traced or not.
    """
    evaluate = partial(_value_and_slope, function)
    table = _build(partial(evaluate, params))
    read = _guarded(lambda table, params, x: _read(table, x), lambda table, params, x: evaluate(params, x))

    @jax.custom_jvp
    def fast(x: Float[Array, "B"]) -> Float[Array, "B"]:
        value, _ = read(table.good, table.coefficients, params, x)
        return value

    @fast.defjvp
    def derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        value, slope = read(table.good, table.coefficients, params, *primals)
        return value, slope * tangents[0]

    return fast


def _value_and_slope(function: Function, params: Any, x: Float[Array, "..."]) -> tuple[Array, Array]:
    value, slope = jax.jvp(partial(function, params), (x,), (jnp.ones_like(x),))
    return value, slope


def _build(evaluate: Callable[[Array], tuple[Array, Array]]) -> Table:
    """Return the table of a function, given its values and derivatives."""
    side = np.arange(CELLS_PER_SIDE)
    width = NARROWEST * 2.0 ** (side >> MANTISSA_BITS) / (1 << MANTISSA_BITS)
    start = width * ((1 << MANTISSA_BITS) + side % (1 << MANTISSA_BITS)) - NARROWEST
    angles = np.pi * (np.arange(NUM_COEFFICIENTS) + 0.5) / NUM_COEFFICIENTS
    nodes = start[:, None] + width[:, None] * (np.cos(angles) + 1) / 2
    with jax.default_matmul_precision("highest"):  # some accelerators round products to ten bits, too few for a table
        blocks = np.concatenate([nodes, -nodes]).reshape(NUM_BLOCKS, -1)
        values, slopes = jax.lax.map(evaluate, jnp.asarray(blocks, jnp.float32))
    # The discrete cosine transform from values at the nodes to coefficients.
    transform = np.cos(np.outer(np.arange(NUM_COEFFICIENTS), angles)) * 2 / NUM_COEFFICIENTS
    transform[0] /= 2
    sampled = jnp.stack([values.reshape(-1, NUM_COEFFICIENTS), slopes.reshape(-1, NUM_COEFFICIENTS)], 1)
    coefficients = jnp.matmul(sampled, jnp.asarray(transform.T, jnp.float32), precision=jax.lax.Precision.HIGHEST)
    (value_tails, slope_tails), (value_sizes, slope_sizes) = _tails(coefficients), jnp.abs(sampled).max(-1).T
    allowed = LOCAL_TOLERANCE * slope_sizes + GLOBAL_TOLERANCE * slope_sizes.max()
    ends = jnp.stack([slope_sizes[CELLS_PER_SIDE - 1], slope_sizes[-1]])
    good = (slope_tails <= allowed).all() & (ends <= GLOBAL_TOLERANCE * slope_sizes.max()).all()
    return Table(coefficients, good & (value_tails <= VALUE_TOLERANCE * value_sizes.max()).all())


def _tails(coefficients: Float[Array, "C 2 D"]) -> Float[Array, "2 C"]:
    """Return the size of the last two terms of each cell, for values and for derivatives."""
    return jnp.abs(coefficients[:, :, -2:]).sum(-1).T


def _read(coefficients: Float[Array, "C 2 D"], x: Float[Array, "B"]) -> tuple[Float[Array, "B"], Float[Array, "B"]]:
    """Return value and derivative at x, clipped to the bound; NaN if x is NaN."""
    cell, position = _locate(x)
    rows = coefficients[cell]
    later = latest = jnp.zeros_like(rows[:, :, 0])
    for index in range(NUM_COEFFICIENTS - 1, 0, -1):  # Clenshaw's recurrence
        latest, later = rows[:, :, index] + 2 * position[:, None] * latest - later, latest
    sums = rows[:, :, 0] + position[:, None] * latest - later
    return jnp.where(jnp.isnan(x), x, sums[:, 0]), jnp.where(jnp.isnan(x), x, sums[:, 1])


def _locate(x: Float[Array, "B"]) -> tuple[Int[Array, "B"], Float[Array, "B"]]:
    """Return the cell of each x, and the position of x within it, from −1 to 1.

    The bits of |x| + NARROWEST contain the octave, the cell within it and the position in the cell, without rounding.
    """
    size = jnp.abs(x).astype(jnp.float32) + jnp.float32(NARROWEST)
    size = jnp.clip(jnp.where(jnp.isnan(size), NARROWEST, size), NARROWEST, LARGEST)
    bits = jax.lax.bitcast_convert_type(size, jnp.int32)
    first = int(np.float32(NARROWEST).view(np.int32)) >> (23 - MANTISSA_BITS)
    cell = (bits >> (23 - MANTISSA_BITS)) - first
    rest = bits & ((1 << (23 - MANTISSA_BITS)) - 1)
    position = rest.astype(jnp.float32) * 2.0 ** (MANTISSA_BITS - 22) - 1
    return cell + jnp.where(x < 0, CELLS_PER_SIDE, 0), position


def _guarded(fast: Callable[..., Any], exact: Callable[..., Any]) -> Callable[..., Any]:
    """Return (good, *arguments) -> fast(*arguments) if `good` holds for the whole batch, else exact(*arguments).

    Plain `vmap` would turn the condition into a selection, which computes both branches.
    """

    @custom_vmap
    def choose(good: Array, *arguments: Any) -> Any:
        return jax.lax.cond(good, fast, exact, *arguments)

    @choose.def_vmap
    def batch(axis_size: int, batched: list[Any], good: Array, *arguments: Any) -> tuple[Any, Any]:
        axes = jax.tree.map(lambda each: 0 if each else None, tuple(batched[1:]))
        both = _guarded(*(jax.vmap(each, in_axes=axes, axis_size=axis_size) for each in (fast, exact)))
        return both(good.all(), *arguments), (True, True)

    return choose
