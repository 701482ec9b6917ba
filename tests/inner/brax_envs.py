"""Shared by tests of brax: a toy environment in brax's style, and filters for its warnings."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from metadisco.inner.envs import brax as adapter

# Of brax, which is written for an older MuJoCo and an older JAX.
WARNINGS_OF_BRAX = pytest.mark.filterwarnings(
    "ignore:Accessing .* directly from .* is deprecated:DeprecationWarning",
    "ignore:Passing arguments 'a', 'a_min' or 'a_max' to jax.numpy.clip:DeprecationWarning",
)

brax = adapter.brax_envs  # imported there, where its warnings are dealt with

BOUND = 3.0


class Slide(brax.Env):
    """A position that moves by the action, from a random start below 1 to a bound; the reward is where it got to.

    Has the manners of brax's own environments: it writes into the dicts of the state that it is given, and puts Python
    numbers, of another kind, where there were arrays.
    """

    def __init__(self, backend: str = "generalized", bound: float = BOUND):
        self.backend_name, self.bound = backend, bound

    def reset(self, rng: jax.Array) -> Any:
        zero = jnp.zeros(())
        position = jax.random.uniform(rng, (1,))
        return brax.State(
            None, position, zero, zero, {"distance": zero, "steps": jnp.zeros((), jnp.int32)}, {"over": zero}
        )

    def step(self, state: Any, action: jax.Array) -> Any:
        position = state.obs + action
        done = jnp.where(position[0] > self.bound, 1.0, 0.0)
        state.metrics.update(distance=position[0], steps=1.0)
        state.info["over"] = done
        return state.replace(obs=position, reward=position[0], done=done)

    observation_size = action_size = 1

    @property
    def backend(self) -> str:
        return self.backend_name
