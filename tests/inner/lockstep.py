"""Recording our environments step by step, so that the originals can repeat the episode."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco.inner.envs import Env, TimeStep


class Moment(NamedTuple):
    """One step, or many of them with leading axes; arrays are NumPy's once it is over."""

    state: Any
    """Before the step."""
    action: Array
    step: TimeStep
    after: Any
    """State after the step: that of a new episode where one ended."""

    @property
    def ended(self) -> Array:
        return self.step.terminated | self.step.truncated


def step_once(env: Env, key: Array, state: Any, action: Array) -> Moment:
    after, step = env.step(key, state, action)
    return Moment(state, action, step, after)


def travel(env: Env, act: Callable[[Array, Array], Array], num_envs: int, num_steps: int) -> Iterator[Moment]:
    """Yield every step of `num_envs` environments in which `act` (key, obs) chooses, one after the other."""

    def advance(carry, key):
        state, obs = carry
        key_act, key_step = jax.random.split(key)
        moment = step_once(env, key_step, state, act(key_act, obs))
        return (moment.after, moment.step.obs), moment

    def one(key):
        key_reset, key_steps = jax.random.split(key)
        return jax.lax.scan(advance, env.reset(key_reset), jax.random.split(key_steps, num_steps))[1]

    return moments(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(7), num_envs)), 2)


def leap(env: Env, states: Any, actions: Array) -> Iterator[Moment]:
    """Yield one step from each of many states."""
    keys = jax.random.split(jax.random.key(8), len(actions))
    return moments(jax.jit(jax.vmap(partial(step_once, env)))(keys, states, actions), 1)


def moments(stacked: Moment, num_axes: int) -> Iterator[Moment]:
    flat = jax.tree.map(lambda leaf: np.asarray(leaf).reshape(-1, *leaf.shape[num_axes:]), stacked)
    for index in range(len(flat.step.reward)):
        yield jax.tree.map(lambda leaf, index=index: leaf[index], flat)


def uniform_actions(env: Env) -> Callable[[Array, Array], Array]:
    space = env.action_space
    if hasattr(space, "num_actions"):
        return lambda key, obs: jax.random.randint(key, (), 0, space.num_actions)
    return lambda key, obs: jax.random.uniform(key, space.low.shape, minval=space.low, maxval=space.high)


def along(place: int, lowest: float, highest: float, noise: float = 0.2) -> Callable[[Array, Array], Array]:
    """Return a policy that pushes the way that obs[place] already goes, but for some noise."""

    def act(key: Array, obs: Array) -> Array:
        key_flip, key_random = jax.random.split(key)
        way = jnp.where(obs[place] >= 0, highest, lowest)
        return jnp.where(
            jax.random.uniform(key_flip) < noise, jax.random.choice(key_random, jnp.array([lowest, highest])), way
        )

    return act
