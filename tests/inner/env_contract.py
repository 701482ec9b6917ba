"""The contract of every environment, and a function that plays one."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from compiling import QUICK
from jax import Array

from metadisco.inner.envs import Discrete, Env, MultiDiscrete, TimeStep


def assert_contract(env: Env) -> None:
    """Check shapes and dtypes without running anything."""
    assert isinstance(env.episode_length, int)
    assert env.episode_length > 0
    if isinstance(env.action_space, Discrete):
        assert env.action_space.num_actions >= 1
        action = jax.ShapeDtypeStruct((), jnp.int32)
    elif isinstance(env.action_space, MultiDiscrete):
        assert min(env.action_space.nums) >= 1
        action = jax.ShapeDtypeStruct((len(env.action_space.nums),), jnp.int32)
    else:
        low, high = env.action_space
        assert low.shape == high.shape
        assert low.ndim == 1
        assert low.dtype == high.dtype == np.float32
        assert (low < high).all()
        action = jax.ShapeDtypeStruct(low.shape, jnp.float32)
    key = jax.random.key(0)
    state, obs = jax.eval_shape(env.reset, key)
    next_state, time_step = jax.eval_shape(env.step, key, state, action)
    describe = lambda tree: [(leaf.shape, leaf.dtype, leaf.weak_type) for leaf in jax.tree.leaves(tree)]  # noqa: E731
    assert jax.tree.structure(next_state) == jax.tree.structure(state)  # so that it can be the carry of a scan
    assert describe(next_state) == describe(state)
    for observation in (obs, time_step.obs, time_step.final_obs):
        assert observation.shape == env.obs_shape
        assert observation.dtype == jnp.float32
    assert (time_step.reward.shape, time_step.reward.dtype) == ((), jnp.float32)
    for flag in (time_step.terminated, time_step.truncated):
        assert (flag.shape, flag.dtype) == ((), jnp.bool_)


def run(env: Env, key: Array, actions: Array) -> tuple[Array, TimeStep]:
    """Return the first observation and the time steps of a sequence of actions."""
    key_reset, key_steps = jax.random.split(key)
    state, obs = env.reset(key_reset)
    step = lambda state, inputs: env.step(inputs[0], state, inputs[1])  # noqa: E731
    return obs, jax.lax.scan(step, state, (jax.random.split(key_steps, len(actions)), actions))[1]


def play(env: Env, key: Array, actions: Array) -> tuple[Array, TimeStep]:
    return jax.jit(partial(run, env), compiler_options=QUICK)(key, actions)
