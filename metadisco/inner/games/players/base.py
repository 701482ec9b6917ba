"""The interface of players, independent of their seat, and base classes of several players."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.config.fields import NonNegativeFloat, settings
from metadisco.errors import UserError
from metadisco.inner.games.matrix import Game, Logits
from metadisco.inner.games.sampled import Experience
from metadisco.types import Key

CERTAIN = 100.0
"""A logit at which σ is 1 and at whose negative it is 0, in single precision."""


@runtime_checkable
class Player(Protocol):
    """A player, in either seat. Frozen, with static settings.

    Policies are logits [S, ...], each in the order of its own player's states; the axes after S are lifetimes, none or
    many, that must not touch each other: arithmetic by the element does that by itself, and is quick. A player that is
    written for one lifetime alone, with policies [S] and any state, is made one for many by `ByLifetime`.
    `game` is as this player sees it. All three methods are pure, and safe under `jit` and `vmap`.
    """

    def init(self, key: Key, game: Game) -> Any:
        """Return its state at the start of one lifetime, an array or another pytree; the key is consumed.

        Raises:
            UserError: if it cannot play this game.
        """

    def logits(self, state: Any) -> Logits:
        """Return the policy that it plays next."""

    def update(self, state: Any, own_logits: Logits, other_logits: Logits, game: Game) -> Any:
        """Return its state after one play of two policies against each other.

        Args:
            state: before it; lifetimes are the last axis of every leaf.
            own_logits: the policy played in this seat: `logits(state)`, except for a first play drawn at random.
            other_logits: the other player's policy.
            game: as this player sees it.
        """


@runtime_checkable
class SampledPlayer(Player, Protocol):
    """A player that learns from its own states, actions and rewards: with one, a game is played action by action.

    Its `update`, to which policies are shown, changes nothing.
    """

    @property
    def num_steps(self) -> int:
        """Steps of a play in one environment, T; from the start state in every play."""

    @property
    def num_envs(self) -> int:
        """Environments side by side, N, in which both policies of a lifetime play."""

    def learn(self, key: Key, state: Any, experience: Experience, game: Game) -> Any:
        """Return its state after one play.

        Args:
            key: of all lifetimes; consumed.
            state: before it; lifetimes are the last axis of every leaf.
            experience: its states, actions and rewards in this play.
            game: as this player sees it.
        """


@dataclass(frozen=True)
class ByLifetime:
    """A player that is written for one lifetime, made one for many."""

    one: Player
    """Its policies are [S], and its methods may do anything with them."""

    def init(self, key: Key, game: Game) -> Any:
        """Return its state at the start of one lifetime."""
        return self.one.init(key, game)

    def logits(self, state: Any) -> Float[Array, "S B"]:
        """Return the policies that it plays next."""
        policies: Array = jax.vmap(self.one.logits, in_axes=-1, out_axes=-1)(state)
        return policies

    def update(self, state: Any, own_logits: Float[Array, "S B"], other_logits: Float[Array, "S B"], game: Game) -> Any:
        """Return its states after one play in each lifetime."""

        def update(state: Any, own: Array, other: Array) -> Any:
            return self.one.update(state, own, other, game)

        return jax.vmap(update, in_axes=-1, out_axes=-1)(state, own_logits, other_logits)


class PolicyIsState:
    """Base of players whose state is their policy."""

    def logits(self, state: Logits) -> Logits:
        """Return its policy, which is its state."""
        return state


@settings
class RandomStart(PolicyIsState):
    """Base of those among them that start at random."""

    initial_std: NonNegativeFloat = 1.0
    """Spread of the normal distribution, around 0, of the logits that a lifetime starts from."""

    def init(self, key: Key, game: Game) -> Logits:
        """Return N(0, initial_std²) logits."""
        return self.initial_std * random_logits(key, game)


def check_numbers(numbers: Sequence[float], game: Game, name: str) -> None:
    """Refuse numbers that are not one for each state.

    Raises:
        UserError: with the required number.
    """
    if len(numbers) != game.num_logits:
        raise UserError(
            f"{name}: got {len(numbers)} numbers, allowed: {game.num_logits} in {game.name}, "
            f"after {', '.join(game.states)}"
        )


def random_logits(key: Key, game: Game) -> Logits:
    """Return a policy with N(0, 1) logits, at which learners start."""
    return jax.random.normal(key, (game.num_logits,))


def logits_of(probabilities: tuple[float, ...]) -> Logits:
    """Return logits of probabilities, 0 and 1 included."""
    p = jnp.asarray(probabilities, jnp.float32)
    return jnp.clip(jnp.log(p) - jnp.log1p(-p), -CERTAIN, CERTAIN)
