"""Adam with gradient clipping equals optax's chain."""

import jax
import jax.numpy as jnp
import optax
import pytest

from metadisco.config import PPOConfig
from metadisco.inner.cpu.adam import adam_step, init_adam


@pytest.mark.parametrize("gradient_size", [1e-3, 1.0, 1e3])
def test_steps_equal_those_of_optax_below_and_above_the_clipping_norm(getkey, gradient_size):
    config = PPOConfig()
    params = {"kernel": jax.random.normal(getkey(), (6, 5)), "bias": jax.random.normal(getkey(), (7,))}
    chain = optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm),
        optax.adam(3e-3, config.adam_b1, config.adam_b2, config.adam_eps),
    )
    theirs, their_state = params, chain.init(params)
    ours, our_state = params, init_adam(params)
    for _ in range(5):
        grads = jax.tree.map(lambda leaf: gradient_size * jax.random.normal(getkey(), leaf.shape), params)
        updates, their_state = chain.update(grads, their_state, theirs)
        theirs = optax.apply_updates(theirs, updates)
        ours, our_state = adam_step(ours, grads, our_state, config, 3e-3, config.max_grad_norm)
    for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert jnp.allclose(mine, other, rtol=1e-5, atol=1e-6)


def test_a_gradient_of_zero_moves_nothing_and_gives_no_nan():
    params = {"w": jnp.ones(33)}
    moved, state = adam_step(params, {"w": jnp.zeros(33)}, init_adam(params), PPOConfig(), 1.0, 0.5)
    assert jnp.array_equal(moved["w"], params["w"])
    assert jnp.isfinite(state.first["w"]).all()


def test_a_nan_in_the_gradient_reaches_every_parameter():
    params = {"a": jnp.ones(4), "b": jnp.ones(4)}
    grads = {"a": jnp.zeros(4).at[0].set(jnp.nan), "b": jnp.zeros(4)}
    moved, _ = adam_step(params, grads, init_adam(params), PPOConfig(), 1.0, 0.5)
    assert jnp.isnan(moved["a"]).all() and jnp.isnan(moved["b"]).all()


def test_a_finite_gradient_too_large_to_square_takes_no_step_as_with_optax():
    params = {"w": jnp.ones(8)}
    moved, state = adam_step(params, {"w": jnp.full(8, 1e20)}, init_adam(params), PPOConfig(), 1.0, 0.5)
    assert jnp.array_equal(moved["w"], params["w"])
    assert jnp.isfinite(state.second["w"]).all()
