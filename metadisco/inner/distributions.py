"""Action distributions: categorical, several categoricals, diagonal Gaussian, tanh-Gaussian.

A distribution is a NamedTuple of functions of its parameters, whose last axis is the network's output.
Axes: ... any batch, A action dimensions, D parameters, K choices, n actions.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from metadisco.inner.envs.base import ActionSpace, Box, Discrete, MultiDiscrete
from metadisco.types import Key

MIN_STD = 1e-3  # brax.training.distribution.NormalTanhDistribution
QUADRATURE_NODES = 32  # the entropy of the tanh-Gaussian is then within 2e-4 nats for std up to 2
ILLEGAL = -1e9
"""Logit of an illegal action. With −∞, entropy and its gradient would be NaN; with this they are exact."""
NO_ACTION = -1e30
"""Logit that pads a row of logits: never drawn, even where all actions of the row are illegal."""


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


def make_distribution(action_space: ActionSpace, policy: str) -> Distribution:
    """Return the distribution for an action space; `policy` selects the one for continuous actions."""
    if isinstance(action_space, Discrete):
        return categorical(action_space.num_actions, masked=action_space.masked)
    if isinstance(action_space, MultiDiscrete):
        return factorised(action_space.nums)
    if policy == "tanh_gaussian":
        return tanh_gaussian(action_space)
    return gaussian(action_space)


def mask_logits(logits: Float[Array, "... n"], legal: Float[Array, "... n"]) -> Float[Array, "... n"]:
    """Replace the logits of illegal actions; nothing is added to the others.

    Probabilities are then those of the categorical over legal actions, and illegal actions have no gradient. Where no
    action is legal, all are equally likely.

    Args:
        logits: of all actions.
        legal: 1 for legal actions, 0 for illegal ones.
    """
    return jnp.where(legal > 0.5, logits, ILLEGAL)


def categorical(num_actions: int, *, masked: bool = False) -> Distribution:
    """Return the categorical distribution over `num_actions` actions, parametrised by logits.

    Args:
        num_actions: number of actions.
        masked: whether logits may come from `mask_logits`.
    """
    return Distribution(
        num_outputs=num_actions,
        state_free_log_std=False,
        sample=_sample_masked if masked else jax.random.categorical,
        mode=lambda logits: jnp.argmax(logits, -1),
        log_prob=_categorical_log_prob,
        entropy=_categorical_entropy,
        to_env=lambda action: action,
    )


def factorised(nums: tuple[int, ...]) -> Distribution:
    """Return K independent categorical distributions, over nums[k] actions each, as one.

    Parameters are the logits of all choices, one choice after another; they may come from `mask_logits`. An action is
    an int32 vector [K]. Log-probability and entropy are sums over choices, so the ratio of PPO is a product.
    """
    width = max(nums)

    def rows(logits: Float[Array, "... D"]) -> Float[Array, "... K n"]:
        if min(nums) == width:
            return logits.reshape((*logits.shape[:-1], len(nums), width))
        pieces = jnp.split(logits, np.cumsum(nums)[:-1], -1)
        ends = [[(0, 0)] * (logits.ndim - 1) + [(0, width - num)] for num in nums]
        padded = [jnp.pad(piece, end, constant_values=NO_ACTION) for piece, end in zip(pieces, ends, strict=True)]
        return jnp.stack(padded, -2)

    return Distribution(
        num_outputs=sum(nums),
        state_free_log_std=False,
        sample=lambda key, logits: _sample_masked(key, rows(logits)),
        mode=lambda logits: jnp.argmax(rows(logits), -1),
        log_prob=lambda logits, action: _categorical_log_prob(rows(logits), action).sum(-1),
        entropy=lambda logits: _categorical_entropy(rows(logits)).sum(-1),
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


def _categorical_log_prob(logits: Float[Array, "... n"], action: Int[Array, "..."]) -> Float[Array, "..."]:
    return jnp.take_along_axis(jax.nn.log_softmax(logits), action[..., None], -1)[..., 0]


def _categorical_entropy(logits: Float[Array, "... n"]) -> Float[Array, "..."]:
    log_probs = jax.nn.log_softmax(logits)
    return -(jnp.exp(log_probs) * log_probs).sum(-1)


def _sample_masked(key: Key, logits: Float[Array, "... n"]) -> Int[Array, "..."]:
    """Sample an action; where no action is legal, all are equally likely.

    `jax.random.categorical` adds noise to the logits, which is lost in the rounding of −1e9 and would leave the first.
    """
    largest = logits.max(-1, keepdims=True)
    return jax.random.categorical(key, logits - jnp.where(largest <= ILLEGAL, largest, 0.0))


def _normal_log_prob(mean: Array, log_std: Array, action: Array) -> Array:
    error = (action - mean) * jnp.exp(-log_std)
    return (-0.5 * jnp.square(error) - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)


def _normal_entropy(log_std: Array) -> Array:
    return (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)


def _log_slope(raw: Array, scale: np.ndarray) -> Array:
    """Return the log of the derivative of scale·tanh(raw), without overflow for large |raw|."""
    return 2 * (math.log(2.0) - raw - jax.nn.softplus(-2 * raw)) + np.log(scale)
