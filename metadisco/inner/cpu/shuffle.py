"""Shuffling a batch, cheaply on CPU. Axes: E epochs, M minibatches, B samples of a minibatch."""

import jax
import jax.numpy as jnp
from jaxtyping import Int

from metadisco.types import Key

PACKED_LIMIT = 4096  # larger indices would leave too few random bits


def shuffled_minibatches(key: Key, num_epochs: int, num_minibatches: int, batch_size: int) -> Int[jax.Array, "EM B"]:
    """Return the indices of every minibatch of every epoch: each epoch is a new permutation of the batch.

    `jax.random.permutation` sorts pairs of a random number and an index, for which XLA on CPU calls a comparator. Small
    batches are shuffled by sorting single numbers instead, which is four times as fast: high bits are random, low bits
    hold the index. Ties of the random bits are broken by the index; a pair ties with probability 2⁻²⁰ at most.

    Args:
        key: consumed.
        num_epochs: E.
        num_minibatches: M, which divides the batch.
        batch_size: M·B.
    """
    if batch_size <= PACKED_LIMIT:
        mask = jnp.uint32((1 << (batch_size - 1).bit_length()) - 1)
        bits = jax.random.bits(key, (num_epochs, batch_size)) & ~mask
        packed = jax.lax.sort(bits | jnp.arange(batch_size, dtype=jnp.uint32), is_stable=False)
        indices = (packed & mask).astype(jnp.int32)
    else:
        keys = jax.random.split(key, num_epochs)
        indices = jax.vmap(lambda key: jax.random.permutation(key, batch_size))(keys)
    return indices.reshape(num_epochs * num_minibatches, batch_size // num_minibatches)
