"""PPO on a table: a learner that sees its own states, actions and rewards, as in PAX's "Tabular".

Axes: T steps, N environments, B lifetimes, S states, M samples of a minibatch.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from metadisco.config.fields import (
    Fraction,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ProperFraction,
    settings,
)
from metadisco.inner.cpu.shuffle import shuffled_minibatches
from metadisco.inner.gae import gae
from metadisco.inner.games.matrix import Game, Logits
from metadisco.inner.games.players.base import random_logits
from metadisco.inner.games.sampled import Experience, look_up
from metadisco.objectives import ppo
from metadisco.types import Key, Objective, Sample

EPSILON = 1e-8
"""Added to the standard deviation of advantages."""
ADAM_B1, ADAM_B2 = 0.9, 0.999


class Parameters(NamedTuple):
    """The learned parameters."""

    logits: Float[Array, "2 S ..."]
    """Of C and of D in each state; their difference is the policy's logit, which moves twice as far as each."""
    values: Float[Array, "S ..."]
    """V(s)."""


class LearnerState(NamedTuple):
    """Of one lifetime, or of many in the last axis; nothing of it is reset between meta-steps."""

    parameters: Parameters
    first: Parameters
    """Adam's mean of gradients."""
    second: Parameters
    """Its mean of their squares."""
    num_steps: Int[Array, "..."]
    """Gradient steps so far."""


class Batch(NamedTuple):
    """Steps of an episode, ready to learn from, as [TN, B]; or of a minibatch, [M, B]."""

    state: Int[Array, "M B"]
    first: Bool[Array, "M B"]
    """Whether the first action was taken."""
    log_prob: Float[Array, "M B"]
    """Of the action when it was taken."""
    value: Float[Array, "M B"]
    advantage: Float[Array, "M B"]
    target: Float[Array, "M B"]


