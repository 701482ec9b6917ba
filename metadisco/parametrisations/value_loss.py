"""The learned value loss φ(V − target): settings, features, network, initialisation, and source.

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
    """Settings of the learned value loss, without the policy loss."""

    hidden_sizes: Sizes = (64, 64)
    """Widths of the hidden tanh layers of the loss network."""
    inputs: tuple[Literal["error", "target", "old_value"], ...] = ("error",)
    """Inputs of the network: the error V − target, and optionally the target and the old value."""
    output_scale: PositiveFloat = 1.0
    """Factor by which the network's output is multiplied."""
    start: Literal["squared_error", "random", "zeros"] = "squared_error"
    """Initial loss of the search: the squared error, a random network, or a network of zeros."""

    def __post_init__(self) -> None:
        """Check the inputs."""
        if "error" not in self.inputs or len(set(self.inputs)) != len(self.inputs):
            raise ValueError(
                f"inputs: got {list(self.inputs)}, allowed: 'error' and optionally 'target' and 'old_value', each once"
            )

    def resized(self, hidden_sizes: tuple[int, ...]) -> "LearnedValueLoss":
        """Return the same settings with other widths, and an initialisation with non-zero gradients."""
        return replace(self, hidden_sizes=hidden_sizes, start="random" if self.start == "zeros" else self.start)


class LossNetwork(nn.Module):
    """A tanh network with biases, which maps the features of a sample to one number."""

    hidden_sizes: Sequence[int]

    @nn.compact
    def __call__(self, features: Float[Array, "... F"]) -> Float[Array, "..."]:
        """Return one number per sample."""
        x = features
        for width in self.hidden_sizes:
            x = nn.tanh(nn.Dense(width)(x))
        return nn.Dense(1, name="output")(x)[..., 0]


def init_value_loss(settings: LearnedValueLoss, key: Key) -> MetaParams:
    """Return the initial meta-parameters of the search for a value loss."""
    params = LossNetwork(settings.hidden_sizes).init(key, jnp.zeros(len(settings.inputs)))["params"]
    if settings.start == "zeros":
        return jax.tree.map(jnp.zeros_like, params)
    if settings.start == "squared_error":
        return {**params, "output": jax.tree.map(jnp.zeros_like, params["output"])}
    return params


def learned_value_loss(settings: LearnedValueLoss, meta_params: MetaParams) -> Loss:
    """Return φ = base(δ) + output_scale · network(features), elementwise, with δ = V − target.

    The base is ½δ² if the search starts at the squared error (the default, which corresponds to LPO's initialisation
    at PPO), and 0 if it starts at `random` or `zeros`, as in the original work. Features are δ and optionally the
    target and the old value, unscaled. There is no constraint: φ may be asymmetric, non-convex or unbounded below. It
    is determined only up to an additive constant.
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
    """Return `learned_value_loss` in symbolic form, for exporting source."""
    loss = multiply(settings.output_scale, "network")
    if settings.start == "squared_error":
        loss = add(multiply(0.5, apply("square", "error")), loss)
    return Network(loss, settings.inputs, layers_of(meta_params))


@settings
class ValueLoss(LearnedValueLoss):
    """A learned value loss (see `learned_value_loss`) with PPO's policy loss.

    With `start: squared_error` the output layer is zero but the hidden layers are random, so that perturbations of the
    output layer change the loss. With `start: zeros` the biases make mirrored perturbations differ.
    """

    learns: ClassVar[tuple[str, ...]] = ("value",)
    features: ClassVar[tuple[int, str]] = (
        1,
        "V - target; target; old value: those that `inputs` names, in its order, unscaled",
    )
    clip_eps: PositiveFloat = 0.2
    """Clipping range of PPO's policy loss, which is not learned."""

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the initial meta-parameters of the search."""
        return init_value_loss(self, key)

    def bind(self, meta_params: MetaParams) -> Objective:
        """Return PPO's policy loss, and the value loss with these meta-parameters."""
        return Objective(mirror(clip_drift(self.clip_eps)), learned_value_loss(self, meta_params))

    def source_losses(self, meta_params: MetaParams) -> Losses:
        """Return both losses in symbolic form, for exporting source."""
        return Losses(ppo_drift(self.clip_eps), value_loss_source(self, meta_params))
