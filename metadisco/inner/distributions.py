"""Action distributions: categorical, diagonal Gaussian, tanh-Gaussian.

A distribution is a NamedTuple of functions of its parameters, whose last axis is the network's output.
Axes: ... any batch, A action dimensions, D parameters.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from metadisco.inner.envs.base import Box, Discrete
from metadisco.types import Key

MIN_STD = 1e-3  # brax.training.distribution.NormalTanhDistribution
QUADRATURE_NODES = 32  # the entropy of the tanh-Gaussian is then within 2e-4 nats for std up to 2


class Distribution(NamedTuple):
    """A family of action distributions over one action space."""

    num_outputs: int
    """Size of the policy head of the network."""
    state_free_log_std: bool
    """Whether a learned log-std per action dimension is appended to the head's output."""
    sample: Callable[[Key, Array], Array]
    """(key, parameters) -> raw action."""
    mode: Callable[[Array], Array]
    """parameters -> most likely raw action."""
    log_prob: Callable[[Array, Array], Array]
    """(parameters, raw action) -> log-density or log-probability of the environment's action."""
    entropy: Callable[[Array], Array]
    """parameters -> entropy in nats."""
    to_env: Callable[[Array], Array]
    """raw action -> action for the environment."""


def make_distribution(action_space: Discrete | Box, policy: str) -> Distribution:
    """Return the distribution for an action space; `policy` selects the one for continuous actions."""
    if isinstance(action_space, Discrete):
        return categorical(action_space.num_actions)
    if policy == "tanh_gaussian":
        return tanh_gaussian(action_space)
    return gaussian(action_space)


def categorical(num_actions: int) -> Distribution:
    """Return the categorical distribution over `num_actions` actions, parametrised by logits."""

    def log_prob(logits: Float[Array, "... n"], action: Int[Array, "..."]) -> Float[Array, "..."]:
        return jnp.take_along_axis(jax.nn.log_softmax(logits), action[..., None], -1)[..., 0]

    def entropy(logits: Float[Array, "... n"]) -> Float[Array, "..."]:
        log_probs = jax.nn.log_softmax(logits)
        return -(jnp.exp(log_probs) * log_probs).sum(-1)

    return Distribution(
        num_outputs=num_actions,
        state_free_log_std=False,
        sample=jax.random.categorical,
        mode=lambda logits: jnp.argmax(logits, -1),
        log_prob=log_prob,
        entropy=entropy,
        to_env=lambda action: action,
    )


def gaussian(box: Box) -> Distribution:
    """Return the diagonal Gaussian with a state-independent log-std, as in CleanRL and PureJaxRL.

    Actions are clipped to the box only for the environment; the log-density is that of the unclipped action.
    """
    size = box.low.size

    def sample(key: Key, parameters: Float[Array, "... D"]) -> Float[Array, "... A"]:
        mean, log_std = jnp.split(parameters, 2, -1)
        return mean + jnp.exp(log_std) * jax.random.normal(key, mean.shape)

    def log_prob(parameters: Float[Array, "... D"], action: Float[Array, "... A"]) -> Float[Array, "..."]:
        mean, log_std = jnp.split(parameters, 2, -1)
        return _normal_log_prob(mean, log_std, action)

    return Distribution(
        num_outputs=size,
        state_free_log_std=True,
        sample=sample,
        mode=lambda parameters: jnp.split(parameters, 2, -1)[0],
        log_prob=log_prob,
        entropy=lambda parameters: _normal_entropy(jnp.split(parameters, 2, -1)[1]),
        to_env=lambda action: jnp.clip(action, box.low, box.high),
    )


def tanh_gaussian(box: Box) -> Distribution:
    """Return the Gaussian with state-dependent std, squashed by tanh and scaled to the box.

    The std is softplus(output) + 0.001 as in Brax. The raw action is the one before squashing. Brax estimates the
    entropy from one sample; here it is computed by Gauss-Hermite quadrature and needs no key.
    """
    size = box.low.size
    scale = (box.high - box.low) / 2
    nodes, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE_NODES)
    weights = weights / weights.sum()

    def split(parameters: Float[Array, "... D"]) -> tuple[Array, Array]:
        mean, raw_std = jnp.split(parameters, 2, -1)
        return mean, jnp.log(jax.nn.softplus(raw_std) + MIN_STD)

    def sample(key: Key, parameters: Float[Array, "... D"]) -> Float[Array, "... A"]:
        mean, log_std = split(parameters)
        return mean + jnp.exp(log_std) * jax.random.normal(key, mean.shape)

    def log_prob(parameters: Float[Array, "... D"], action: Float[Array, "... A"]) -> Float[Array, "..."]:
        mean, log_std = split(parameters)
        return _normal_log_prob(mean, log_std, action) - _log_slope(action, scale).sum(-1)

    def entropy(parameters: Float[Array, "... D"]) -> Float[Array, "..."]:
        mean, log_std = split(parameters)
        at_nodes = mean[..., None] + jnp.exp(log_std)[..., None] * jnp.asarray(nodes, mean.dtype)
        expected = (_log_slope(at_nodes, scale[..., None]) * jnp.asarray(weights, mean.dtype)).sum(-1)
        return _normal_entropy(log_std) + expected.sum(-1)

    return Distribution(
        num_outputs=2 * size,
        state_free_log_std=False,
        sample=sample,
        mode=lambda parameters: split(parameters)[0],
        log_prob=log_prob,
        entropy=entropy,
        to_env=lambda action: box.low + scale * (jnp.tanh(action) + 1),
    )


def _normal_log_prob(mean: Array, log_std: Array, action: Array) -> Array:
    error = (action - mean) * jnp.exp(-log_std)
    return (-0.5 * jnp.square(error) - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)


def _normal_entropy(log_std: Array) -> Array:
    return (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)


def _log_slope(raw: Array, scale: np.ndarray) -> Array:
    """Return the log of the derivative of scale·tanh(raw), without overflow for large |raw|."""
    return 2 * (math.log(2.0) - raw - jax.nn.softplus(-2 * raw)) + np.log(scale)
