"""The random numbers of JAX, bit for bit, computed by code that is fast for small arrays on CPU.

On CPU, JAX implements Threefry as a loop of five rounds, each of which XLA runs as some twenty small kernels. For the
few numbers that a step of a small environment needs, launching kernels takes far longer than the arithmetic. Here all
twenty rounds are unrolled, so that XLA fuses each call into one kernel. An optimisation barrier follows each derived
key: otherwise XLA of jax 0.11 copies the rounds of every ancestor into every kernel, and compiles for many minutes.

The keys are typed keys with their own implementation; a test checks that their numbers equal those of JAX. Some
functions of `jax.random` (poisson) and code that mixes keys reject them, so environments receive JAX's own keys. The
adapter of a suite that supports unrolled keys converts them back. A conversion only changes the type.
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


def unrolled_key(key: Key) -> Key:
    """Return an unrolled key with the same random numbers; a key that is not a Threefry key is returned unchanged."""
    config: Any = jax.config  # older versions of JAX do not declare its settings
    if str(jax.random.key_impl(key)) != JAX_NAME or not config.jax_threefry_partitionable:
        return key
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=_UNROLLED)


def plain_key(key: Array) -> Array:
    """Return the key or keys of JAX's own implementation with the same random numbers."""
    if jax.random.key_impl(key) != _UNROLLED:
        return key
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=JAX_NAME)


def _hash(key: Array, high: Array, low: Array) -> tuple[Array, Array]:
    """Return Threefry-2x32 with 20 rounds of the counter (high, low)."""
    # By lax: each operator of jnp would be a function to be traced, mapped and lowered.
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
    """Return the counters 0, 1, … in an array of this shape, as high and low words."""
    size = math.prod(shape)
    if size >= 2**32:
        raise ValueError(f"random numbers of shape {shape}: allowed are fewer than 2³² in one call")
    return jnp.zeros(shape, jnp.uint32), jnp.arange(size, dtype=jnp.uint32).reshape(shape)


def _seed(seed: Array) -> Array:
    return jax.random.key_data(jax.random.key(seed, impl=JAX_NAME))


def _split(key: Array, shape: tuple[int, ...]) -> Array:
    return _derived(_hash(key, *_count(shape)))


def _derived(halves: tuple[Array, Array]) -> Array:
    """Return keys made of these words, which XLA must not fuse into their uses."""
    keys: Array = lax.optimization_barrier(jnp.stack(halves, -1))
    return keys


def _random_bits(key: Array, bit_width: int, shape: tuple[int, ...]) -> Array:
    high, low = _hash(key, *_count(shape))
    if bit_width == 64:
        return (high.astype(jnp.uint64) << 32) | low.astype(jnp.uint64)
    return (high ^ low).astype(jnp.dtype(f"uint{bit_width}"))


def _fold_in(key: Array, data: Array | int) -> Array:
    return _derived(_hash(key, jnp.zeros((), jnp.uint32), jnp.asarray(data, jnp.uint32)))


_UNROLLED = jex.random.define_prng_impl(
    key_shape=(2,), seed=_seed, split=_split, random_bits=_random_bits, fold_in=_fold_in, name="unrolled", tag="unr"
)
