"""A bank of initial states, drawn once, for environments in which a reset costs far more than a step."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

from metadisco.inner.envs.base import EnvState
from metadisco.types import Key

Reset: TypeAlias = Callable[[Key], tuple[EnvState, Array]]
BANK_SEED = 0


def from_bank(reset: Reset, size: int, renew: Callable[[Key, EnvState], EnvState] | None = None) -> Reset:
    """Return a reset that picks one of `size` states, which are drawn here, the same ones for every agent.

    Under `vmap` an environment would otherwise compute a reset in every step.

    Args:
        reset: (key) -> (state, obs).
        size: number of states.
        renew: (key, state) -> state with a key of its own, for environments whose state holds the key of its future;
            without it two episodes that begin with the same state would meet the same random numbers.
    """
    bank = jax.jit(jax.vmap(reset))(jax.random.split(jax.random.key(BANK_SEED), size))

    def pick(key: Key) -> tuple[EnvState, Array]:
        index = jax.random.randint(key, (), 0, size)
        chosen: tuple[EnvState, Array] = jax.tree.map(lambda leaf: leaf[index], bank)
        return chosen

    def pick_and_renew(key: Key) -> tuple[EnvState, Array]:
        key_pick, key_state = jax.random.split(key)
        state, obs = pick(key_pick)
        assert renew is not None
        return renew(key_state, state), obs

    return pick if renew is None else pick_and_renew


def strong(state: Any) -> Any:
    """Convert Python numbers in a state to a fixed dtype, so that the carry of a scan keeps its type."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.asarray(leaf).dtype), state)
