"""Settings of the closed objectives and of the parametrisations, by the names they have in a config."""

from typing import Literal

from .fields import PositiveFloat, Sizes, settings


@settings
class PPOObjectiveSettings:
    """Constants of PPO's own objective (Schulman et al., 2017)."""

    clip_eps: PositiveFloat = 0.2
    """Half-width of the interval within which the probability ratio is unclipped."""
    value_clip_eps: PositiveFloat | None = 0.2
    """Half-width of the value clipping of PPO's reference code; null for plain squared error."""


@settings
class ValueLossSettings:
    """Settings of the learned value loss φ(V − target); see `metadisco.parametrisations.ValueLoss`."""

    hidden_sizes: Sizes = (64, 64)
    """Widths of the hidden tanh layers of the loss network."""
    inputs: tuple[Literal["error", "target", "old_value"], ...] = ("error",)
    """What the network sees of each sample: the error V − target, and optionally the target and the old value."""
    output_scale: PositiveFloat = 1.0
    """Factor on the network's output."""
    start: Literal["squared_error", "random", "zeros"] = "squared_error"
    """Where the search starts: at the squared error, at a random network, or at all-zero meta-parameters."""
    clip_eps: PositiveFloat = 0.2
    """Clipping constant of PPO's policy loss, which is not learned here."""

    def __post_init__(self) -> None:
        """Check what involves more than one field."""
        if "error" not in self.inputs or len(set(self.inputs)) != len(self.inputs):
            raise ValueError(
                f"inputs: got {list(self.inputs)}, allowed: 'error' and optionally 'target' and 'old_value', each once"
            )


OBJECTIVE_SETTINGS: dict[str, type] = {"ppo": PPOObjectiveSettings}
"""Closed objectives by name."""

PARAMETRISATION_SETTINGS: dict[str, type] = {"value_loss": ValueLossSettings}
"""Built-in parametrisations by name."""
