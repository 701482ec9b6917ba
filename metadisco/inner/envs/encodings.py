"""Observations of several fields as one vector: which fields, in which order, and how each becomes numbers.

A field is read by its name, so that a library that reorders its fields changes nothing here.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from metadisco.inner.envs.base import Ranges

Read: TypeAlias = str | Callable[[Any], Array]
"""Where a field is: its dotted name, or a function of the observation."""


class Part(NamedTuple):
    """A field of an observation, and its encoding."""

    read: Callable[[Any], Array]
    """observation -> array of the field."""
    encode: Callable[[Array], Array]
    """array -> float32 array of any shape."""
    indicator: bool
    """Whether all entries are 0 or 1."""


def flags(read: Read) -> Part:
    """Encode booleans, or numbers that are 0 or not."""
    return Part(_reader(read), lambda field: (field != 0).astype(jnp.float32), indicator=True)


def codes(read: Read, low: int, high: int) -> Part:
    """Encode categories low, …, high as one-hot vectors; values below or above are all zeros."""
    return Part(_reader(read), lambda field: jax.nn.one_hot(field - low, high - low + 1), indicator=True)


def numbers(read: Read, scale: float | np.ndarray = 1.0) -> Part:
    """Encode quantities, divided by a scale that broadcasts against the field."""
    return Part(_reader(read), lambda field: field.astype(jnp.float32) / scale, indicator=False)


def encode(parts: Sequence[Part], observation: Any) -> Float[Array, "D"]:
    """Return all parts of an observation, flattened, one after another."""
    return jnp.concatenate([jnp.ravel(part.encode(part.read(observation))) for part in parts], dtype=jnp.float32)


def indicators(parts: Sequence[Part], observation: Any) -> Ranges:
    """Return the ranges of the encoded observation whose entries are 0 or 1.

    Args:
        parts: of the encoding.
        observation: one, or its shapes and dtypes as `jax.eval_shape` returns them.
    """
    sizes = [jax.eval_shape(lambda obs, part=part: part.encode(part.read(obs)), observation).size for part in parts]
    stops = np.cumsum(sizes)
    return tuple(
        (int(stop - size), int(stop))
        for part, size, stop in zip(parts, sizes, stops, strict=True)
        if part.indicator and size
    )


def flattened(observation: Any, left_out: str) -> Float[Array, "D"]:
    """Return all leaves of an observation as they are, in the order of its fields.

    Args:
        observation: a NamedTuple or dataclass, with others inside.
        left_out: name of a field that is left out.
    """
    leaves = jax.tree_util.tree_leaves_with_path(observation)
    kept = [leaf for path, leaf in leaves if jax.tree_util.keystr(path) != f".{left_out}"]
    return jnp.concatenate([jnp.ravel(jnp.asarray(leaf, jnp.float32)) for leaf in kept])


def any_of(mask: Bool[Array, "..."]) -> Bool[Array, "K"]:
    """Return which entries of the first axis have anything that is true."""
    return mask.reshape(len(mask), -1).any(1)


def _reader(read: Read) -> Callable[[Any], Array]:
    get = attrgetter(read) if isinstance(read, str) else read
    return lambda observation: jnp.asarray(get(observation))  # a Python number in some first observations
