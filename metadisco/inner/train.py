"""Training one agent over its whole lifetime. Axes: U updates, V evaluations, E episodes."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from metadisco.config import PPOConfig
from metadisco.inner import ppo
from metadisco.inner.cpu.threefry import unrolled_key
from metadisco.inner.envs import Env, check_episode_length
from metadisco.inner.networks import make_agent
from metadisco.inner.optimise import Hyperparameters, Learner, LossMetrics, Observe, observe_nothing, zero_statistics
from metadisco.inner.policy import play
from metadisco.inner.rollout import Returns
from metadisco.objectives.arithmetic import gives_nan, in_float32
from metadisco.objectives.tabulate import NUM_NODES, TabulableLoss
from metadisco.types import Key, Objective


class TrainResult(NamedTuple):
    """Result of training one agent. Only `curve` and `running` grow with the number of updates."""

    state: ppo.TrainState
    """The agent at the end of training."""
    curve: Float[Array, "U"]
    """Mean return of the episodes that ended in each update; NaN if none did."""
    evaluation: Float[Array, "V E"]
    """Returns of the evaluation episodes. Evaluations are spread evenly over the lifetime; the last is at its end."""
    finite: Bool[Array, ""]
    """Whether all losses and the final parameters are finite."""
    diagnostics: LossMetrics
    """Metrics of the last update; but `observed` is summed over the lifetime."""
    running: Float[Array, "U"] | None = None
    """Mean return so far of the episodes running at the end of each update, if these are longer, on average, than any
    episode that has ended; else NaN."""


@gives_nan
@in_float32
def train(
    key: Key,
    env: Env,
    config: PPOConfig,
    objective: Objective,
    *,
    hyperparameters: Hyperparameters | None = None,
    observe: Observe = observe_nothing,
) -> TrainResult:
    """Train one agent from scratch.

    Pure, and safe under `jit`, `vmap` and `lax.map`; results are reduced inside the scan over updates. Training as a
    whole is not differentiable; it is meant for evolution.

    Args:
        key: consumed.
        env: the environment; static.
        config: static settings.
        objective: the losses to minimise; static, but may close over traced meta-parameters.
        hyperparameters: settings that may be traced; by default those of `config`.
        observe: (minibatch) -> minibatch statistics, such as a state-visitation histogram: an array, or a pytree of
            arrays. They are summed into `diagnostics.observed`.

    Raises:
        UserError: while tracing, if episodes are so long that evaluation might not finish.
    """
    check_evaluation(env, config)
    if hyperparameters is None:
        hyperparameters = Hyperparameters.from_config(config)
    learner = Learner(make_agent(env, config), _for_many_samples(objective, config), hyperparameters, observe)
    key_init, key_updates, key_evaluations = jax.random.split(unrolled_key(key), 3)
    state = ppo.init(key_init, env, config)
    evaluation = jnp.full((config.num_evaluations, config.num_evaluation_episodes), jnp.nan)
    step = partial(_step, keys=(key_updates, key_evaluations), env=env, learner=learner)
    start = (state, evaluation, jnp.ones((), bool), _no_metrics(observe))
    (state, evaluation, finite, diagnostics), returns = jax.lax.scan(step, start, jnp.arange(config.num_updates))
    last = _evaluate(jax.random.fold_in(key_evaluations, config.num_updates), state, env, config)
    finite &= jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params)]).all()
    return TrainResult(
        state=state,
        curve=returns.ended,
        evaluation=evaluation.at[-1].set(last),
        finite=finite,
        diagnostics=diagnostics,
        running=returns.running,
    )


def check_evaluation(env: Env, config: PPOConfig) -> None:
    """Reject an environment whose episodes are so long that evaluation might not finish.

    Raises:
        UserError: with the lengths.
    """
    check_episode_length(env, config.num_evaluations, config.num_updates * config.num_steps)


_Carry = tuple[ppo.TrainState, Array, Array, LossMetrics]


def _step(carry: _Carry, index: Array, keys: tuple[Key, Key], env: Env, learner: Learner) -> tuple[_Carry, Returns]:
    """Perform update number `index`, after an evaluation if one is due."""
    (key_updates, key_evaluations), config = keys, learner.config
    state, evaluation, finite, before = carry
    if config.num_evaluations > 1:
        # `index` is the same for all agents, so `cond` remains a branch under vmap.
        rank = index * config.num_evaluations // config.num_updates - 1
        due = rank != (index - 1) * config.num_evaluations // config.num_updates - 1
        evaluation = jax.lax.cond(
            due & (rank >= 0),
            lambda: evaluation.at[rank].set(_evaluate(jax.random.fold_in(key_evaluations, index), state, env, config)),
            lambda: evaluation,
        )
    key = jax.random.fold_in(key_updates, index)
    state, returns, metrics = ppo.learn(key, state, env, learner)
    metrics = metrics._replace(observed=jax.tree.map(jnp.add, before.observed, metrics.observed))
    return (state, evaluation, finite & metrics.finite, metrics), returns


def _for_many_samples(objective: Objective, config: PPOConfig) -> Objective:
    """Replace a value loss by its table if there are enough samples in a lifetime to pay for it."""
    num_samples = config.executed_env_steps * config.num_epochs
    if isinstance(objective.value_loss, TabulableLoss) and num_samples >= NUM_NODES:
        return objective._replace(value_loss=objective.value_loss.tabulate())
    return objective


def _no_metrics(observe: Observe) -> LossMetrics:
    """Return the metrics with which the scan over updates starts."""
    zeros = dict.fromkeys(LossMetrics._fields, jnp.zeros(()))
    return LossMetrics(**{**zeros, "finite": jnp.ones((), bool), "observed": zero_statistics(observe)})


def _evaluate(key: Key, state: ppo.TrainState, env: Env, config: PPOConfig) -> Float[Array, "E"]:
    num_episodes, deterministic = config.num_evaluation_episodes, config.deterministic_evaluation
    return play(key, ppo.policy_of(state), env, config, num_episodes, deterministic=deterministic)
