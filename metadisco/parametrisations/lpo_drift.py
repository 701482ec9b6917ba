"""The learned drift of LPO: settings, features, network, constraint, initialisation, and source.

Lu et al., "Discovered Policy Optimisation" (2022). The time-aware variant is due to Jackson et al., "Discovering
Temporally-Aware Reinforcement Learning Algorithms" (2024).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float
from pydantic import Field

from metadisco.config.fields import Bool, NonNegativeFloat, PositiveFloat, Sizes, settings
from metadisco.objectives.arithmetic import in_float32
from metadisco.objectives.closed import clip_drift, mirror, probability_ratio, value_loss
from metadisco.objectives.expressions import add, apply, multiply
from metadisco.objectives.losses import Losses, Network, layers_of, ppo_drift, ppo_value_loss
from metadisco.types import Key, Loss, MetaParams, Objective, Sample

NUM_FEATURES = 8


@settings
class LearnedDrift:
    """Settings of the learned drift, without the value loss."""

    hidden_sizes: Annotated[Sizes, Field(min_length=1)] = (128,)
    """Widths of the hidden tanh layers of the drift network, which has no biases."""
    ppo_init: Bool = True
    """Add the network to PPO's drift, so that the search starts at PPO; else it starts without a drift."""
    clip_eps: PositiveFloat = 0.2
    """Clipping range of that PPO drift."""
    margin: NonNegativeFloat = 1e-4
    """Constant subtracted before the ReLU, which makes the drift flat at r = 1; use 0 in tests only."""
    feature_clip: PositiveFloat | None = None
    """Features are clipped to ± this value; null for no clipping."""
    time_aware: Bool = False
    """Give the network the elapsed fraction of the lifetime, as eight additional features: the others times it."""
    output_scale: PositiveFloat = 1.0
    """Factor by which the network's output is multiplied."""
    start: Literal["zero_output", "random"] = "zero_output"
    """Initial network of the search: random with an output layer of zeros, or completely random."""

    def resized(self, hidden_sizes: tuple[int, ...]) -> "LearnedDrift":
        """Return the same settings with other widths, and an initialisation with non-zero gradients."""
        return replace(self, hidden_sizes=hidden_sizes, start="random")


class DriftNetwork(nn.Module):
    """A tanh network without biases, so that its output is zero if all features are zero."""

    hidden_sizes: Sequence[int]

    @nn.compact
    def __call__(self, features: Float[Array, "... F"]) -> Float[Array, "..."]:
        """Return one number per sample."""
        x = features
        for width in self.hidden_sizes:
            x = nn.tanh(nn.Dense(width, use_bias=False)(x))
        return nn.Dense(1, use_bias=False, name="output")(x)[..., 0]


def drift_features(settings: LearnedDrift, sample: Sample) -> Float[Array, "... F"]:
    """Return log r, (log r)², 1 − r, (1 − r)², the same four times A, and if time-aware all eight times progress.

    All features vanish at r = 1, for any A and progress. With `feature_clip` each of the eight is clipped, as in the
    authors' multi-task code.
    """
    log_ratio, gap = sample.log_ratio, 1 - probability_ratio(sample)
    base = jnp.stack([log_ratio, jnp.square(log_ratio), gap, jnp.square(gap)], -1)
    features = jnp.concatenate([base, sample.advantage[..., None] * base], -1)
    if settings.feature_clip is not None:
        features = jnp.clip(features, -settings.feature_clip, settings.feature_clip)
    if settings.time_aware:
        features = jnp.concatenate([features, sample.progress * features], -1)
    return features


def init_drift(settings: LearnedDrift, key: Key) -> MetaParams:
    """Return the initial meta-parameters of the search for a drift.

    Hidden layers are random. If all weights were zero, as in the paper's code, the search could not start: a tanh
    network with one hidden layer and no biases is the same for mirrored weights. Antithetic pairs would tie, and the
    first gradient would be rounding error.
    """
    num_features = 2 * NUM_FEATURES if settings.time_aware else NUM_FEATURES
    params = DriftNetwork(settings.hidden_sizes).init(key, jnp.zeros(num_features))["params"]
    if settings.start == "zero_output":
        return {**params, "output": jax.tree.map(jnp.zeros_like, params["output"])}
    return params


def learned_drift(settings: LearnedDrift, meta_params: MetaParams) -> Loss:
    """Return D = relu(D_PPO + output_scale · network(features) − margin), without D_PPO if `ppo_init` is false.

    This is a drift for all meta-parameters. The ReLU ensures D ≥ 0. At r = 1 the features vanish, and so does the
    network, which has no biases: the input of the ReLU is −margin. By continuity the input is negative in a
    neighbourhood of r = 1, so D = 0 there and ∂D/∂r = 0 at r = 1. (D_PPO is zero for |r − 1| ≤ ε.)
    """
    network = DriftNetwork(settings.hidden_sizes)
    ppo_drift = clip_drift(settings.clip_eps)

    def drift(sample: Sample) -> Array:
        features = drift_features(settings, sample)
        learned: Array = network.apply({"params": meta_params}, features)  # type: ignore[assignment]
        start = ppo_drift(sample) if settings.ppo_init else 0.0
        return jax.nn.relu(start + settings.output_scale * learned - settings.margin)

    return drift


def drift_source(settings: LearnedDrift, meta_params: MetaParams) -> Network:
    """Return `learned_drift` in symbolic form, for exporting source."""
    gap = apply("subtract", 1, "r")
    base = ("log_ratio", apply("square", "log_ratio"), gap, apply("square", gap))
    learned = multiply(settings.output_scale, "network")
    start = add(ppo_drift(settings.clip_eps), learned) if settings.ppo_init else learned
    return Network(
        loss=apply("relu", apply("subtract", start, settings.margin)),
        features=(*base, *(multiply("A", each) for each in base)),
        layers=layers_of(meta_params),
        bound=settings.feature_clip,
        timed=settings.time_aware,
    )


@settings
class LPODrift(LearnedDrift):
    """A learned drift (see `learned_drift`) with PPO's value loss."""

    learns: ClassVar[tuple[str, ...]] = ("policy",)
    features: ClassVar[tuple[int, str]] = (
        1,
        "log r, (log r)^2, 1 - r, (1 - r)^2; the same times A; clipped by feature_clip; if time_aware all "
        "eight once more, times progress",
    )
    value_clip_eps: PositiveFloat | None = 0.2
    """Clipping range of PPO's clipped value loss; null for the plain squared error."""

    @in_float32
    def init(self, key: Key) -> MetaParams:
        """Return the initial meta-parameters of the search."""
        return init_drift(self, key)

    def bind(self, meta_params: MetaParams) -> Objective:
        """Return the policy loss of the drift with these meta-parameters, and PPO's value loss."""
        return Objective(mirror(learned_drift(self, meta_params)), value_loss(self.value_clip_eps))

    def source_losses(self, meta_params: MetaParams) -> Losses:
        """Return both losses in symbolic form, for exporting source."""
        return Losses(drift_source(self, meta_params), ppo_value_loss(self.value_clip_eps))
