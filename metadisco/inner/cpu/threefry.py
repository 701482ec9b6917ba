"""JAX's own random numbers, bit for bit, by a program that suits small arrays on CPU.

On CPU JAX writes Threefry as a loop of five rounds, which XLA runs as some twenty small kernels a round trip; for the
few numbers that a step of a small environment needs, starting those takes far longer than the arithmetic. Here the
twenty rounds are written out, so that XLA fuses each call into one kernel. A key that was derived is computed before it
is used: else XLA of jax 0.11 copies the rounds of every ancestor into every kernel, and compiles for many minutes.
Keys are typed ones of an implementation of their own; what they give is what JAX's would, which a test checks. A few
functions of `jax.random` (poisson) and a mixture with other keys refuse them, so that every environment is given JAX's
own; the adapter of a suite that takes others makes them straight again. Either way it is a change of type alone.
"""

import math
from typing import Any

import jax
import jax.extend as jex
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metadisco.types import Key

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011)
PARITY = np.uint32(0x1BD11BDA)
JAX_NAME = "threefry2x32"


def straight_key(key: Key) -> Key:
    """Return a key that gives the same numbers by straight-line code; one that is no Threefry key stays as it is."""
    config: Any = jax.config  # whose settings only newer JAX declares
    if str(jax.random.key_impl(key)) != JAX_NAME or not config.jax_threefry_partitionable:
        return key
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=_STRAIGHT)


def plain_key(key: Array) -> Array:
    """Return the key, or keys, of JAX's own implementation that give the same numbers."""
    if jax.random.key_impl(key) != _STRAIGHT:
        return key
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=JAX_NAME)


def _hash(key: Array, high: Array, low: Array) -> tuple[Array, Array]:
    """Return Threefry-2x32 with 20 rounds of the counter (high, low)."""
    # By lax: the operators of jnp are functions of their own, each to be traced, mapped and lowered.
    first, second = (lax.squeeze(each, (0,)) for each in lax.split(key, (1, 1)))
    parity = lax.bitwise_xor(lax.bitwise_xor(first, second), PARITY)
    schedule = tuple(lax.broadcast(each, high.shape) for each in (first, second, parity))
    high, low = lax.add(high, schedule[0]), lax.add(low, schedule[1])
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            high = lax.add(high, low)
            left = lax.shift_left(low, np.uint32(rotation))
            right = lax.shift_right_logical(low, np.uint32(32 - rotation))
            low = lax.bitwise_xor(high, lax.bitwise_or(left, right))
        high = lax.add(high, schedule[(group + 1) % 3])
        low = lax.add(lax.add(low, schedule[(group + 2) % 3]), np.uint32(group + 1))
    return high, low


def _count(shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the numbers 0, 1, … in an array of this shape, as upper and lower halves."""
    size = math.prod(shape)
    if size >= 2**32:
        raise ValueError(f"random numbers of shape {shape}: allowed are fewer than 2³² at once")
    return jnp.zeros(shape, jnp.uint32), jnp.arange(size, dtype=jnp.uint32).reshape(shape)


def _seed(seed: Array) -> Array:
    return jax.random.key_data(jax.random.key(seed, impl=JAX_NAME))


def _split(key: Array, shape: tuple[int, ...]) -> Array:
    return _derived(_hash(key, *_count(shape)))


def _derived(halves: tuple[Array, Array]) -> Array:
    """Return keys of these halves, which XLA may not fuse into what uses them."""
    keys: Array = lax.optimization_barrier(jnp.stack(halves, -1))
    return keys


def _random_bits(key: Array, bit_width: int, shape: tuple[int, ...]) -> Array:
    high, low = _hash(key, *_count(shape))
    if bit_width == 64:
        return (high.astype(jnp.uint64) << 32) | low.astype(jnp.uint64)
    return (high ^ low).astype(jnp.dtype(f"uint{bit_width}"))


def _fold_in(key: Array, data: Array | int) -> Array:
    return _derived(_hash(key, jnp.zeros((), jnp.uint32), jnp.asarray(data, jnp.uint32)))


_STRAIGHT = jex.random.define_prng_impl(
    key_shape=(2,), seed=_seed, split=_split, random_bits=_random_bits, fold_in=_fold_in, name="straight", tag="str"
)
