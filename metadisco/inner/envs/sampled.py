"""An environment that keeps a random sample of its observations. Axes: M kept observations."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from metadisco.inner.envs.base import Env, EnvState, TimeStep
from metadisco.types import Key


class Sampled(NamedTuple):
    """State of an environment, with some of the observations since the first one."""

    env_state: EnvState
    observations: Float[Array, "M ..."]
    """Zeros where there have been fewer."""
    num_seen: Int[Array, ""]


def sampled(env: Env, num_kept: int) -> Env:
    """Return an environment that keeps M of its observations in its state, each with the same probability.

    Algorithm R of Vitter, "Random Sampling with a Reservoir" (1985): observation number t takes the place of a kept
    one with probability M/t. Final observations of episodes, which no action follows, are left out.

    Args:
        env: the environment.
        num_kept: M.
    """

    def keep(key: Key, state: Sampled, obs: Array) -> Sampled:
        drawn = jax.random.randint(key, (), 0, state.num_seen + 1)
        place = jnp.where(state.num_seen < num_kept, state.num_seen, drawn)  # none where it is beyond the last one
        kept = state.observations.at[place].set(obs, mode="drop")
        return state._replace(observations=kept, num_seen=state.num_seen + 1)

    def reset(key: Key) -> tuple[Sampled, Array]:
        env_state, obs = env.reset(key)
        empty = Sampled(env_state, jnp.zeros((num_kept, *env.obs_shape)), jnp.zeros((), jnp.int32))
        return keep(_own_key(key), empty, obs), obs

    def step(key: Key, state: Sampled, action: Array) -> tuple[Sampled, TimeStep]:
        env_state, time_step = env.step(key, state.env_state, action)
        return keep(_own_key(key), state._replace(env_state=env_state), time_step.obs), time_step

    return env._replace(reset=reset, step=step)


def _own_key(key: Key) -> Key:
    """Return a key that neither the plain environment nor the wrapper of a message uses."""
    return jax.random.fold_in(key, 1_000_004)
