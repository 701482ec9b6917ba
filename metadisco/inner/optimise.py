"""Minimising an objective on a batch: minibatches, loss, gradient steps. Axes: B samples."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from metadisco.config import PPOConfig
from metadisco.errors import UserError
from metadisco.inner.cpu.adam import AdamState, adam_step
from metadisco.inner.cpu.shuffle import shuffled_minibatches
from metadisco.inner.networks import Agent
from metadisco.inner.normalise import EPSILON
from metadisco.types import Key, Objective, Sample


class Hyperparameters(NamedTuple):
    """Settings that may be traced, so that a grid can `vmap` over them. Meaning and units as in `PPOConfig`."""

    learning_rate: Float[Array, ""] | float
    gamma: Float[Array, ""] | float
    gae_lambda: Float[Array, ""] | float
    value_coef: Float[Array, ""] | float
    entropy_coef: Float[Array, ""] | float
    max_grad_norm: Float[Array, ""] | float

    @classmethod
    def from_config(cls, config: PPOConfig) -> "Hyperparameters":
        """Take the values of a config; without gradient clipping the maximum norm is infinite."""
        values = {name: getattr(config, name) for name in cls._fields}
        if values["max_grad_norm"] is None:
            values["max_grad_norm"] = math.inf
        return cls(**values)


class Batch(NamedTuple):
    """Transitions with advantages and targets."""

    obs: Float[Array, "B ..."]
    action: Array
    log_prob: Float[Array, "B"]
    value: Float[Array, "B"]
    advantage: Float[Array, "B"]
    target: Float[Array, "B"]


class LossMetrics(NamedTuple):
    """Metrics of the gradient steps of one update; means over all steps unless stated otherwise."""

    policy_loss: Float[Array, ""]
    value_loss: Float[Array, ""]
    entropy: Float[Array, ""]
    """In nats."""
    approx_kl: Float[Array, ""]
    """Mean of (r − 1) − log r, Schulman's low-variance estimator of KL(old ‖ new)."""
    initial_ratio_error: Float[Array, ""]
    """Largest |r − 1| on the first minibatch, before any gradient step: rounding error only."""
    finite: Bool[Array, ""]
    """Whether all losses were finite."""
    observed: Any = ()
    """Minibatch statistics: the outputs of `observe`, summed over the gradient steps."""


Observe = Callable[[Sample], Any]
"""(minibatch) -> pytree of arrays: minibatch statistics that are summed over gradient steps, such as a histogram."""


def observe_nothing(sample: Sample) -> Any:
    """Collect no minibatch statistics."""
    return ()


class Learner(NamedTuple):
    """An agent with everything it needs to learn; constant over a lifetime.

    It contains functions, so compiled code must close over it instead of taking it as an argument.
    """

    agent: Agent
    """Network, action distribution and `config`."""
    objective: Objective
    """Elementwise losses of policy and value."""
    hyperparameters: Hyperparameters
    """The settings that may be traced; they override those of `config`."""
    observe: Observe = observe_nothing
    """Minibatch statistics to collect."""

    @property
    def config(self) -> PPOConfig:
        """The static settings."""
        return self.agent.config


def zero_statistics(observe: Observe) -> Any:
    """Return minibatch statistics that are all zero, with the shapes that `observe` returns."""
    sample = Sample(**{**dict.fromkeys(Sample._fields, jnp.zeros(1)), "progress": jnp.zeros(())})
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(observe, sample))


