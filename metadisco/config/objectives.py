"""Settings of the closed objectives and of the parametrisations, by the names they have in a config."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .fields import Bool, NonNegativeFloat, PositiveFloat, Sizes, settings


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


@settings
class LearnedValueLossSettings:
    """Settings of the learned value loss φ(V − target) alone; see `metadisco.parametrisations.value_loss`."""

    hidden_sizes: Sizes = (64, 64)
    """Widths of the hidden tanh layers of the loss network."""
    inputs: tuple[Literal["error", "target", "old_value"], ...] = ("error",)
    """What the network sees of each sample: the error V − target, and optionally the target and the old value."""
    output_scale: PositiveFloat = 1.0
    """Factor on the network's output."""
    start: Literal["squared_error", "random", "zeros"] = "squared_error"
    """Where the search starts: at the squared error, at a random network, or at all-zero meta-parameters."""

    def __post_init__(self) -> None:
        """Check what involves more than one field."""
        if "error" not in self.inputs or len(set(self.inputs)) != len(self.inputs):
            raise ValueError(
                f"inputs: got {list(self.inputs)}, allowed: 'error' and optionally 'target' and 'old_value', each once"
            )


@settings
class ValueLossSettings(LearnedValueLossSettings):
    """Settings of a learned value loss beside PPO's policy loss; see `metadisco.parametrisations.ValueLoss`."""

    learns: ClassVar[tuple[str, ...]] = ("value",)
    clip_eps: PositiveFloat = 0.2
    """Clipping constant of PPO's policy loss, which is not learned here."""


@settings
class LearnedDriftSettings:
    """Settings of the learned drift alone; see `metadisco.parametrisations.lpo_drift`."""

    hidden_sizes: Annotated[Sizes, Field(min_length=1)] = (128,)
    """Widths of the hidden tanh layers of the drift network, which has no biases."""
    ppo_init: Bool = True
    """Add the network to PPO's drift, so that the search starts at PPO and not at no drift."""
    clip_eps: PositiveFloat = 0.2
    """Clipping constant of that PPO drift."""
    margin: NonNegativeFloat = 1e-4
    """Subtracted before the ReLU, which is what makes the drift flat at r = 1; zero is for tests, it loses that."""
    feature_clip: PositiveFloat | None = None
    """Bound of the features; null for none."""
    time_aware: Bool = False
    """Show the network the elapsed fraction of the life: the eight features, and once more times that fraction."""
    output_scale: PositiveFloat = 1.0
    """Factor on the network's output."""
    start: Literal["zero_output", "random"] = "zero_output"
    """Where the search starts: with an output layer of zeros on random hidden layers, or all at random."""


@settings
class LPODriftSettings(LearnedDriftSettings):
    """Settings of a learned drift beside PPO's value loss; see `metadisco.parametrisations.LPODrift`."""

    learns: ClassVar[tuple[str, ...]] = ("policy",)
    value_clip_eps: PositiveFloat | None = 0.2
    """Half-width of the value clipping of PPO's reference code; null for plain squared error."""


@settings
class PolicyAndValueSettings:
    """Settings of a drift and a value loss learned together; see `metadisco.parametrisations.PolicyAndValue`."""

    policy: LearnedDriftSettings = LearnedDriftSettings()
    """The drift."""
    value: LearnedValueLossSettings = LearnedValueLossSettings()
    """The value loss."""


OBJECTIVE_SETTINGS: dict[str, type] = {
    "ppo": PPOObjectiveSettings,
    "dpo": DPOObjectiveSettings,
    "kl": WeightedObjectiveSettings,
    "quadratic": WeightedObjectiveSettings,
    "policy_gradient": ObjectiveSettings,
    "total_variation": WeightedObjectiveSettings,
}
"""Closed objectives by name."""

PARAMETRISATION_SETTINGS: dict[str, type] = {
    "value_loss": ValueLossSettings,
    "lpo_drift": LPODriftSettings,
    "policy_and_value": PolicyAndValueSettings,
}
"""Built-in parametrisations by name; `learns` says which losses, where not both are learned."""
