"""One whole inner life. Axes: U updates, V evaluations, E episodes."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from metadisco.config import PPOConfig
from metadisco.inner import ppo
from metadisco.inner.cpu.threefry import straight_key
from metadisco.inner.envs import Env, check_episode_length
from metadisco.inner.networks import make_agent
from metadisco.inner.optimise import Hyperparameters, Learner, LossMetrics, Observe, nothing, nothing_observed
from metadisco.inner.policy import play
from metadisco.inner.rollout import Returns
from metadisco.objectives.arithmetic import gives_nan, in_float32
from metadisco.objectives.tabulate import NUM_NODES, TabulableLoss
from metadisco.types import Key, Objective


class TrainResult(NamedTuple):
    """How a life went; its size does not depend on the life's length but for `curve` and `running`."""

    state: ppo.TrainState
    """The agent at the end."""
    curve: Float[Array, "U"]
    """Mean return of the episodes that ended in each update; NaN where none did."""
    evaluation: Float[Array, "V E"]
    """Returns of the evaluation episodes, spread evenly over the life; the last row is at its end."""
    finite: Bool[Array, ""]
    """Whether all losses and the final parameters were finite."""
    diagnostics: LossMetrics
    """Metrics of the last update; but what was observed is summed over the life."""
    running: Float[Array, "U"] | None = None
    """Mean return so far of the episodes that run at the end of each update, where on average they have outlasted every
    episode that ended before; NaN elsewhere."""


@gives_nan
@in_float32
def train(
    key: Key,
    env: Env,
    config: PPOConfig,
    objective: Objective,
    *,
    hyperparameters: Hyperparameters | None = None,
    observe: Observe = nothing,
) -> TrainResult:
    """Train one agent from scratch.

    Pure, and safe under `jit`, `vmap` and `lax.map`; everything is reduced inside the scan over updates. A life is not
    differentiable as a whole: it is judged, as evolution does.

    Args:
        key: consumed.
        env: the environment; static.
        config: sizes and switches; static.
        objective: what to minimise; static structure, may close over traced meta-parameters.
        hyperparameters: traced scalars; those of `config` when left out.
        observe: what to keep of the minibatches that the objective sees, such as a histogram: an array, or a pytree of
            arrays, for each minibatch, which are summed into `diagnostics.observed`.

    Raises:
        UserError: while tracing, where episodes are so long that evaluation might not end.
    """
    check_evaluation(env, config)
    if hyperparameters is None:
        hyperparameters = Hyperparameters.from_config(config)
    learner = Learner(make_agent(env, config), _for_many_samples(objective, config), hyperparameters, observe)
    key_init, key_updates, key_evaluations = jax.random.split(straight_key(key), 3)
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
    """Refuse an environment whose episodes are so long that the evaluations of a life might not end.

    Raises:
        UserError: naming the lengths.
    """
    check_episode_length(env, config.num_evaluations, config.num_updates * config.num_steps)


_Carry = tuple[ppo.TrainState, Array, Array, LossMetrics]


def _step(carry: _Carry, index: Array, keys: tuple[Key, Key], env: Env, learner: Learner) -> tuple[_Carry, Returns]:
    """Do update number `index`, and the evaluation that may be due before it."""
    (key_updates, key_evaluations), config = keys, learner.config
    state, evaluation, finite, before = carry
    if config.num_evaluations > 1:
        # `index` is the same for all lives, so this stays a branch under vmap.
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
    """Take the value loss that is made for many samples, where a life has enough of them."""
    num_samples = config.executed_env_steps * config.num_epochs
    if isinstance(objective.value_loss, TabulableLoss) and num_samples >= NUM_NODES:
        return objective._replace(value_loss=objective.value_loss.tabulate())
    return objective


def _no_metrics(observe: Observe) -> LossMetrics:
    """Return metrics of no update, as the carry starts with."""
    zeros = dict.fromkeys(LossMetrics._fields, jnp.zeros(()))
    return LossMetrics(**{**zeros, "finite": jnp.ones((), bool), "observed": nothing_observed(observe)})


def _evaluate(key: Key, state: ppo.TrainState, env: Env, config: PPOConfig) -> Float[Array, "E"]:
    num_episodes, deterministic = config.num_evaluation_episodes, config.deterministic_evaluation
    return play(key, ppo.policy_of(state), env, config, num_episodes, deterministic=deterministic)
