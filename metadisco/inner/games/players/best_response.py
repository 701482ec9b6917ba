"""A player that answers each policy as well as gradient ascent can."""

from typing import NamedTuple

import jax
from jax import Array

from metadisco.config.fields import NonNegativeFloat, PositiveFloat, PositiveInt, settings
from metadisco.inner.games.matrix import Game, Logits, gradient
from metadisco.inner.games.players.base import random_logits
from metadisco.types import Key


class BestResponseState(NamedTuple):
    """Of one lifetime."""

    start: Logits
    """Where each ascent begins."""
    policy: Logits
    """Where the last one ended."""


@settings
class BestResponse:
    """Many naive steps against what the other player has just played, each time from the same N(0, 1) logits."""

    num_steps: PositiveInt = 1000
    """Steps for each answer."""
    learning_rate: PositiveFloat = 1.0
    """As of `naive`."""
    initial_std: NonNegativeFloat = 1.0
    """As of `naive`."""

    def init(self, key: Key, game: Game) -> BestResponseState:
        """Return N(0, initial_std²) logits, which it plays before it has seen anything."""
        start = self.initial_std * random_logits(key, game)
        return BestResponseState(start, policy=start)

    def logits(self, state: BestResponseState) -> Logits:
        """Return its last answer."""
        return state.policy

    def update(
        self,
        state: BestResponseState,
        own_logits: Logits,
        other_logits: Logits,
        game: Game,
    ) -> BestResponseState:
        """Return its answer to the policy that the other player has played."""

        def climb(_: Array, policy: Array) -> Array:
            return policy + self.learning_rate * gradient(game, policy, other_logits)

        return state._replace(policy=jax.lax.fori_loop(0, self.num_steps, climb, state.start))