@settings
class TabularPPO:
    """PPO on a table of logits and values of the five states, updated once per meta-step, by Adam.

    Defaults are those of PAX's "Tabular" (github.com/ucl-dark/pax, `conf/experiment/ipd`). We differ: an episode is cut
    and not ended by its length, so that the value of its last state is bootstrapped; values start at 0, not at 0.5;
    minibatches are the same steps in all lifetimes, which have nothing else in common.
    """

    num_steps: PositiveInt = 100
    """Steps of the inner episode that is a meta-step, T; every one begins at the start state."""
    num_envs: PositiveInt = 2
    """Environments in which both policies play at the same time, N."""
    learning_rate: PositiveFloat = 1.0
    """Of Adam: about how far a gradient step moves each number of the table."""
    num_epochs: PositiveInt = 2
    """Passes over the experience of a meta-step."""
    num_minibatches: PositiveInt = 4
    """Gradient steps of an epoch; divides num_steps · num_envs."""
    gamma: ProperFraction | None = None
    """Discount per step of its advantages; null: the game's own, 0 in a game of one round."""
    gae_lambda: Fraction = 0.95
    """λ of generalised advantage estimation. Advantages get mean 0 and deviation 1 in each minibatch."""
    clip_eps: PositiveFloat = 0.2
    """Clipping of the probability ratio."""
    value_clip_eps: PositiveFloat | None = 0.2
    """Clipping of values around those before the meta-step's update; null for none."""
    value_coef: NonNegativeFloat = 1.0
    """Weight of the value loss ½(V − target)²; PAX has 0.5 times (V − target)², which is the same."""
    entropy_coef: NonNegativeFloat = 0.02
    """Weight of the policy's entropy, in nats."""
    max_grad_norm: PositiveFloat = 0.5
    """Bound of the norm of a lifetime's gradient, logits and values together."""
    adam_eps: PositiveFloat = 1e-5
    """ε of Adam."""
    initial_std: NonNegativeFloat = 0.0
    """Spread of the normal distribution, around 0, of a policy's first logits; 0: both actions are equally likely."""

    def __post_init__(self) -> None:
        """Check constraints that types do not express."""
        if self.batch_size % self.num_minibatches:
            raise ValueError(
                f"num_minibatches: got {self.num_minibatches}, allowed: a divisor of num_steps · num_envs, "
                f"{self.batch_size}"
            )

    @property
    def batch_size(self) -> int:
        """Steps of a meta-step over all environments."""
        return self.num_steps * self.num_envs

    @property
    def objective(self) -> Objective:
        """The losses of policy and value."""
        return ppo(self.clip_eps, self.value_clip_eps)

    def init(self, key: Key, game: Game) -> LearnerState:
        """Return its state before anything was seen."""
        half = 0.5 * self.initial_std * random_logits(key, game)
        parameters = Parameters(logits=jnp.stack([half, -half]), values=jnp.zeros_like(half))
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        return LearnerState(parameters, first=zeros, second=zeros, num_steps=jnp.int32(0))

    def logits(self, state: LearnerState) -> Logits:
        """Return the policy of the table."""
        return state.parameters.logits[0] - state.parameters.logits[1]

    def update(self, state: LearnerState, own_logits: Logits, other_logits: Logits, game: Game) -> LearnerState:
        """Return the same state: it does not learn from policies."""
        return state

    def learn(self, key: Key, state: LearnerState, experience: Experience, game: Game) -> LearnerState:
        """Return its state after the epochs of PPO on one meta-step."""
        batch = self._batch(state.parameters, experience, game)
        indices = shuffled_minibatches(key, self.num_epochs, self.num_minibatches, self.batch_size)
        minibatches: Batch = jax.tree.map(lambda leaf: leaf[indices], batch)
        minibatches = minibatches._replace(advantage=_standardised(minibatches.advantage))

        def step(state: LearnerState, minibatch: Batch) -> tuple[LearnerState, None]:
            return self._adam_step(state, jax.grad(self._loss)(state.parameters, minibatch)), None

        return jax.lax.scan(step, state, minibatches)[0]

    def _batch(self, parameters: Parameters, experience: Experience, game: Game) -> Batch:
        """Return a meta-step's steps with advantages, before they are normalised."""
        discount = self.gamma if self.gamma is not None else (game.gamma or 0.0)
        flat = (self.num_steps, -1)
        value, last_value = (look_up(parameters.values, s) for s in (experience.state, experience.last_state))
        next_value = jnp.concatenate([value[1:], last_value[None]])
        never = jnp.zeros(value.reshape(flat).shape, bool)
        advantage = gae(
            experience.reward.reshape(flat),
            value.reshape(flat),
            next_value.reshape(flat),
            terminated=never,
            truncated=never.at[-1].set(True),
            gamma=discount,
            gae_lambda=self.gae_lambda,
        ).reshape(value.shape)
        batch = Batch(
            state=experience.state,
            first=experience.first,
            log_prob=_log_prob(parameters.logits, experience.state, experience.first),
            value=value,
            advantage=advantage,
            target=advantage + value,
        )
        return jax.tree.map(lambda leaf: leaf.reshape(self.batch_size, -1), batch)

    def _loss(self, parameters: Parameters, batch: Batch) -> Float[Array, ""]:
        """Return the sum over lifetimes of the loss of a minibatch."""
        sample = Sample(
            log_ratio=_log_prob(parameters.logits, batch.state, batch.first) - batch.log_prob,
            advantage=batch.advantage,
            value=look_up(parameters.values, batch.state),
            old_value=batch.value,
            target=batch.target,
            progress=jnp.float32(0),
        )
        objective = self.objective
        loss = objective.policy_loss(sample) + self.value_coef * objective.value_loss(sample)
        entropy = look_up(_entropy(parameters.logits), batch.state)
        return (loss - self.entropy_coef * entropy).mean(0).sum()

    def _adam_step(self, state: LearnerState, grads: Parameters) -> LearnerState:
        """Return the state after a step along −grads, which are first scaled down in each lifetime by their norm."""
        norm = jnp.sqrt(jnp.square(grads.logits).sum((0, 1)) + jnp.square(grads.values).sum(0))
        scale = jnp.minimum(1.0, self.max_grad_norm / jnp.maximum(norm, 1e-30))
        grads = jax.tree.map(lambda g: scale * g, grads)
        count = state.num_steps + 1
        first = jax.tree.map(lambda m, g: ADAM_B1 * m + (1 - ADAM_B1) * g, state.first, grads)
        second = jax.tree.map(lambda v, g: ADAM_B2 * v + (1 - ADAM_B2) * jnp.square(g), state.second, grads)
        first_scale, second_scale = 1 / (1 - ADAM_B1**count), 1 / (1 - ADAM_B2**count)

        def moved(p: Array, m: Array, v: Array) -> Array:
            return p - self.learning_rate * m * first_scale / (jnp.sqrt(v * second_scale) + self.adam_eps)

        parameters = jax.tree.map(moved, state.parameters, first, second)
        return LearnerState(parameters, first, second, num_steps=count)


def _standardised(advantage: Float[Array, "EM M B"]) -> Float[Array, "EM M B"]:
    """Return advantages with mean 0 and standard deviation 1 in each minibatch of each lifetime."""
    centred = advantage - advantage.mean(1, keepdims=True)
    return centred / (advantage.std(1, keepdims=True) + EPSILON)


def _log_prob(
    logits: Float[Array, "2 S B"], state: Int[Array, "... B"], first: Bool[Array, "... B"]
) -> Float[Array, "... B"]:
    """Return log π(a|s), from log-probabilities of the whole table, which is smaller than the batch."""
    log_probs = jax.nn.log_softmax(logits, axis=0)
    return jnp.where(first, look_up(log_probs[0], state), look_up(log_probs[1], state))


def _entropy(logits: Float[Array, "2 S B"]) -> Float[Array, "S B"]:
    """Return the entropy of the policy in each state, in nats."""
    log_probs = jax.nn.log_softmax(logits, axis=0)
    return -(jnp.exp(log_probs) * log_probs).sum(0)
