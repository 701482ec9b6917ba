"""Naive learners: gradient ascent on the player's own value as if the other player's policy were fixed."""

import jax.numpy as jnp

from metadisco.config.fields import Float as Number
from metadisco.config.fields import PositiveFloat, settings
from metadisco.inner.games.matrix import Game, Logits, gradient
from metadisco.inner.games.players.base import PolicyIsState, RandomStart, check_numbers
from metadisco.types import Key


class Ascent(PolicyIsState):
    """Base of learners that follow the gradient of their own value."""

    learning_rate: float

    def update(self, state: Logits, own_logits: Logits, other_logits: Logits, game: Game) -> Logits:
        """Return its policy after a step from the current one."""
        del own_logits
        return state + self.learning_rate * gradient(game, state, other_logits)


@settings
class Naive(Ascent, RandomStart):
    """Gradient ascent on its own discounted value, from N(0, 1) logits."""

    learning_rate: PositiveFloat = 1.0
    """Step along ∂V/∂θ; V is discounted, 1/(1 − γ) times the reward that is reported."""


@settings
class MMAML(Ascent):
    """A naive learner from a given policy: with one that was meta-learned, M-MAML."""

    initial_logits: tuple[Number, ...]
    """Where every lifetime starts: logits of C after start, CC, CD, DC, DD; one in a game of one round."""
    learning_rate: PositiveFloat = 1.0
    """As of `naive`."""

    def init(self, key: Key, game: Game) -> Logits:
        """Return the given policy.

        Raises:
            UserError: if it has another number of logits than policies of the game have.
        """
        check_numbers(self.initial_logits, game, "initial_logits")
        return jnp.asarray(self.initial_logits, jnp.float32)
