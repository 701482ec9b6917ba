"""A meta-policy in the seat of a player."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.inner.games.matrix import Game, Logits
from metadisco.inner.games.players.base import random_logits
from metadisco.types import Key

Act: TypeAlias = Callable[[Float[Array, "2*S"], Any], tuple[Float[Array, "S"], Any]]
"""(meta_state, memory) → (logits, memory). meta_state: probabilities of C of [own, other's] policy as just
played, each in the order of its own player's states; logits: of its next policy."""


class MetaState(NamedTuple):
    """Of one lifetime, or of many in the last axis."""

    memory: Any
    """The meta-policy's own."""
    policy: Logits
    """Logits that it plays next."""


class MetaPlayer(NamedTuple):
    """A meta-policy as a `Player`; before it has seen a play its policy is N(0, 1) logits."""

    act: Act
    """The meta-policy, for one lifetime."""
    initial_memory: Any = ()
    """Its memory at the start of every lifetime, a pytree of arrays."""

    def init(self, key: Key, game: Game) -> MetaState:
        """Return its state before anything was played."""
        return MetaState(memory=self.initial_memory, policy=random_logits(key, game))

    def logits(self, state: MetaState) -> Float[Array, "S B"]:
        """Return the last policy that the meta-policy chose."""
        return state.policy

    def update(
        self, state: MetaState, own_logits: Float[Array, "S B"], other_logits: Float[Array, "S B"], game: Game
    ) -> MetaState:
        """Return its state after the meta-policy has observed both policies of a play."""
        meta_state = jax.nn.sigmoid(jnp.concatenate([own_logits, other_logits]))
        act = jax.vmap(self.act, in_axes=-1, out_axes=-1)
        policy, memory = act(meta_state, state.memory)
        return MetaState(memory=memory, policy=policy)
