"""Legal actions: the mask at the end of an observation. Axes: ... any batch, D entries, M entries of the mask."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from metadisco.inner.envs.base import ActionSpace, Box, Discrete, Env, Interface


def mask_size(space: ActionSpace) -> int:
    """Return M, how many entries at the end of an observation are the mask; 0 where all actions are legal."""
    if isinstance(space, Box) or not space.masked:
        return 0
    return space.num_actions if isinstance(space, Discrete) else sum(space.nums)


def with_mask(obs: Array, legal: Array) -> Float[Array, "D"]:
    """Return the observation of a masked environment: the flattened observation, then the flattened mask.

    Args:
        obs: the observation without a mask, of any shape.
        legal: whether each action is legal, in the order of the actions.
    """
    return jnp.concatenate([obs.ravel(), legal.ravel()], dtype=jnp.float32)


def split_mask(obs: Float[Array, "... D"], space: ActionSpace) -> tuple[Array, Array]:
    """Split flat observations into the observation proper and the mask [..., M]."""
    size = obs.shape[-1] - mask_size(space)
    return obs[..., :size], obs[..., size:]


def ignore_mask(env: Env) -> Env:
    """Let agents choose illegal actions, too; the mask becomes a part of the observation like any other.

    This is what frameworks without masks do, and what `legal_actions: false` means.
    """
    if not mask_size(env.action_space):
        return env
    return env._replace(action_space=env.action_space._replace(masked=False))  # type: ignore[call-arg]


def not_standardised(env: Env | Interface) -> Bool[np.ndarray, "..."] | None:
    """Return which entries of an observation [*obs_shape] are 0 or 1 by contract: indicators and mask; None if none."""
    size = math.prod(env.obs_shape)
    entries = np.zeros(size, bool)
    for start, stop in (*env.indicators, (size - mask_size(env.action_space), size)):
        entries[start:stop] = True
    return entries.reshape(env.obs_shape) if entries.any() else None
