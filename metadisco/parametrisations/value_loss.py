"""The learned value loss φ(V − target): features, network and start of the search.

Lu, "Achieving 4000x Speedups and Meta-Evolving Discoveries with PureJaxRL" (2023): a loss of the value error alone,
evolved on CartPole-v1.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.config import ValueLossSettings
from metadisco.objectives import clip_drift, mirror
from metadisco.types import Key, MetaParams, Objective, Sample


class LossNetwork(nn.Module):
    """A tanh network with biases from the features of one sample to one number."""

    hidden_sizes: Sequence[int]

    @nn.compact
    def __call__(self, features: Float[Array, "... F"]) -> Float[Array, "..."]:
        """Return one number per sample."""
        x = features
        for width in self.hidden_sizes:
            x = nn.tanh(nn.Dense(width)(x))
        return nn.Dense(1, name="output")(x)[..., 0]


class ValueLoss(ValueLossSettings):
    """A value loss φ = base(δ) + output_scale · network(features), elementwise, with δ = V − target.

    The base is ½δ² where the search starts at the squared error (our default, the counterpart of LPO's
    PPO-initialisation) and 0 where it starts at `random` or `zeros`, as in the original. Features are δ, and by choice
    the target and the old value, unscaled. No constraint is imposed: φ may be asymmetric, non-convex or unbounded
    below, and it is identified only up to an additive constant. The policy loss is PPO's.

    At the start `squared_error` the output layer is zero but the hidden layers are random, so that perturbations of the
    output layer alone already change the loss. At `zeros` the biases keep mirrored perturbations from being equal.
    """

    def init(self, key: Key) -> MetaParams:
        """Return the meta-parameters at which the search starts."""
        params = LossNetwork(self.hidden_sizes).init(key, jnp.zeros(len(self.inputs)))["params"]
        if self.start == "zeros":
            return jax.tree.map(jnp.zeros_like, params)
        if self.start == "squared_error":
            return {**params, "output": jax.tree.map(jnp.zeros_like, params["output"])}
        return params

    def bind(self, meta_params: MetaParams) -> Objective:
        """Return PPO's policy loss with the value loss that these meta-parameters define."""
        network = LossNetwork(self.hidden_sizes)

        def value_loss(sample: Sample) -> Array:
            error = sample.value - sample.target
            features = {"error": error, "target": sample.target, "old_value": sample.old_value}
            inputs = jnp.stack([features[name] for name in self.inputs], -1)
            learned: Array = network.apply({"params": meta_params}, inputs)  # type: ignore[assignment]
            base = 0.5 * jnp.square(error) if self.start == "squared_error" else 0.0
            return base + self.output_scale * learned

        return Objective(policy_loss=mirror(clip_drift(self.clip_eps)), value_loss=value_loss)
