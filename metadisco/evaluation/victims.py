"""Fresh victims of a message, observed during their training: data for figures.

Axes: S victims, U updates, P points of training, K kept steps, T steps, E environments, D numbers of an observation
with its message, B samples.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from metadisco.config import OuterConfig, PPOConfig
from metadisco.evaluation.lifetimes import map_over_devices
from metadisco.inner import ppo
from metadisco.inner.envs import Env
from metadisco.inner.envs.cheap_talk import cheap_talk, memoryless
from metadisco.inner.fitness import fill_gaps
from metadisco.inner.networks import Agent, make_agent
from metadisco.inner.optimise import Batch, Hyperparameters, Learner, standardise_advantages
from metadisco.inner.policy import Policy, play
from metadisco.inner.rollout import rollout
from metadisco.objectives.arithmetic import in_float32
from metadisco.problems.tasks import Task
from metadisco.types import Key, Message, Objective

POINTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Fractions of a lifetime after which victims are observed."""
MAX_KEPT = 64
"""Steps of a rollout whose observations are kept."""
NORM = 1e-12
"""Norm of a gradient below which its direction is undefined."""


class Victims(NamedTuple):
    """Learners that were trained beside a message, each on a seed of its own."""

    curve: Float[np.ndarray, "S U"]
    """Mean return of the episodes that ended in each update, with gaps filled; NaN where training diverged."""
    final_return: Float[np.ndarray, "S"]
    """Mean return of the evaluation episodes at the end; NaN where training diverged."""
    seen: Float[np.ndarray, "S P K E D"]
    """Observations with their messages at each of POINTS, from the next rollout of training."""
    cosine: Float[np.ndarray, "S P"]
    """Cosine between the policy gradients of the earlier and the later half of the states of that rollout, by their
    time in the episode; NaN where either is zero."""
    policy: Policy
    """At the end; arrays have a leading axis S."""

    @property
    def area_under_curve(self) -> Float[np.ndarray, "S"]:
        """Mean of each curve."""
        area: np.ndarray = self.curve.mean(1)
        return area


def train_victims(
    keys: Key, task: Task, message: Message, num_channels: int, objective: Objective, outer: OuterConfig
) -> tuple[Victims, Victims]:
    """Train victims that hear a message, and others on the same seeds that hear zeros in its place.

    Args:
        keys: one for each victim of either kind.
        task: plain environment and settings of PPO.
        message: function of the observation.
        num_channels: numbers of a message.
        objective: that victims minimise.
        outer: gives devices and chunk size.
    """

    def lifetime(key: Key, loudness: Array) -> Victims:
        env = cheap_talk(task.env, memoryless(lambda obs: loudness * message(obs)), num_channels)
        return _lifetime(key, env, task.ppo, objective)

    loudness = jnp.repeat(jnp.array([1.0, 0.0]), len(keys))
    both = map_over_devices(in_float32(lifetime), outer, jnp.concatenate([keys, keys]), loudness)
    halves = (slice(0, len(keys)), slice(len(keys), None))
    heard, silent = (jax.tree.map(lambda leaf, half=half: leaf[half], both) for half in halves)
    return heard, silent


_Carry = tuple[ppo.TrainState, Array, Array, Array]


def _lifetime(key: Key, env: Env, config: PPOConfig, objective: Objective) -> Victims:
    """Train one victim, and observe it at some points; this does not affect its training."""
    learner = Learner(make_agent(env, config), objective, Hyperparameters.from_config(config))
    key_init, key_updates, key_looks, key_evaluation = jax.random.split(key, 4)

    def update(index: Array, carry: _Carry) -> _Carry:
        state, ended, running, finite = carry
        state, returns, metrics = ppo.learn(jax.random.fold_in(key_updates, index), state, env, learner)
        ended, running = ended.at[index].set(returns.ended), running.at[index].set(returns.running)
        return state, ended, running, finite & metrics.finite

    def go_on(carry: _Carry, until: tuple[Array, Array, Key]) -> tuple[_Carry, tuple[Array, Array]]:
        start, end, key_look = until
        carry = jax.lax.fori_loop(start, end, update, carry)
        return carry, _look(key_look, carry[0], env, learner)

    marks = jnp.round(jnp.array(POINTS) * config.num_updates).astype(jnp.int32)
    unknown = jnp.full(config.num_updates, jnp.nan)
    start: _Carry = (ppo.init(key_init, env, config), unknown, unknown, jnp.ones((), bool))
    until = jnp.concatenate([marks[:1], marks[:-1]]), marks, jax.random.split(key_looks, len(POINTS))
    (state, ended, running, finite), (seen, cosine) = jax.lax.scan(go_on, start, until)
    policy, deterministic = ppo.policy_of(state), config.deterministic_evaluation
    final = play(key_evaluation, policy, env, config, config.num_evaluation_episodes, deterministic=deterministic)
    curve = fill_gaps(ended, running)
    curve = jnp.where(jnp.isnan(curve), final.mean(), curve)  # where no episode ended
    found: dict[str, Any] = {"seen": seen, "cosine": cosine, "policy": policy}  # arrays of NumPy once mapped
    for name, scores in (("curve", curve), ("final_return", final.mean())):
        found[name] = jnp.where(finite, scores, jnp.nan)
    return Victims(**found)


def _look(key: Key, state: ppo.TrainState, env: Env, learner: Learner) -> tuple[Array, Array]:
    """Return some observations of the next rollout, and how the policy gradients in it agree."""
    act = partial(ppo.decide, policy=ppo.policy_of(state), agent=learner.agent)
    after, transitions, _ = rollout(key, state.rollout, env, act, learner.config.num_steps)
    _, batch = ppo.prepare(state._replace(rollout=after), transitions, env, learner)
    time = times(state.rollout.episode_length, transitions.terminated | transitions.truncated).ravel()
    cosine = agreement(state.params, batch, time < jnp.median(time), learner.agent)
    num_kept = min(learner.config.num_steps, MAX_KEPT)
    return transitions.obs[np.linspace(0, learner.config.num_steps - 1, num_kept).round().astype(int)], cosine


def times(start: Int[Array, "E"], done: Bool[Array, "T E"]) -> Int[Array, "T E"]:
    """Return how many steps of its episode came before each step.

    Args:
        start: the same for the first steps.
        done: whether each step ended its episode.
    """

    def step(time: Array, done: Array) -> tuple[Array, Array]:
        return jnp.where(done, 0, time + 1), time

    return jax.lax.scan(step, start, done)[1]


def agreement(params: Any, batch: Batch, early: Bool[Array, "B"], agent: Agent) -> Float[Array, ""]:
    """Return the cosine between the policy gradients of two parts of a batch; NaN where either is zero.

    The gradient of a part is that of the mean of A·log π over it, which is PPO's at the start of an update, with
    advantages standardised over the whole batch.

    Args:
        params: of actor and critic, with which the batch was collected.
        batch: transitions.
        early: which of them are the one part.
        agent: network and action distribution.
    """
    advantage = standardise_advantages(batch.advantage)

    def surrogate(params: Any, part: Array) -> Array:
        parameters, _ = agent.apply(params, batch.obs)
        terms = advantage * agent.distribution.log_prob(parameters, batch.action)
        return jnp.where(part, terms, 0.0).sum() / jnp.maximum(part.sum(), 1)

    first, second = (jax.grad(surrogate)(params, part) for part in (early, ~early))
    first, second = (jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(each)]) for each in (first, second))
    norms = jnp.linalg.norm(first) * jnp.linalg.norm(second)
    return jnp.where(norms > NORM, first @ second / jnp.maximum(norms, NORM), jnp.nan)
