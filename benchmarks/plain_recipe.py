"""The recipe of PureJaxRL's meta-evolution notebook, rewritten as a yardstick: one closure, one jit(vmap(train)).

It follows that recipe (gymnax's LogWrapper, an optax chain with a schedule over gradient steps, a permutation per
epoch, truncation as termination, `info` stacked over the whole lifetime, fitness the mean of the last returned episode
returns) and uses nothing of metadisco, so it stays unchanged while metadisco gets faster.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import gymnax
import jax
import jax.numpy as jnp
import optax
from flax.training.train_state import TrainState
from gymnax.wrappers import LogWrapper

NUM_EPOCHS, NUM_MINIBATCHES = 4, 4
LEARNING_RATE, GAMMA, GAE_LAMBDA = 2.5e-4, 0.99, 0.95
CLIP_EPS, ENTROPY_COEF, VALUE_COEF, MAX_GRAD_NORM = 0.2, 0.01, 0.5, 0.5


def dense(size: int, gain: float) -> nn.Dense:
    return nn.Dense(size, kernel_init=nn.initializers.orthogonal(gain), bias_init=nn.initializers.zeros)


class ActorCritic(nn.Module):
    """Two 64-64 tanh networks."""

    num_actions: int

    @nn.compact
    def __call__(self, obs: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return logits and value."""
        actor = critic = obs
        for _ in range(2):
            actor = nn.tanh(dense(64, 2**0.5)(actor))
        for _ in range(2):
            critic = nn.tanh(dense(64, 2**0.5)(critic))
        return dense(self.num_actions, 0.01)(actor), dense(1, 1.0)(critic)[..., 0]


class ValueLossNetwork(nn.Module):
    """The learned loss: a 64-64 tanh network of the value error."""

    @nn.compact
    def __call__(self, error: jax.Array) -> jax.Array:
        """Return the loss of each error."""
        x = error[..., None]
        for _ in range(2):
            x = nn.tanh(nn.Dense(64)(x))
        return nn.Dense(1)(x)[..., 0]


def init_meta_params(key: jax.Array) -> Any:
    """Return parameters of the loss network."""
    return ValueLossNetwork().init(key, jnp.zeros(()))


def make_train(num_envs: int, num_steps: int, num_updates: int) -> Callable[[jax.Array, Any], jax.Array]:  # noqa: PLR0915
    """Return train(key, meta_params) -> fitness."""
    env, env_params = gymnax.make("CartPole-v1")
    env = LogWrapper(env)
    network = ActorCritic(env.action_space(env_params).n)
    batch_size = num_envs * num_steps

    def schedule(count: jax.Array) -> jax.Array:
        return LEARNING_RATE * (1 - (count // (NUM_MINIBATCHES * NUM_EPOCHS)) / num_updates)

    def train(key: jax.Array, meta_params: Any) -> jax.Array:
        key, key_init, key_reset = jax.random.split(key, 3)
        params = network.init(key_init, jnp.zeros(env.observation_space(env_params).shape))
        optimiser = optax.chain(optax.clip_by_global_norm(MAX_GRAD_NORM), optax.adam(schedule, eps=1e-5))
        train_state = TrainState.create(apply_fn=network.apply, params=params, tx=optimiser)
        obs, env_state = jax.vmap(env.reset, in_axes=(0, None))(jax.random.split(key_reset, num_envs), env_params)

        def env_step(carry: Any, _: None) -> Any:
            train_state, env_state, obs, key = carry
            key, key_action, key_step = jax.random.split(key, 3)
            logits, value = network.apply(train_state.params, obs)
            action = jax.random.categorical(key_action, logits)
            log_prob = jax.nn.log_softmax(logits)[jnp.arange(num_envs), action]
            keys = jax.random.split(key_step, num_envs)
            next_obs, env_state, reward, terminated, truncated, info = jax.vmap(env.step, in_axes=(0, 0, 0, None))(
                keys, env_state, action, env_params
            )
            transition = (terminated | truncated, action, value, reward, log_prob, obs)
            return (train_state, env_state, next_obs, key), (transition, info["returned_episode_returns"])

        def update_step(carry: Any, _: None) -> Any:
            carry, (transitions, returns) = jax.lax.scan(env_step, carry, None, num_steps)
            train_state, env_state, obs, key = carry
            done, action, value, reward, log_prob, seen = transitions
            _, last_value = network.apply(train_state.params, obs)

            def gae_step(carry: Any, inputs: Any) -> Any:
                advantage, next_value = carry
                done, value, reward = inputs
                delta = reward + GAMMA * next_value * (1 - done) - value
                advantage = delta + GAMMA * GAE_LAMBDA * (1 - done) * advantage
                return (advantage, value), advantage

            start = (jnp.zeros_like(last_value), last_value)
            _, advantages = jax.lax.scan(gae_step, start, (done, value, reward), reverse=True)
            data = (seen, action, log_prob, advantages, advantages + value)
            data = jax.tree.map(lambda x: x.reshape((batch_size, *x.shape[2:])), data)

            def minibatch_step(train_state: Any, minibatch: Any) -> Any:
                def loss(params: Any) -> jax.Array:
                    seen, action, old_log_prob, advantage, target = minibatch
                    logits, value = network.apply(params, seen)
                    log_probs = jax.nn.log_softmax(logits)
                    log_prob = log_probs[jnp.arange(action.size), action]
                    ratio = jnp.exp(log_prob - old_log_prob)
                    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                    clipped = jnp.clip(ratio, 1 - CLIP_EPS, 1 + CLIP_EPS)
                    policy_loss = -jnp.minimum(ratio * advantage, clipped * advantage).mean()
                    value_loss = ValueLossNetwork().apply(meta_params, value - target).mean()
                    entropy = -(jnp.exp(log_probs) * log_probs).sum(-1).mean()
                    return policy_loss + VALUE_COEF * value_loss - ENTROPY_COEF * entropy

                return train_state.apply_gradients(grads=jax.grad(loss)(train_state.params)), None

            def epoch_step(carry: Any, _: None) -> Any:
                train_state, key = carry
                key, key_permutation = jax.random.split(key)
                permutation = jax.random.permutation(key_permutation, batch_size)
                minibatches = jax.tree.map(lambda x: x[permutation].reshape((NUM_MINIBATCHES, -1, *x.shape[1:])), data)
                train_state, _ = jax.lax.scan(minibatch_step, train_state, minibatches)
                return (train_state, key), None

            (train_state, key), _ = jax.lax.scan(epoch_step, (train_state, key), None, NUM_EPOCHS)
            return (train_state, env_state, obs, key), returns

        _, returns = jax.lax.scan(update_step, (train_state, env_state, obs, key), None, num_updates)
        return returns.mean()

    return train
