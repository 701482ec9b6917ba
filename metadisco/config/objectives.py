"""Settings of the closed-form objectives, by their names in a config."""

from .fields import PositiveFloat, settings


@settings
class ObjectiveSettings:
    """Settings of all closed-form objectives. On its own: the policy gradient (no drift) with PPO's value loss."""

    value_clip_eps: PositiveFloat | None = 0.2
    """Clipping range of PPO's clipped value loss; null for the plain squared error."""


@settings
class PPOObjectiveSettings(ObjectiveSettings):
    """Settings of PPO's objective (Schulman et al., 2017)."""

    clip_eps: PositiveFloat = 0.2
    """Clipping range ε: the probability ratio is clipped to [1 − ε, 1 + ε]."""


@settings
class DPOObjectiveSettings(ObjectiveSettings):
    """Settings of Discovered Policy Optimisation (Lu et al., 2022)."""

    alpha: PositiveFloat = 2.0
    """Scale at which the surrogate saturates for positive advantages."""
    beta: PositiveFloat = 0.6
    """Scale at which the surrogate saturates for negative advantages."""


@settings
class WeightedObjectiveSettings(ObjectiveSettings):
    """Settings of an objective whose drift or penalty has a single coefficient."""

    coef: PositiveFloat = 1.0
    """Coefficient of the drift or penalty."""


@settings
class ClippedKLSettings(PPOObjectiveSettings):
    """Settings of PPO's objective with a KL penalty."""

    coef: PositiveFloat = 1.0
    """Coefficient of the penalty (r − 1) − log r."""


@settings
class ClippedTotalVariationSettings(PPOObjectiveSettings):
    """Settings of PPO's objective with a total-variation penalty."""

    coef: PositiveFloat = 0.12
    """Coefficient of the penalty ∣r − 1∣."""


OBJECTIVE_SETTINGS: dict[str, type] = {
    "ppo": PPOObjectiveSettings,
    "dpo": DPOObjectiveSettings,
    "kl": WeightedObjectiveSettings,
    "quadratic": WeightedObjectiveSettings,
    "policy_gradient": ObjectiveSettings,
    "total_variation": WeightedObjectiveSettings,
    "ppo_kl": ClippedKLSettings,
    "ppo_total_variation": ClippedTotalVariationSettings,
}
"""Settings of the closed-form objectives, by name."""
