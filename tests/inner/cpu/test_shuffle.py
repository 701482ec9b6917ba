"""Shuffling: every epoch is a permutation, and every order is as likely as any other."""

import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.inner.cpu.shuffle import PACKED_LIMIT, shuffled_minibatches


@pytest.mark.parametrize("batch_size", [6, 64, 96, PACKED_LIMIT + 4])
def test_every_epoch_holds_every_index_once(getkey, batch_size):
    minibatches = np.asarray(shuffled_minibatches(getkey(), 3, 2, batch_size))
    assert minibatches.shape == (6, batch_size // 2)
    for epoch in minibatches.reshape(3, batch_size):
        assert sorted(epoch) == list(range(batch_size))


def test_epochs_and_keys_differ(getkey):
    first = shuffled_minibatches(getkey(), 2, 1, 64)
    assert not jnp.array_equal(first[0], first[1])
    assert not jnp.array_equal(first, shuffled_minibatches(getkey(), 2, 1, 64))


def test_all_orders_of_a_small_batch_are_equally_likely(getkey):
    num_draws, num_orders = 24_000, 24
    orders = np.asarray(shuffled_minibatches(getkey(), num_draws, 1, 4)) @ [64, 16, 4, 1]
    counts = np.unique(orders, return_counts=True)[1]
    assert len(counts) == num_orders
    expected = num_draws / num_orders
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < 49.7  # 99.9 % quantile with 23 degrees of freedom; the key is fixed
