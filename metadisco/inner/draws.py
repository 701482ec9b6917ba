"""Settings of PPO that are drawn at random for each training of a search."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.config import PPOConfig, Range
from metadisco.inner.optimise import Hyperparameters
from metadisco.types import Key

STREAM = 0x64726177
"""Folded into the key of a training to draw its settings. Training uses that key otherwise only by splitting it, and
`split` gives the same keys as folding in small numbers."""


def draw(key: Key, ranges: Sequence[Range]) -> dict[str, Float[Array, ""]]:
    """Return drawn settings by name.

    Args:
        key: of the training, which stays the training's own: the draws are a stream beside it.
        ranges: of the settings.
    """
    keys = jax.random.split(jax.random.fold_in(key, STREAM), max(len(ranges), 1))
    return {each.name: _draw(own, each) for own, each in zip(keys, ranges, strict=False)}


def _draw(key: Key, each: Range) -> Float[Array, ""]:
    """Return a setting that is uniform in its range, or whose logarithm is."""
    ends = jnp.asarray([each.low, each.high], jnp.float32)
    share = jax.random.uniform(key)
    low, high = jnp.log(ends) if each.log else ends
    value = low + share * (high - low)
    # Rounding must not leave the range: a discount above 1 would be no discount.
    return jnp.clip(jnp.exp(value) if each.log else value, *ends)


def drawn_hyperparameters(key: Key, config: PPOConfig, ranges: Sequence[Range]) -> Hyperparameters:
    """Return the traced settings of a config, with those that have a range drawn anew.

    Args:
        key: of the training; see `draw`.
        config: gives the settings that are not drawn.
        ranges: of the settings that are.
    """
    return Hyperparameters.from_config(config)._replace(**draw(key, ranges))
