"""The policy from which a naive learner sets out: M-MAML, evolved.

Al-Shedivat, Bansal, Burda, Sutskever, Mordatch, Abbeel, "Continuous Adaptation via Meta-Learning in Nonstationary and
Competitive Environments" (ICLR 2018), as Lu et al. (2022) use it against other learners. They differentiate through
learning; we evolve.
"""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.config.fields import PositiveFloat, settings
from metadisco.inner.games.matrix import Game, gradient
from metadisco.objectives.arithmetic import in_float32
from metadisco.parametrisations.meta_policy import GamePolicy
from metadisco.types import Key, MetaParams


class NaiveFrom(NamedTuple):
    """A naive learner whose lifetimes all start at one policy; a `Player` of `metadisco.inner.games`."""

    start: Float[Array, "N"]
    """Logits before the first step of learning."""
    learning_rate: float
    """Of the gradient ascent, on the discounted value."""

    def init(self, key: Key, game: Game) -> Float[Array, "N"]:
        """Return the learned start."""
        del key, game
        return self.start

    def logits(self, state: Float[Array, "N"]) -> Float[Array, "N"]:
        """Return its policy, which is its state."""
        return state

    def update(self, state: Array, own_logits: Array, other_logits: Array, game: Game) -> Float[Array, "N"]:
        """Return its policy after a step along its own gradient."""
        del own_logits
        return state + self.learning_rate * gradient(game, state, other_logits)


@settings
class InitialPolicy(GamePolicy):
    """One logit per state: where a naive learner starts in every lifetime."""

    features: ClassVar[tuple[int, str]] = (1, "none")
    learning_rate: PositiveFloat = 1.0
    """Of the learner that starts there."""

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the meta-parameters at which the search starts: zeros."""
        del key
        return {"logits": jnp.zeros(self.num_logits)}

    def bind(self, meta_params: MetaParams) -> Any:
        """Return the learner that starts at these logits."""
        return NaiveFrom(meta_params["logits"], self.learning_rate)
