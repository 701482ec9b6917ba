"""Smooth functions of one number, evaluated from a table instead, to rounding error.

A function that costs thousands of operations but depends on one number is worth a table where it is asked for millions
of values. Polynomials of degree 7 on the cells of a fine grid give a smooth function to the last digits of float32.
Their last coefficients tell whether they do (Trefethen, "Approximation Theory and Approximation Practice", 2013,
ch. 8), unless it has steps between two nodes, thousands of times narrower than they are far from 0; where they do not,
the function itself is used. Axes: C cells, D coefficients, B samples.
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
MANTISSA_BITS = 4  # 16 cells to an octave of |x| + NARROWEST
NARROWEST = 0.5  # where |x| is far below this, cells have one width
NUM_OCTAVES = 18
BOUND = NARROWEST * (2.0**NUM_OCTAVES - 1)  # of |x|; beyond it the function is taken for flat, if its slope has ended
NUM_BLOCKS = 16  # in which a table is built, one after another: its nodes at once would take more memory than a life
LARGEST = np.nextafter(np.float32(BOUND + NARROWEST), np.float32(0))
CELLS_PER_SIDE = NUM_OCTAVES << MANTISSA_BITS
NUM_NODES = 2 * CELLS_PER_SIDE * NUM_COEFFICIENTS

LOCAL_TOLERANCE = 1e-5  # of the last two coefficients, relative to the largest slope in their cell
GLOBAL_TOLERANCE = 2e-6  # and relative to the largest slope of all: what rounding costs a network itself
VALUE_TOLERANCE = 4e-6  # of the last two coefficients of values, relative to the largest value

Function = Callable[[Any, Float[Array, "..."]], Float[Array, "..."]]
"""(parameters, x) -> values, elementwise in x."""


@dataclass(frozen=True)
class TabulableLoss:
    """A loss, and how to make one that is equal up to rounding and quicker for the millions of samples of a life."""

    exact: Loss
    tabulate: Callable[[], Loss]
    """Costs as much as some thousand samples."""

    def __call__(self, sample: Sample) -> Float[Array, "B"]:
        """Return the loss itself."""
        return self.exact(sample)


class Table(NamedTuple):
    """Chebyshev coefficients of a function and of its slope in every cell."""

    coefficients: Float[Array, "C 2 D"]
    """Of values and slopes."""
    good: Bool[Array, ""]
    """Whether they give the function to rounding error everywhere."""


def tabulated(function: Function, params: Any) -> Callable[[Float[Array, "B"]], Float[Array, "B"]]:
    """Return x -> function(params, x) with the same values and first derivatives, cheap to evaluate.

    Building the table costs NUM_NODES evaluations, with slopes. Under `vmap` it is decided for all functions of the
    batch together whether their tables are good: then one bad one costs the others time, and no digits. There is no
    derivative with respect to the parameters, and no second one.

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
    """Return the table of a function, given its values and slopes."""
    side = np.arange(CELLS_PER_SIDE)
    width = NARROWEST * 2.0 ** (side >> MANTISSA_BITS) / (1 << MANTISSA_BITS)
    start = width * ((1 << MANTISSA_BITS) + side % (1 << MANTISSA_BITS)) - NARROWEST
    angles = np.pi * (np.arange(NUM_COEFFICIENTS) + 0.5) / NUM_COEFFICIENTS
    nodes = start[:, None] + width[:, None] * (np.cos(angles) + 1) / 2
    with jax.default_matmul_precision("highest"):  # some accelerators round products to ten bits, which no table stands
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
    """Return the size of what the last two terms of each cell contribute, to values and to slopes."""
    return jnp.abs(coefficients[:, :, -2:]).sum(-1).T


def _read(coefficients: Float[Array, "C 2 D"], x: Float[Array, "B"]) -> tuple[Float[Array, "B"], Float[Array, "B"]]:
    """Return value and slope at x; at its bound where x is beyond, NaN where it is."""
    cell, position = _locate(x)
    rows = coefficients[cell]
    later = latest = jnp.zeros_like(rows[:, :, 0])
    for index in range(NUM_COEFFICIENTS - 1, 0, -1):  # Clenshaw's recurrence
        latest, later = rows[:, :, index] + 2 * position[:, None] * latest - later, latest
    sums = rows[:, :, 0] + position[:, None] * latest - later
    return jnp.where(jnp.isnan(x), x, sums[:, 0]), jnp.where(jnp.isnan(x), x, sums[:, 1])


def _locate(x: Float[Array, "B"]) -> tuple[Int[Array, "B"], Float[Array, "B"]]:
    """Return the cell of each x and where in it x is, from −1 to 1.

    The bits of the number |x| + NARROWEST are its octave, its cell there and its place in that, with no rounding.
    """
    size = jnp.abs(x).astype(jnp.float32) + jnp.float32(NARROWEST)
    size = jnp.clip(jnp.where(jnp.isnan(size), NARROWEST, size), NARROWEST, LARGEST)
    bits = jax.lax.bitcast_convert_type(size, jnp.int32)
    first = int(np.float32(NARROWEST).view(np.int32)) >> (23 - MANTISSA_BITS)
    cell = (bits >> (23 - MANTISSA_BITS)) - first
    rest = bits & ((1 << (23 - MANTISSA_BITS)) - 1)
    position = rest.astype(jnp.float32) * 2.0 ** (MANTISSA_BITS - 22) - 1
    return cell + jnp.where(x < 0, CELLS_PER_SIDE, 0), position


def _guarded(fast: Callable[..., Any], sure: Callable[..., Any]) -> Callable[..., Any]:
    """Return (good, *arguments) -> fast(*arguments) where all of a batch are good, else sure(*arguments).

    `vmap` alone would make a selection of the condition, which computes both.
    """

    @custom_vmap
    def choose(good: Array, *arguments: Any) -> Any:
        return jax.lax.cond(good, fast, sure, *arguments)

    @choose.def_vmap
    def batch(axis_size: int, batched: list[Any], good: Array, *arguments: Any) -> tuple[Any, Any]:
        axes = jax.tree.map(lambda each: 0 if each else None, tuple(batched[1:]))
        both = _guarded(*(jax.vmap(each, in_axes=axes, axis_size=axis_size) for each in (fast, sure)))
        return both(good.all(), *arguments), (True, True)

    return choose
