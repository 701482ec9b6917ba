"""Talkers that were not learned, and those that send a learned message at the wrong time: controls of cheap talk.

Axes: N channels, M messages.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.inner.envs.cheap_talk import Memory, Talker, memoryless
from metadisco.types import Key, Message


def constant(num_channels: int, value: float | Float[Array, ""]) -> Talker:
    """Return the talker whose messages hold one value throughout; 0 for silence."""
    return memoryless(lambda obs: jnp.full(num_channels, value, jnp.float32))


def noise(num_channels: int, scale: float) -> Talker:
    """Return the talker whose numbers are drawn from U(−scale, scale) at each step."""

    def speak(key: Key, obs: Array, memory: Memory) -> Array:
        del obs, memory
        return jax.random.uniform(key, (num_channels,), minval=-scale, maxval=scale)

    return Talker(_nothing, speak)


def copy(num_channels: int) -> Talker:
    """Return the talker that repeats the first numbers of the flattened observation."""
    return memoryless(lambda obs: obs.ravel()[:num_channels])


def frozen(message: Message) -> Talker:
    """Return the talker that repeats a message function's first message throughout an episode."""
    return Talker(lambda key, obs: message(obs), lambda key, obs, memory: memory)


def scrambled(messages: Float[Array, "M N"]) -> Talker:
    """Return the talker that draws one of these messages at each step, whatever it observes."""

    def speak(key: Key, obs: Array, memory: Memory) -> Array:
        del obs, memory
        return messages[jax.random.randint(key, (), 0, len(messages))]

    return Talker(_nothing, speak)


def _nothing(key: Key, obs: Array) -> tuple[()]:
    del key, obs
    return ()
