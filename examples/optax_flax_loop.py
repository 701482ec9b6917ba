"""A training loop in plain Python with flax and optax that learns with any objective of metadisco.

    python examples/optax_flax_loop.py --objective ppo
    python examples/optax_flax_loop.py --objective runs/lpo --env gymnax/Acrobot-v1 --steps 200000

`make_update` calls the two elementwise losses of the objective. Discrete actions.

Axes: T steps, N environments, B samples of a minibatch.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.training.train_state import TrainState
from jax import Array

import metadisco

NUM_ENVS, NUM_STEPS, NUM_EPOCHS, NUM_MINIBATCHES = 8, 128, 4, 8
LEARNING_RATE = 1e-3  # falls linearly to zero
GAMMA, GAE_LAMBDA = 0.99, 0.95
VALUE_COEF, ENTROPY_COEF, MAX_GRAD_NORM = 0.5, 0.01, 0.5


class Transition(NamedTuple):
    """The data of each step, [T, N, ...]."""

    obs: Array
    action: Array
    log_prob: Array
    value: Array
    next_value: Array  # of the observation that the step led to, before any reset; 0 after termination
    reward: Array
    done: Array  # terminated or truncated


class ActorCritic(nn.Module):
    """Two networks of two hidden layers; observations of any shape are flattened."""

    num_actions: int

    @nn.compact
    def __call__(self, obs: Array) -> tuple[Array, Array]:
        """Return logits[B, A] and values[B]."""
        x = y = obs.reshape(len(obs), -1)
        for _ in range(2):
            x, y = nn.tanh(nn.Dense(64)(x)), nn.tanh(nn.Dense(64)(y))
        return nn.Dense(self.num_actions, kernel_init=nn.initializers.orthogonal(0.01))(x), nn.Dense(1)(y)[:, 0]


def make_learner(key: Array, env: metadisco.Env, num_updates: int) -> TrainState:
    """Return the network and its optimiser."""
    network = ActorCritic(env.action_space.num_actions)
    schedule = optax.linear_schedule(LEARNING_RATE, 0.0, num_updates * NUM_EPOCHS * NUM_MINIBATCHES)
    optimiser = optax.chain(optax.clip_by_global_norm(MAX_GRAD_NORM), optax.adam(schedule, eps=1e-5))
    params = network.init(key, jnp.zeros((1, *env.obs_shape)))
    return TrainState.create(apply_fn=network.apply, params=params, tx=optimiser)


def log_prob_of(logits: Array, action: Array) -> Array:
    """Return the log probability of each action."""
    return jnp.take_along_axis(jax.nn.log_softmax(logits), action[:, None], 1)[:, 0]


@partial(jax.jit, static_argnames="env")
def act(
    key: Array, learner: TrainState, env_state: Any, obs: Array, env: metadisco.Env
) -> tuple[Any, Array, Transition]:
    """Act once in all environments; return their state, the next observations, and the transitions."""
    key_act, key_env = jax.random.split(key)
    logits, value = learner.apply_fn(learner.params, obs)
    action = jax.random.categorical(key_act, logits)
    env_state, after = jax.vmap(env.step)(jax.random.split(key_env, len(obs)), env_state, action)
    next_value = jnp.where(after.terminated, 0.0, learner.apply_fn(learner.params, after.final_obs)[1])
    kept = obs, action, log_prob_of(logits, action), value, next_value, after.reward
    return env_state, after.obs, Transition(*kept, done=after.terminated | after.truncated)


def gae(steps: Transition) -> np.ndarray:
    """Return advantages[T, N]: the end of an episode stops the recursion, but only termination stops the bootstrap."""
    advantage = steps.reward + GAMMA * steps.next_value - steps.value
    for t in reversed(range(len(advantage) - 1)):
        advantage[t] += GAMMA * GAE_LAMBDA * ~steps.done[t] * advantage[t + 1]
    return advantage


def make_update(policy_loss: Callable[..., Array], value_loss: Callable[..., Array]) -> Callable[..., TrainState]:
    """Return `update(learner, minibatch, advantage, progress)`, one gradient step.

    Args:
        policy_loss: (log_prob, old_log_prob, advantage, progress) -> one loss per sample.
        value_loss: (value, old_value, target, progress) -> one loss per sample.
    """

    def total_loss(
        params: Any, apply: Callable[..., Any], batch: Transition, advantage: Array, progress: Array
    ) -> Array:
        logits, value = apply(params, batch.obs)
        standardised = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        policy = policy_loss(log_prob_of(logits, batch.action), batch.log_prob, standardised, progress)
        critic = value_loss(value, batch.value, advantage + batch.value, progress)
        entropy = -(jax.nn.softmax(logits) * jax.nn.log_softmax(logits)).sum(-1)
        return (policy + VALUE_COEF * critic - ENTROPY_COEF * entropy).mean()

    @jax.jit
    def update(learner: TrainState, batch: Transition, advantage: Array, progress: Array) -> TrainState:
        grads = jax.grad(total_loss)(learner.params, learner.apply_fn, batch, advantage, progress)
        return learner.apply_gradients(grads=grads)

    return update


def train(
    key: Array, learner: TrainState, update: Callable[..., TrainState], env: metadisco.Env, num_updates: int
) -> tuple[TrainState, list[float]]:
    """Return the trained learner, and the returns of the episodes in the order in which they ended.

    Args:
        key: for environments, actions and minibatches.
        learner: from `make_learner`.
        update: from `make_update`.
        env: one environment.
        num_updates: batches that are collected and learned from.
    """
    key, key_env = jax.random.split(key)
    env_state, obs = jax.vmap(env.reset)(jax.random.split(key_env, NUM_ENVS))
    episode_return, returns = np.zeros(NUM_ENVS), []
    for index in range(num_updates):
        key, key_steps, key_epochs = jax.random.split(key, 3)
        collected = []
        for key_step in jax.random.split(key_steps, NUM_STEPS):
            env_state, obs, kept = act(key_step, learner, env_state, obs, env)
            kept = jax.device_get(kept)
            collected.append(kept)
            episode_return += kept.reward
            returns += episode_return[kept.done].tolist()
            episode_return[kept.done] = 0
        steps = Transition(*(np.stack(field) for field in zip(*collected, strict=True)))
        samples = [x.reshape(-1, *x.shape[2:]) for x in (*steps, gae(steps))]
        for key_epoch in jax.random.split(key_epochs, NUM_EPOCHS):
            order = np.asarray(jax.random.permutation(key_epoch, NUM_ENVS * NUM_STEPS))
            for indices in np.split(order, NUM_MINIBATCHES):
                *batch, advantage = (x[indices] for x in samples)
                learner = update(learner, Transition(*batch), advantage, index / num_updates)
    return learner, returns


def main(arguments: Sequence[str] | None = None) -> None:
    """Train once and print the mean return of the last 100 episodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objective", default="ppo", help="whatever `metadisco.load_objective` takes")
    parser.add_argument("--env", default="gymnax/CartPole-v1", help="with discrete actions")
    parser.add_argument("--steps", type=int, default=200_000, help="of all environments together")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        objective = metadisco.load_objective(options.objective)
        env = metadisco.make(options.env)
    except metadisco.UserError as error:
        parser.exit(2, f"{error}\n")
    if not isinstance(env.action_space, metadisco.Discrete) or env.action_space.masked:
        parser.exit(2, f"--env: {options.env} has no discrete actions that are all legal\n")
    num_updates = max(1, options.steps // (NUM_ENVS * NUM_STEPS))
    key, key_learner = jax.random.split(jax.random.key(options.seed))
    learner = make_learner(key_learner, env, num_updates)
    update = make_update(metadisco.as_policy_loss(objective), metadisco.as_value_loss(objective))
    _, returns = train(key, learner, update, env, num_updates)
    print(f"mean return of the last 100 episodes: {np.mean(returns[-100:]):.1f}")


if __name__ == "__main__":
    main()
