"""The learned value loss φ(V − target): settings, features, network, start of the search, and source.

Lu, "Achieving 4000x Speedups and Meta-Evolving Discoveries with PureJaxRL" (2023): a loss of the value error alone,
evolved on CartPole-v1.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.config.fields import PositiveFloat, Sizes, settings
from metadisco.objectives.arithmetic import in_float32
from metadisco.objectives.closed import clip_drift, mirror
from metadisco.objectives.expressions import add, apply, multiply
from metadisco.objectives.losses import Losses, Network, layers_of, ppo_drift
from metadisco.objectives.tabulate import TabulableLoss, tabulated
from metadisco.types import Key, Loss, MetaParams, Objective, Sample


@settings
class LearnedValueLoss:
    """Settings of the learned value loss alone."""

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

    def resized(self, hidden_sizes: tuple[int, ...]) -> "LearnedValueLoss":
        """Return the same with other widths, at a start that gradients can leave."""
        return replace(self, hidden_sizes=hidden_sizes, start="random" if self.start == "zeros" else self.start)


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


def init_value_loss(settings: LearnedValueLoss, key: Key) -> MetaParams:
    """Return the meta-parameters at which the search for a value loss starts."""
    params = LossNetwork(settings.hidden_sizes).init(key, jnp.zeros(len(settings.inputs)))["params"]
    if settings.start == "zeros":
        return jax.tree.map(jnp.zeros_like, params)
    if settings.start == "squared_error":
        return {**params, "output": jax.tree.map(jnp.zeros_like, params["output"])}
    return params


def learned_value_loss(settings: LearnedValueLoss, meta_params: MetaParams) -> Loss:
    """Return φ = base(δ) + output_scale · network(features), elementwise, with δ = V − target.

    The base is ½δ² where the search starts at the squared error (our default, the counterpart of LPO's
    PPO-initialisation) and 0 where it starts at `random` or `zeros`, as in the original. Features are δ, and by choice
    the target and the old value, unscaled. No constraint is imposed: φ may be asymmetric, non-convex or unbounded
    below, and it is identified only up to an additive constant.
    """
    network = LossNetwork(settings.hidden_sizes)

    def of_error(params: MetaParams, error: Array) -> Array:
        numbers: Array = network.apply({"params": params}, error[..., None])  # type: ignore[assignment]
        return numbers

    def tabulate() -> Loss:
        table = tabulated(of_error, meta_params)
        return _with_base(settings, lambda sample: table(sample.value - sample.target))

    def learned(sample: Sample) -> Array:
        features = {"error": sample.value - sample.target, "target": sample.target, "old_value": sample.old_value}
        inputs = jnp.stack([features[name] for name in settings.inputs], -1)
        numbers: Array = network.apply({"params": meta_params}, inputs)  # type: ignore[assignment]
        return numbers

    exact = _with_base(settings, learned)
    if settings.inputs == ("error",):
        return TabulableLoss(exact, tabulate)
    return exact


def _with_base(settings: LearnedValueLoss, learned: Loss) -> Loss:
    def loss(sample: Sample) -> Array:
        base = 0.5 * jnp.square(sample.value - sample.target) if settings.start == "squared_error" else 0.0
        return base + settings.output_scale * learned(sample)

    return loss


def value_loss_source(settings: LearnedValueLoss, meta_params: MetaParams) -> Network:
    """Return what `learned_value_loss` is as what source is written from."""
    loss = multiply(settings.output_scale, "network")
    if settings.start == "squared_error":
        loss = add(multiply(0.5, apply("square", "error")), loss)
    return Network(loss, settings.inputs, layers_of(meta_params))


@settings
class ValueLoss(LearnedValueLoss):
    """A learned value loss (see `learned_value_loss`) beside PPO's policy loss.

    At the start `squared_error` the output layer is zero but the hidden layers are random, so that perturbations of the
    output layer alone already change the loss. At `zeros` the biases keep mirrored perturbations from being equal.
    """

    learns: ClassVar[tuple[str, ...]] = ("value",)
    features: ClassVar[tuple[int, str]] = (
        1,
        "V - target; target; old value: those that `inputs` names, in its order, unscaled",
    )
    clip_eps: PositiveFloat = 0.2
    """Clipping constant of PPO's policy loss, which is not learned here."""

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the meta-parameters at which the search starts."""
        return init_value_loss(self, key)

    def bind(self, meta_params: MetaParams) -> Objective:
        """Return PPO's policy loss with the value loss that these meta-parameters define."""
        return Objective(mirror(clip_drift(self.clip_eps)), learned_value_loss(self, meta_params))

    def source_losses(self, meta_params: MetaParams) -> Losses:
        """Return both losses as what source is written from."""
        return Losses(ppo_drift(self.clip_eps), value_loss_source(self, meta_params))
