"""A meta-policy with a memory of the whole meta-episode.

Khan, Willi, Kwan, Tacchetti, Grefenstette, Rocktäschel, Lu, Foerster, "Scaling Opponent Shaping to High Dimensional
Games" (AAMAS 2024), called Shaper. We differ: it sees both policies, as M-FOS does, and chooses one per meta-step.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from metadisco.config.fields import Width, settings
from metadisco.objectives.arithmetic import in_float32
from metadisco.parametrisations.meta_policy import NetworkPolicy, init_network, logits_of
from metadisco.parametrisations.source_policy import SourcePolicy, Unit, layers_of
from metadisco.types import Key, MetaParams, MetaPolicy


@settings
class RecurrentPolicy(NetworkPolicy):
    """A gated recurrent unit (Cho et al. 2014) below the policy network."""

    features: ClassVar[tuple[int, str]] = (
        1,
        "2p - 1 for the own and then the other's probabilities of the first action, states in the order start, CC, "
        "CD, DC, DD, each from its player's viewpoint",
    )
    memory_size: Width = 16
    """Width of the memory."""

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the meta-parameters at which the search starts; recurrent weights are orthogonal."""
        key_input, key_memory, key_network = jax.random.split(key, 3)
        width = self.memory_size
        normal, orthogonal = jax.nn.initializers.lecun_normal(), jax.nn.initializers.orthogonal()
        return {
            "unit": {
                "input": normal(key_input, (2 * self.num_logits, 3 * width)),
                "memory": jnp.concatenate(
                    [orthogonal(key, (width, width)) for key in jax.random.split(key_memory, 3)], 1
                ),
                "bias": jnp.zeros(3 * width),
            },
            "network": init_network(self, key_network, width),
        }

    def bind(self, meta_params: MetaParams) -> MetaPolicy:
        """Return the meta-policy that these meta-parameters define."""

        def act(meta_state: Array, memory: Array) -> tuple[Array, Array]:
            memory = gated(meta_params["unit"], 2 * meta_state - 1, memory)
            return logits_of(self, meta_params["network"], memory), memory

        return MetaPolicy(lambda: jnp.zeros(self.memory_size), act)

    def source_policy(self, meta_params: MetaParams) -> SourcePolicy:
        """Return the description from which source is written."""
        unit = Unit(**{name: np.asarray(array) for name, array in meta_params["unit"].items()})
        return SourcePolicy(layers_of(meta_params["network"]), self.output_scale, unit=unit)


def gated(unit: dict[str, Array], x: Float[Array, "F"], memory: Float[Array, "H"]) -> Float[Array, "H"]:
    """Return the next memory of a gated recurrent unit.

    With i = Wx + b and h = U·memory, each in three parts for reset r, update z and candidate n:
    r = σ(i_r + h_r), z = σ(i_z + h_z), n = tanh(i_n + r·h_n), and the memory becomes (1 − z)·n + z·memory.
    """
    reset_in, update_in, candidate_in = jnp.split(x @ unit["input"] + unit["bias"], 3)
    reset_back, update_back, candidate_back = jnp.split(memory @ unit["memory"], 3)
    reset, update = jax.nn.sigmoid(reset_in + reset_back), jax.nn.sigmoid(update_in + update_back)
    candidate = jnp.tanh(candidate_in + reset * candidate_back)
    return (1 - update) * candidate + update * memory
