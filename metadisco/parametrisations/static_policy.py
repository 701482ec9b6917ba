"""One policy of the game, played throughout: the control that does not adapt.

Balaguer, Koster, Summerfield, Tacchetti, "The Good Shepherd" (2022) evolve such a policy against learning opponents.
"""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from metadisco.config.fields import PositiveFloat, settings
from metadisco.objectives.arithmetic import in_float32
from metadisco.parametrisations.meta_policy import GamePolicy
from metadisco.parametrisations.source_policy import SourcePolicy
from metadisco.types import Key, MetaParams, MetaPolicy


@settings
class StaticPolicy(GamePolicy):
    """One number per state, times output_scale; the search starts where all probabilities are ½."""

    features: ClassVar[tuple[int, str]] = (1, "none")
    output_scale: PositiveFloat = 4.0
    """Factor from meta-parameters to logits."""

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the meta-parameters at which the search starts: zeros."""
        del key
        return {"logits": jnp.zeros(self.num_logits)}

    def bind(self, meta_params: MetaParams) -> MetaPolicy:
        """Return the meta-policy that plays these logits."""

        def act(meta_state: Array, memory: tuple[()]) -> tuple[Array, tuple[()]]:
            del meta_state
            return self.output_scale * meta_params["logits"], memory

        return MetaPolicy(tuple, act)

    def source_policy(self, meta_params: MetaParams) -> SourcePolicy:
        """Return the description from which source is written."""
        logits = np.asarray(meta_params["logits"])
        return SourcePolicy(((np.zeros((0, len(logits))), logits),), self.output_scale, sees_policies=False)
