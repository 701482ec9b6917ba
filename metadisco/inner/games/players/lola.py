"""Learners that anticipate the other player's learning: LOLA, in both of its forms, and LookAhead."""

from typing import Literal

import jax

from metadisco.config.fields import NonNegativeFloat, PositiveFloat, settings
from metadisco.inner.games.matrix import Game, Logits, change_of_gradients, gradients
from metadisco.inner.games.players.base import RandomStart

Form = Literal["exact", "first_paper", "look_ahead"]


@settings
class LOLA(RandomStart):
    """Gradient ascent on its own value after a naive step of the other player, to first order, from N(0, 1) logits.

    Foerster et al., "Learning with Opponent-Learning Awareness" (2018).
    """

    learning_rate: PositiveFloat = 1.0
    """Step of its own, on discounted values as for `naive`."""
    look_ahead: NonNegativeFloat = 1.0
    """Step that it expects of the other player; 0: a naive learner."""
    form: Literal["exact", "first_paper"] = "exact"
    """Part of ∂V_own/∂θ_other · ∂V_other/∂θ_other that is differentiated: the whole product, as in M-FOS and in Letcher
    et al., "Stable Opponent Shaping" (2019); or the other player's step alone, as in the first paper."""

    def update(
        self,
        state: Logits,
        own_logits: Logits,
        other_logits: Logits,
        game: Game,
    ) -> Logits:
        """Return its policy after a step from the current one."""
        return state + self.learning_rate * anticipating_gradient(game, state, other_logits, self.look_ahead, self.form)


@settings
class LookAhead(RandomStart):
    """Gradient ascent at the other player's policy after a naive step, through which nothing is differentiated.

    Computed to first order in that step, as by Letcher et al. (2019): the part of LOLA that the first paper leaves out.
    """

    learning_rate: PositiveFloat = 1.0
    """Step of its own, on discounted values as for `naive`."""
    look_ahead: NonNegativeFloat = 1.0
    """Step that it expects of the other player; 0: a naive learner."""

    def update(
        self,
        state: Logits,
        own_logits: Logits,
        other_logits: Logits,
        game: Game,
    ) -> Logits:
        """Return its policy after a step from the current one."""
        return state + self.learning_rate * anticipating_gradient(
            game, state, other_logits, self.look_ahead, "look_ahead"
        )


def anticipating_gradient(game: Game, own: Logits, other: Logits, look_ahead: float, form: Form) -> Logits:
    """Return ∂_o V_o + α ∂_o [∂_s V_o · ∂_s V_s], o being this player and s the other.

    The derivative of the product is D_s(∂_o V_o)[∂_s V_s] + D_s(∂_o V_s)[∂_s V_o]: how two gradients change along a
    direction. LookAhead has the first alone, the first form of LOLA the second.
    """
    # Without the barrier XLA computes the directions anew for every number that uses them: twice the time on CPU.
    at = jax.lax.optimization_barrier(gradients(game, own, other))
    total = at.own_by_own
    if form in ("exact", "look_ahead"):
        total += look_ahead * change_of_gradients(game, own, other, at.other_by_other).own_by_own
    if form in ("exact", "first_paper"):
        total += look_ahead * change_of_gradients(game, own, other, at.own_by_other).other_by_own
    return total
