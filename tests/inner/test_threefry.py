"""Random numbers by straight-line code are JAX's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.inner.threefry import straight_key

DRAWS = {
    "split": lambda key: jax.random.key_data(jax.random.split(key, (2, 3))),
    "fold_in": lambda key: jax.random.key_data(jax.random.fold_in(key, 20261127)),
    "fold_in a traced number": lambda key: jax.vmap(
        lambda number: jax.random.key_data(jax.random.fold_in(key, number))
    )(jnp.arange(3)),
    "bits of 8": lambda key: jax.random.bits(key, (7,), jnp.uint8),
    "bits of 16": lambda key: jax.random.bits(key, (7,), jnp.uint16),
    "one number": jax.random.uniform,
    "normal": lambda key: jax.random.normal(key, (3, 4)),
    "categorical": lambda key: jax.random.categorical(key, jnp.zeros((5, 3))),
    "permutation": lambda key: jax.random.permutation(key, 17),
    "for a batch of keys": lambda key: jax.vmap(jax.random.uniform)(jax.random.split(key, 4)),
    "from a key of a key": lambda key: jax.random.uniform(jax.random.split(jax.random.fold_in(key, 1))[1], (2,)),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_numbers_are_those_of_jax_to_the_bit(draw, getkey):
    key = getkey()
    straight = straight_key(key)
    assert straight.dtype != key.dtype
    np.testing.assert_array_equal(draw(straight), draw(key))
    np.testing.assert_array_equal(jax.jit(draw)(straight), draw(key))


def test_bits_of_64_are_those_of_jax(getkey):
    key = getkey()
    with jax.enable_x64(True):
        one, other = (jax.random.bits(each, (5,), jnp.uint64) for each in (straight_key(key), key))
    np.testing.assert_array_equal(one, other)


def test_keys_of_other_generators_stay_as_they_are():
    key = jax.random.key(3, impl="rbg")
    assert straight_key(key) is key
    straight = straight_key(jax.random.key(3))
    assert straight_key(straight) is straight


def test_it_is_compiled_without_a_loop(getkey):
    draw = jax.jit(lambda key: jax.random.normal(key, (4,)))
    assert "while" in draw.lower(getkey()).compile().as_text()
    assert "while" not in draw.lower(straight_key(getkey())).compile().as_text()
