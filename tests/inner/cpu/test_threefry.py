"""Random numbers of unrolled keys equal JAX's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.config import PPOConfig
from metadisco.inner.cpu.threefry import plain_key, unrolled_key
from metadisco.inner.envs import Discrete, auto_reset, make
from metadisco.inner.train import train
from metadisco.objectives import ppo

CONFIG = PPOConfig(num_envs=2, num_steps=4, num_env_steps=16, num_minibatches=2, num_epochs=1, hidden_sizes=(4,))
pytestmark = pytest.mark.ordinary  # XLA's flags are part of what is compared
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
    straight = unrolled_key(key)
    assert straight.dtype != key.dtype
    np.testing.assert_array_equal(draw(straight), draw(key))
    np.testing.assert_array_equal(jax.jit(draw)(straight), draw(key))


def test_bits_of_64_are_those_of_jax(getkey):
    key = getkey()
    with jax.enable_x64(True):
        one, other = (jax.random.bits(each, (5,), jnp.uint64) for each in (unrolled_key(key), key))
    np.testing.assert_array_equal(one, other)


def test_keys_of_other_generators_stay_as_they_are():
    key = jax.random.key(3, impl="rbg")
    assert unrolled_key(key) is key
    straight = unrolled_key(jax.random.key(3))
    assert unrolled_key(straight) is straight


def test_it_is_compiled_without_a_loop(getkey):
    draw = jax.jit(lambda key: jax.random.normal(key, (4,)))
    assert "while" in draw.lower(getkey()).compile().as_text()
    assert "while" not in draw.lower(unrolled_key(getkey())).compile().as_text()


def test_a_plain_key_gives_the_same_numbers_and_is_jaxs_own(getkey):
    key = getkey()
    plain = plain_key(unrolled_key(key))
    assert plain.dtype == key.dtype
    np.testing.assert_array_equal(jax.random.key_data(plain), jax.random.key_data(key))
    assert plain_key(key) is key


def test_environments_of_ones_own_get_jaxs_own_keys(getkey):
    """Some functions of `jax.random` take no others."""

    def reset(key):
        arrived = jax.random.poisson(key, 3.0).astype(jnp.float32)
        return arrived, arrived[None]

    def step(key, state, action):
        state = jnp.where(action > 0, state, jax.random.uniform(jax.random.key(0)))
        return state, state[None] + jax.random.poisson(key, 2.0), state, state < 0

    env = auto_reset(reset, step, obs_shape=(1,), action_space=Discrete(2), episode_length=3)
    assert jax.jit(lambda key: train(key, env, CONFIG, ppo()).finite)(getkey())


def test_a_wrapper_of_an_environment_that_makes_keys_straight_gets_jaxs_own(getkey):
    cartpole, met = make("gymnax/CartPole-v1"), set()

    def reset(key):
        met.add(key.dtype)
        return cartpole.reset(jax.random.split(key)[0])

    def step(key, state, action):
        met.add(key.dtype)
        key, key_noise = jax.random.split(key)
        state, time_step = cartpole.step(key, state, action)
        return state, time_step._replace(reward=time_step.reward + jax.random.poisson(key_noise, 2.0))

    env = cartpole._replace(reset=reset, step=step)
    jax.eval_shape(lambda key: train(key, env, CONFIG, ppo()), getkey())
    assert met == {getkey().dtype}


def test_an_environment_of_gymnax_is_stepped_without_a_loop(getkey):
    env = make("gymnax/CartPole-v1")
    step = jax.jit(lambda key, state: env.step(key, state, jnp.int32(0))[0].x)
    assert "while" not in step.lower(getkey(), env.reset(getkey())[0]).compile().as_text()
