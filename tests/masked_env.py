"""Tiny masked environments that end at an illegal action, and the random masks they show."""

import jax
import jax.numpy as jnp
from jax import Array

from metadisco.inner.envs import Discrete, Env, MultiDiscrete, auto_reset, mask_size, with_mask

LENGTH = 5
NUMS = (2, 4, 3)


def masked_env(*, nums: tuple[int, ...] | None = None, num_actions: int = 4) -> Env:
    """Show a number around 100, a one-hot code of three entries and a random mask that leaves an action of each choice.

    A legal action pays its number (the sum of its numbers); an illegal one pays −100 and ends the episode.
    """
    space = Discrete(num_actions, masked=True) if nums is None else MultiDiscrete(nums, masked=True)
    sizes = (num_actions,) if nums is None else nums

    def show(key: Array) -> tuple[Array, Array]:
        key_number, key_code, key_mask, key_legal = jax.random.split(key, 4)
        code = jax.nn.one_hot(jax.random.randint(key_code, (), 0, 3), 3)
        one_each = [
            jax.nn.one_hot(jax.random.randint(jax.random.fold_in(key_legal, index), (), 0, size), size)
            for index, size in enumerate(sizes)
        ]
        legal = jnp.maximum(jnp.concatenate(one_each), jax.random.bernoulli(key_mask, 0.3, (sum(sizes),)))
        obs = with_mask(jnp.append(code, 100 + 5 * jax.random.normal(key_number)), legal)
        return legal, obs

    def step(key: Array, legal: Array, action: Array) -> tuple[Array, Array, Array, Array]:
        starts = jnp.array([sum(sizes[:index]) for index in range(len(sizes))])
        allowed = (legal[starts + action] > 0.5).all()
        return *show(key), jnp.where(allowed, action.sum() * 1.0, -100.0), ~allowed

    return auto_reset(
        show,
        step,
        obs_shape=(4 + mask_size(space),),
        action_space=space,
        episode_length=LENGTH,
        indicators=((0, 3),),
    )
