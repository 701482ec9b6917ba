"""A learned message: c · tanh of a network of the observation.

Lu, Willi, Letcher, Foerster, "Adversarial Cheap Talk" (ICML 2023), with the feed-forward network of their option
`--static`: a message has no memory.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from metadisco.config.fields import NonNegativeInt, PositiveFloat, PositiveFloats, PositiveInt, Sizes, Width, settings
from metadisco.objectives.arithmetic import in_float32
from metadisco.parametrisations.source_message import SourceMessage
from metadisco.parametrisations.source_policy import layers_of
from metadisco.types import Key, MessageFunctions, MetaParams

ACTIVATIONS = {"relu": nn.relu, "tanh": nn.tanh}


@settings
class LearnedMessage:
    """Settings of a message function, and of the one that steers where the aim is control."""

    features: ClassVar[tuple[int, str]] = (
        1,
        "the flattened observation / input_scale; to steer, the features of the goal behind it",
    )
    facts: ClassVar[tuple[str, ...]] = ("obs_size", "num_goal_features")
    num_channels: Width = 2
    """Numbers of a message."""
    hidden_sizes: Sizes = (64, 64)
    """Widths of the hidden layers."""
    activation: Literal["relu", "tanh"] = "relu"
    """Activation of the hidden layers."""
    scale: PositiveFloat = 2 * math.pi
    """Largest absolute value of each number of a message."""
    input_scale: PositiveFloats = 1.0
    """Divides observations: one number, or one for each number of the flattened observation."""
    obs_size: PositiveInt | None = None
    """Numbers of an observation. The problem sets it."""
    num_goal_features: NonNegativeInt | None = None
    """Numbers that describe a goal; 0 where nothing is steered. The problem sets it."""

    def __post_init__(self) -> None:
        """Check constraints between fields."""
        scales = self.input_scale
        if isinstance(scales, tuple) and self.obs_size is not None and len(scales) != self.obs_size:
            raise ValueError(f"input_scale: got {len(scales)} numbers, allowed: {self.obs_size}, one per observation")

    def for_problem(self, obs_size: int, num_goal_features: int) -> "LearnedMessage":
        """Return the same for observations and goals of these sizes.

        Raises:
            ValueError: if other sizes are set already, or `input_scale` has another length.
        """
        for name, size in (("obs_size", obs_size), ("num_goal_features", num_goal_features)):
            if getattr(self, name) not in (None, size):
                raise ValueError(f"{name}: got {getattr(self, name)}, allowed: {size}, or null")
        if isinstance(self.input_scale, tuple) and len(self.input_scale) != obs_size:
            raise ValueError(
                f"input_scale: got {len(self.input_scale)} numbers, allowed: {obs_size}, one per observation"
            )
        return replace(self, obs_size=obs_size, num_goal_features=num_goal_features)

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return random weights, at which the search starts.

        With mean 0 all messages would be close to 0, and a ReLU network's first gradient weak.
        """
        assert self.obs_size is not None, "the problem sets obs_size"
        key_message, key_steer = jax.random.split(key)
        message = self._network.init(key_message, jnp.zeros(self.obs_size))["params"]
        if not self.num_goal_features:
            return {"message": message}
        steer = self._network.init(key_steer, jnp.zeros(self.obs_size + self.num_goal_features))["params"]
        return {"message": message, "steer": steer}

    def bind(self, meta_params: MetaParams) -> MessageFunctions:
        """Return the functions that these meta-parameters define."""

        def say(part: str, x: Float[Array, "D"]) -> Float[Array, "N"]:
            output: Array = self._network.apply({"params": meta_params[part]}, x)  # type: ignore[assignment]
            return self.scale * jnp.tanh(output)

        def message(obs: ArrayLike) -> Array:
            return say("message", self._scaled(obs))

        def steer(obs: ArrayLike, goal: ArrayLike) -> Array:
            return say("steer", jnp.concatenate([self._scaled(obs), jnp.ravel(goal)]))

        return MessageFunctions(message, steer if self.num_goal_features else None)

    def source_message(self, meta_params: MetaParams) -> SourceMessage:
        """Return the description from which source is written."""
        steer = layers_of(meta_params["steer"]) if self.num_goal_features else None
        return SourceMessage(layers_of(meta_params["message"]), steer, self.activation, self.scale, self.input_scale)

    def _scaled(self, obs: ArrayLike) -> Float[Array, "D"]:
        return jnp.ravel(obs) / jnp.asarray(self.input_scale, jnp.float32)

    @property
    def _network(self) -> "MessageNetwork":
        return MessageNetwork(self.hidden_sizes, self.activation, self.num_channels)


class MessageNetwork(nn.Module):
    """A network with biases from an observation to a message before its tanh."""

    hidden_sizes: Sequence[int]
    activation: str
    num_channels: int

    @nn.compact
    def __call__(self, x: Float[Array, "D"]) -> Float[Array, "N"]:
        """Return one number per channel."""
        for width in self.hidden_sizes:
            x = ACTIVATIONS[self.activation](nn.Dense(width)(x))
        return nn.Dense(self.num_channels, name="output")(x)
