"""Settings of the closed objectives, by the names they have in a config."""

from .fields import PositiveFloat, settings


@settings
class ObjectiveSettings:
    """What every closed objective has: PPO's value loss, and by itself no drift (the plain policy gradient)."""

    value_clip_eps: PositiveFloat | None = 0.2
    """Half-width of the value clipping of PPO's reference code; null for plain squared error."""


@settings
class PPOObjectiveSettings(ObjectiveSettings):
    """Constants of PPO's own objective (Schulman et al., 2017)."""

    clip_eps: PositiveFloat = 0.2
    """Half-width of the interval within which the probability ratio is unclipped."""


@settings
class DPOObjectiveSettings(ObjectiveSettings):
    """Constants of Discovered Policy Optimisation (Lu et al., 2022)."""

    alpha: PositiveFloat = 2.0
    """How far the ratio may profit from a positive advantage."""
    beta: PositiveFloat = 0.6
    """How soon a ratio that fell at a negative advantage is pushed back up."""


@settings
class WeightedObjectiveSettings(ObjectiveSettings):
    """Constants of an objective whose drift or penalty has a weight alone."""

    coef: PositiveFloat = 1.0
    """Weight of the drift or penalty."""


OBJECTIVE_SETTINGS: dict[str, type] = {
    "ppo": PPOObjectiveSettings,
    "dpo": DPOObjectiveSettings,
    "kl": WeightedObjectiveSettings,
    "quadratic": WeightedObjectiveSettings,
    "policy_gradient": ObjectiveSettings,
    "total_variation": WeightedObjectiveSettings,
}
"""Closed objectives by name."""
