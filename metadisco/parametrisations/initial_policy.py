"""The policy from which a naive learner sets out: M-MAML, evolved.

Al-Shedivat, Bansal, Burda, Sutskever, Mordatch, Abbeel, "Continuous Adaptation via Meta-Learning in Nonstationary and
Competitive Environments" (ICLR 2018), as Lu et al. (2022) use it against other learners. They differentiate through
learning; we evolve.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp

from metadisco.config.fields import PositiveFloat, settings
from metadisco.inner.games.matrix import Game, Logits
from metadisco.inner.games.players.naive import Ascent
from metadisco.objectives.arithmetic import in_float32
from metadisco.parametrisations.meta_policy import GamePolicy
from metadisco.types import Key, MetaParams


@dataclass(frozen=True)
class NaiveFrom(Ascent):
    """A naive learner whose lifetimes all start at one policy."""

    start: Logits
    """Logits before the first step of learning."""
    learning_rate: float
    """Step size of the gradient ascent on the discounted value."""

    def init(self, key: Key, game: Game) -> Logits:
        """Return the learned start."""
        del key, game
        return self.start


@settings
class InitialPolicy(GamePolicy):
    """One logit per state: where a naive learner starts in every lifetime."""

    features: ClassVar[tuple[int, str]] = (1, "none")
    learning_rate: PositiveFloat = 1.0
    """Step size of the learner that starts there."""

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the meta-parameters at which the search starts: zeros."""
        del key
        return {"logits": jnp.zeros(self.num_logits)}

    def bind(self, meta_params: MetaParams) -> Any:
        """Return the learner that starts at these logits."""
        return NaiveFrom(meta_params["logits"], self.learning_rate)