def standardise_advantages(advantage: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return advantages with mean 0 and standard deviation 1."""
    return (advantage - advantage.mean()) / (advantage.std() + EPSILON)


def _loss(
    params: Any, batch: Batch, progress: Float[Array, ""], learner: Learner
) -> tuple[Float[Array, ""], tuple[Any, ...]]:
    """Return the total loss of a minibatch and its parts."""
    agent, objective, hyperparameters, observe = learner
    parameters, value = agent.apply(params, batch.obs)
    log_ratio = agent.distribution.log_prob(parameters, batch.action) - batch.log_prob
    advantage = batch.advantage
    if learner.config.normalise_advantages == "minibatch":
        advantage = standardise_advantages(advantage)
    sample = Sample(
        log_ratio=log_ratio,
        advantage=advantage,
        value=value,
        old_value=batch.value,
        target=batch.target,
        progress=progress,
    )
    policy_loss = _elementwise("policy_loss", objective.policy_loss(sample), value).mean()
    value_loss = _elementwise("value_loss", objective.value_loss(sample), value).mean()
    entropy = agent.distribution.entropy(parameters).mean()
    total = policy_loss + hyperparameters.value_coef * value_loss - hyperparameters.entropy_coef * entropy
    excess = jnp.expm1(log_ratio)
    observed = jax.lax.stop_gradient(observe(sample))
    return total, (policy_loss, value_loss, entropy, (excess - log_ratio).mean(), jnp.abs(excess).max(), observed)


def _elementwise(name: str, losses: Array, like: Array) -> Array:
    """Reject a loss that is not one number per sample; called while tracing."""
    if jnp.shape(losses) != like.shape:
        raise UserError(
            f"{name}: got shape {jnp.shape(losses)} for {like.shape[0]} samples, allowed: one loss per sample"
        )
    return losses


def _at(progress: Float[Array, ""], learner: Learner) -> Learner:
    """Return the learner with the settings that the schedule of its objective gives at a time, if it has one."""
    if learner.objective.schedule is None:
        return learner
    factors, settings = learner.objective.schedule(progress), learner.hyperparameters
    scheduled = settings._replace(
        learning_rate=settings.learning_rate * factors.learning_rate,
        value_coef=settings.value_coef * factors.value_coef,
        entropy_coef=settings.entropy_coef * factors.entropy_coef,
    )
    return learner._replace(hyperparameters=scheduled)


def optimise(
    key: Key,
    params: Any,
    optimiser_state: AdamState,
    batch: Batch,
    progress: Float[Array, ""],
    learner: Learner,
) -> tuple[Any, AdamState, LossMetrics]:
    """Take the gradient steps of one update.

    Args:
        key: consumed; shuffles the batch for each epoch.
        params: parameters of the network.
        optimiser_state: state of Adam.
        batch: the collected transitions.
        progress: elapsed fraction of the lifetime.
        learner: the agent and its objective.

    Returns:
        New parameters, new optimiser state, metrics.
    """
    learner = _at(progress, learner)
    config, hyperparameters = learner.config, learner.hyperparameters
    learning_rate = hyperparameters.learning_rate * (
        jnp.maximum(1 - progress, 0) if config.anneal_learning_rate else 1.0
    )
    gradient = jax.value_and_grad(partial(_loss, learner=learner), has_aux=True)

    def step(
        carry: tuple[Any, AdamState, Any], indices: Int[Array, "B"]
    ) -> tuple[tuple[Any, AdamState, Any], tuple[Array, ...]]:
        params, optimiser_state, observed = carry
        minibatch = jax.tree.map(lambda x: x[indices], batch)
        (total, (*parts, seen)), grads = gradient(params, minibatch, progress)
        learned = adam_step(params, grads, optimiser_state, config, learning_rate, hyperparameters.max_grad_norm)
        return (*learned, jax.tree.map(jnp.add, observed, seen)), (*parts, total)

    indices = shuffled_minibatches(key, config.num_epochs, config.num_minibatches, config.batch_size)
    start = (params, optimiser_state, zero_statistics(learner.observe))
    (params, optimiser_state, observed), parts = jax.lax.scan(step, start, indices)
    policy_loss, value_loss, entropy, approx_kl, ratio_error, total = parts
    metrics = LossMetrics(
        policy_loss=policy_loss.mean(),
        value_loss=value_loss.mean(),
        entropy=entropy.mean(),
        approx_kl=approx_kl.mean(),
        initial_ratio_error=ratio_error[0],
        finite=jnp.isfinite(total).all(),
        observed=observed,
    )
    return params, optimiser_state, metrics
