"""Objectives that separate a drift into its parts: terms added to PPO's clipping, and halves of a learned drift."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jax.nn import relu

from metadisco.objectives import clip_drift, mirror, probability_ratio, value_loss
from metadisco.types import Objective, Sample

MEAN_GAIN = 0.4  # E[A⁺] of standardised advantages: 1/√(2π) of normal ones

Term = Callable[[Array, Array], Array]
"""(r, A) -> term that is added to PPO's drift."""

TERMS: dict[str, Term] = {
    "0.6·A⁺·relu(0.999 − r)": lambda ratio, advantage: 0.6 * relu(advantage) * relu(0.999 - ratio),
    "0.24·relu(0.999 − r) for any A": lambda ratio, advantage: 0.6 * MEAN_GAIN * relu(0.999 - ratio),
    "0.6·A⁺·relu(0.98 − r)": lambda ratio, advantage: 0.6 * relu(advantage) * relu(0.98 - ratio),
    "0.6·A⁺·relu(0.95 − r)": lambda ratio, advantage: 0.6 * relu(advantage) * relu(0.95 - ratio),
    "3·A⁺·relu(1 − r)²": lambda ratio, advantage: 3 * relu(advantage) * jnp.square(relu(1 - ratio)),
}
"""One-sided penalties: with weight and without it, with a band around r = 1, and without a kink."""


def beside_ppo(term: Term, clip_eps: float = 0.2, value_clip_eps: float = 0.2) -> Objective:
    """Return PPO's objective with a term added to its drift."""
    clip = clip_drift(clip_eps)

    def drift(sample: Sample) -> Array:
        return clip(sample) + term(probability_ratio(sample), sample.advantage)

    return Objective(mirror(drift), value_loss(value_clip_eps))


def halves(for_gains: Objective, for_losses: Objective) -> Objective:
    """Return the policy loss of one objective where A > 0 and of another elsewhere; the value loss of the first."""

    def policy_loss(sample: Sample) -> Array:
        return jnp.where(sample.advantage > 0, for_gains.policy_loss(sample), for_losses.policy_loss(sample))

    return Objective(policy_loss, for_gains.value_loss)
