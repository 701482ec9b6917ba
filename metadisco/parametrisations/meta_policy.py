"""A meta-policy of M-FOS: a network from both players' policies to the player's next policy.

Lu, Willi, Schroeder de Witt, Foerster, "Model-Free Opponent Shaping" (ICML 2022). We differ: the network is
deterministic and evolved, where the original samples logits and is trained by PPO; logits are four times its output, so
that small weights reach nearly deterministic policies.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from metadisco.config.fields import Bool, PositiveFloat, PositiveInt, Sizes, settings
from metadisco.objectives.arithmetic import in_float32
from metadisco.parametrisations.source_policy import SourcePolicy, layers_of
from metadisco.types import Key, MetaParams, MetaPolicy


@settings
class GamePolicy:
    """Base of policies of repeated games, with the number of states of the game."""

    facts: ClassVar[tuple[str, ...]] = ("num_states",)
    num_states: PositiveInt | None = None
    """States in which the game asks for an action: 5 with a memory of one round, 1 in a one-shot game. The problem
    sets it."""

    def for_game(self, num_states: int) -> "GamePolicy":
        """Return the same for a game with so many states.

        Raises:
            ValueError: if another number is set already.
        """
        if self.num_states not in (None, num_states):
            raise ValueError(f"num_states: got {self.num_states}, allowed: {num_states}, or null")
        return replace(self, num_states=num_states)

    @property
    def num_logits(self) -> int:
        """Number of states, which must be set by now."""
        assert self.num_states is not None, "the problem sets num_states"
        return self.num_states


@settings
class NetworkPolicy(GamePolicy):
    """Settings that policies with a network share."""

    hidden_sizes: Sizes = (32,)
    """Widths of the hidden tanh layers."""
    output_scale: PositiveFloat = 4.0
    """Factor from the network's output to logits."""
    start: Literal["zero_output", "random"] = "zero_output"
    """Where the search starts: with an output layer of zeros on random hidden layers, or all at random."""


class PolicyNetwork(nn.Module):
    """A tanh network with biases from features to one number per state."""

    hidden_sizes: Sequence[int]
    num_outputs: int

    @nn.compact
    def __call__(self, features: Float[Array, "F"]) -> Float[Array, "N"]:
        """Return one number per state."""
        x = features
        for width in self.hidden_sizes:
            x = nn.tanh(nn.Dense(width)(x))
        return nn.Dense(self.num_outputs, name="output")(x)


def init_network(settings: NetworkPolicy, key: Key, num_features: int) -> MetaParams:
    """Return the parameters of a policy network at which the search starts."""
    network = PolicyNetwork(settings.hidden_sizes, settings.num_logits)
    params = network.init(key, jnp.zeros(num_features))["params"]
    if settings.start == "zero_output":
        return {**params, "output": jax.tree.map(jnp.zeros_like, params["output"])}
    return params


def logits_of(settings: NetworkPolicy, meta_params: MetaParams, features: Float[Array, "F"]) -> Float[Array, "N"]:
    """Return output_scale · network(features)."""
    network = PolicyNetwork(settings.hidden_sizes, settings.num_logits)
    output: Array = network.apply({"params": meta_params}, features)  # type: ignore[assignment]
    return settings.output_scale * output


@settings
class FeedForwardPolicy(NetworkPolicy):
    """A network that sees the probabilities under both policies just played, as 2p − 1, and optionally the time.

    The time is t / time_scale with t the number of decisions so far; it is the policy's only memory.
    """

    features: ClassVar[tuple[int, str]] = (
        1,
        "2p - 1 for the own and then the other's probabilities of the first action, states in the order start, CC, "
        "CD, DC, DD, each from its player's viewpoint; with time also t / time_scale",
    )
    time: Bool = False
    """Whether the network sees the time."""
    time_scale: PositiveFloat = 100.0
    """Meta-steps by which the time is divided."""

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the meta-parameters at which the search starts."""
        return init_network(self, key, 2 * self.num_logits + self.time)

    def bind(self, meta_params: MetaParams) -> MetaPolicy:
        """Return the meta-policy that these meta-parameters define."""

        def act(meta_state: Array, memory: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
            features = 2 * meta_state - 1
            if not self.time:
                return logits_of(self, meta_params, features), memory
            (elapsed,) = memory
            features = jnp.append(features, elapsed / self.time_scale)
            return logits_of(self, meta_params, features), (elapsed + 1,)

        return MetaPolicy(lambda: (jnp.float32(0),) if self.time else (), act)

    def source_policy(self, meta_params: MetaParams) -> SourcePolicy:
        """Return the description from which source is written."""
        return SourcePolicy(
            layers_of(meta_params), self.output_scale, time_scale=self.time_scale if self.time else None
        )
