"""A meta-policy that sees only the time: a control that shows how much reacting to the other player adds."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from metadisco.config.fields import PositiveFloat, settings
from metadisco.objectives.arithmetic import in_float32
from metadisco.parametrisations.meta_policy import NetworkPolicy, init_network, logits_of
from metadisco.parametrisations.source_policy import SourcePolicy, layers_of
from metadisco.types import Key, MetaParams, MetaPolicy


@settings
class OpenLoopPolicy(NetworkPolicy):
    """A network from t / time_scale to logits, with t the number of decisions so far."""

    features: ClassVar[tuple[int, str]] = (1, "t / time_scale")
    time_scale: PositiveFloat = 100.0
    """Meta-steps by which the time is divided."""

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the meta-parameters at which the search starts."""
        return init_network(self, key, 1)

    def bind(self, meta_params: MetaParams) -> MetaPolicy:
        """Return the meta-policy that these meta-parameters define."""

        def act(meta_state: Array, memory: tuple[Array]) -> tuple[Array, tuple[Array]]:
            del meta_state
            (elapsed,) = memory
            return logits_of(self, meta_params, elapsed[None] / self.time_scale), (elapsed + 1,)

        return MetaPolicy(lambda: (jnp.float32(0),), act)

    def source_policy(self, meta_params: MetaParams) -> SourcePolicy:
        """Return the description from which source is written."""
        return SourcePolicy(layers_of(meta_params), self.output_scale, sees_policies=False, time_scale=self.time_scale)
