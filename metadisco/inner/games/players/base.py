"""What a player is, whichever seat it has; and what several of them share."""

from collections.abc import Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.config.fields import NonNegativeFloat, settings
from metadisco.errors import UserError
from metadisco.inner.games.matrix import Game
from metadisco.types import Key

CERTAIN = 100.0
"""A logit at which σ is 1 and at whose negative it is 0, in single precision."""


class Player(Protocol):
    """A player of one lifetime; `play_lifetimes` vectorises it. Frozen, with static settings.

    Policies are logits [S], each in the order of its own player's states. `game` is as this player sees it. All three
    methods are pure, and safe under `jit` and `vmap`.
    """

    def init(self, key: Key, game: Game) -> Any:
        """Return its state at the start of a lifetime, an array or another pytree; the key is consumed.

        Raises:
            UserError: if it cannot play this game.
        """

    def logits(self, state: Any) -> Float[Array, "S"]:
        """Return the policy that it plays next."""

    def update(self, state: Any, own_logits: Float[Array, "S"], other_logits: Float[Array, "S"], game: Game) -> Any:
        """Return its state after one play of two policies against each other.

        Args:
            state: before it.
            own_logits: what was played in this seat: `logits(state)`, but for a first play drawn at random.
            other_logits: what the other player played.
            game: as this player sees it.
        """


class PolicyIsState:
    """What players have in common whose state is their policy."""

    def logits(self, state: Float[Array, "S"]) -> Float[Array, "S"]:
        """Return its policy, which is its state."""
        return state


@settings
class RandomStart(PolicyIsState):
    """What those of them have in common that start at random."""

    initial_std: NonNegativeFloat = 1.0
    """Spread of the normal distribution, around 0, of the logits that a lifetime starts from."""

    def init(self, key: Key, game: Game) -> Float[Array, "S"]:
        """Return N(0, initial_std²) logits."""
        return self.initial_std * random_logits(key, game)


def check_numbers(numbers: Sequence[float], game: Game, name: str) -> None:
    """Refuse numbers that are not one for each state.

    Raises:
        UserError: saying how many there are to be.
    """
    if len(numbers) != game.num_logits:
        raise UserError(
            f"{name}: got {len(numbers)} numbers, allowed: {game.num_logits} in {game.name}, "
            f"after {', '.join(game.states)}"
        )


def random_logits(key: Key, game: Game) -> Float[Array, "S"]:
    """Return a policy whose logits are N(0, 1): what learners start from."""
    return jax.random.normal(key, (game.num_logits,))


def logits_of(probabilities: tuple[float, ...]) -> Float[Array, "S"]:
    """Return logits of probabilities, 0 and 1 included."""
    p = jnp.asarray(probabilities, jnp.float32)
    return jnp.clip(jnp.log(p) - jnp.log1p(-p), -CERTAIN, CERTAIN)
