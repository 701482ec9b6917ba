"""A drift and a value loss that are learned jointly."""

from typing import ClassVar

import jax

from metadisco.config.fields import settings
from metadisco.objectives.arithmetic import in_float32
from metadisco.objectives.closed import mirror
from metadisco.objectives.losses import Losses
from metadisco.parametrisations.lpo_drift import LearnedDrift, drift_source, init_drift, learned_drift
from metadisco.parametrisations.value_loss import (
    LearnedValueLoss,
    init_value_loss,
    learned_value_loss,
    value_loss_source,
)
from metadisco.types import Key, MetaParams, Objective


@settings
class PolicyAndValue:
    """The learned drift of LPO together with the learned value loss."""

    learns: ClassVar[tuple[str, ...]] = ("policy", "value")
    features: ClassVar[tuple[int, str]] = (1, "policy: as lpo_drift; value: as value_loss")
    policy: LearnedDrift = LearnedDrift()
    """Settings of the drift."""
    value: LearnedValueLoss = LearnedValueLoss()
    """Settings of the value loss."""

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the initial meta-parameters of the search."""
        key_policy, key_value = jax.random.split(key)
        return {"policy": init_drift(self.policy, key_policy), "value": init_value_loss(self.value, key_value)}

    def bind(self, meta_params: MetaParams) -> Objective:
        """Return the objective with these meta-parameters."""
        return Objective(
            policy_loss=mirror(learned_drift(self.policy, meta_params["policy"])),
            value_loss=learned_value_loss(self.value, meta_params["value"]),
        )

    def resized(self, hidden_sizes: tuple[int, ...]) -> "PolicyAndValue":
        """Return the same settings with other widths, and an initialisation with non-zero gradients."""
        return PolicyAndValue(policy=self.policy.resized(hidden_sizes), value=self.value.resized(hidden_sizes))

    def source_losses(self, meta_params: MetaParams) -> Losses:
        """Return both losses in symbolic form, for exporting source."""
        return Losses(
            policy=drift_source(self.policy, meta_params["policy"]),
            value=value_loss_source(self.value, meta_params["value"]),
        )
