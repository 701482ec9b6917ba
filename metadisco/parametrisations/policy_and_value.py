"""A drift and a value loss learned together."""

import jax

from metadisco.config import PolicyAndValueSettings
from metadisco.objectives.arithmetic import in_float32
from metadisco.objectives.closed import mirror
from metadisco.objectives.losses import Losses, Network, layers_of
from metadisco.parametrisations.lpo_drift import init_drift, learned_drift
from metadisco.parametrisations.value_loss import init_value_loss, learned_value_loss
from metadisco.types import Key, MetaParams, Objective


class PolicyAndValue(PolicyAndValueSettings):
    """The learned drift of LPO and the learned value loss, each with settings and meta-parameters of its own."""

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the meta-parameters at which the search starts."""
        key_policy, key_value = jax.random.split(key)
        return {"policy": init_drift(self.policy, key_policy), "value": init_value_loss(self.value, key_value)}

    def bind(self, meta_params: MetaParams) -> Objective:
        """Return the objective that these meta-parameters define."""
        return Objective(
            policy_loss=mirror(learned_drift(self.policy, meta_params["policy"])),
            value_loss=learned_value_loss(self.value, meta_params["value"]),
        )

    def source_losses(self, meta_params: MetaParams) -> Losses:
        """Return both losses as what source is written from."""
        return Losses(
            policy=Network(self.policy, layers_of(meta_params["policy"])),
            value=Network(self.value, layers_of(meta_params["value"])),
        )
