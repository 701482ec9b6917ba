"""PPO in one file, in the style of PureJaxRL: environments, network and the whole training in one jit.

    metadisco export dpo --to jax --output dpo.py
    python examples/purejaxrl_style_ppo.py --losses dpo.py --env CartPole-v1 --steps 500000 --seed 0

Needs JAX, flax, optax and gymnax 1.x, but not metadisco. `total_loss` calls PPO's two clipped losses; a file given as
--losses replaces them, after which PureJaxRL's CLIP_EPS has no effect. Discrete actions; the settings are CleanRL's for
CartPole. Unlike in PureJaxRL, the value beyond a time limit is bootstrapped.

Axes: T steps, N environments, B samples of a minibatch.
"""

import argparse
import runpy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import gymnax
import jax
import jax.numpy as jnp
import optax
from flax.training.train_state import TrainState
from gymnax.environments.spaces import Discrete
from jax import Array


class Config(NamedTuple):
    """Settings; `num_minibatches` must divide `num_envs * num_steps`."""

    env: str = "CartPole-v1"
    num_env_steps: int = 500_000
    num_envs: int = 4
    num_steps: int = 128
    num_epochs: int = 4
    num_minibatches: int = 4
    learning_rate: float = 2.5e-4  # falls linearly to zero, once per update
    gamma: float = 0.99
    gae_lambda: float = 0.95
    value_coef: float = 0.5
    entropy_coef: float = 0.01
    max_grad_norm: float = 0.5

    @property
    def num_updates(self) -> int:
        """Whole batches that fit into the steps."""
        return self.num_env_steps // (self.num_envs * self.num_steps)


class Losses(NamedTuple):
    """Elementwise, to be minimised; `progress` is the elapsed fraction of the training, in [0, 1)."""

    policy_loss: Callable[..., Array]  # (log_prob, old_log_prob, advantage, progress)
    value_loss: Callable[..., Array]  # (value, old_value, target, progress)


def ppo_losses(clip_eps: float = 0.2, value_clip_eps: float | None = 0.2) -> Losses:
    """Return the losses of PPO; the value is not clipped where `value_clip_eps` is None."""

    def policy_loss(log_prob: Array, old_log_prob: Array, advantage: Array, progress: Array) -> Array:
        ratio = jnp.exp(log_prob - old_log_prob)
        return -jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - clip_eps, 1 + clip_eps) * advantage)

    def value_loss(value: Array, old_value: Array, target: Array, progress: Array) -> Array:
        if value_clip_eps is None:
            return 0.5 * jnp.square(value - target)
        clipped = old_value + jnp.clip(value - old_value, -value_clip_eps, value_clip_eps)
        return 0.5 * jnp.maximum(jnp.square(value - target), jnp.square(clipped - target))

    return Losses(policy_loss, value_loss)


def load_losses(path: str) -> Losses:
    """Return the losses of a file that `metadisco export --to jax` wrote."""
    try:
        found = runpy.run_path(path)
    except (OSError, ImportError, SyntaxError) as error:
        raise ValueError(f"--losses: {error}") from error
    for name in Losses._fields:
        if not callable(found.get(name)):
            raise ValueError(f"--losses: {path!r} has no function {name}")
        try:
            jax.eval_shape(found[name], *jnp.zeros((3, 1)), jnp.zeros(()))
        except TypeError as error:
            raise ValueError(f"--losses: {name} of {path!r} does not take arrays of JAX") from error
    return Losses(found["policy_loss"], found["value_loss"])


class ActorCritic(nn.Module):
    """Two networks of two hidden layers; observations of any shape are flattened."""

    num_actions: int

    @nn.compact
    def __call__(self, obs: Array) -> tuple[Array, Array]:
        """Return logits[B, A] and values[B]."""
        outputs = []
        for size, gain in ((self.num_actions, 0.01), (1, 1.0)):
            x = obs.reshape(len(obs), -1).astype(jnp.float32)
            for _ in range(2):
                x = nn.tanh(nn.Dense(64, kernel_init=nn.initializers.orthogonal(2**0.5))(x))
            outputs.append(nn.Dense(size, kernel_init=nn.initializers.orthogonal(gain))(x))
        return outputs[0], outputs[1][:, 0]


def log_prob_of(logits: Array, action: Array) -> Array:
    """Return the log probability of each action."""
    return jnp.take_along_axis(jax.nn.log_softmax(logits), action[:, None], 1)[:, 0]


class State(NamedTuple):
    """The state from which the next update starts."""

    key: Array
    learner: TrainState
    env_state: Any
    obs: Array
    episode_return: Array  # [N], of the running episodes


class Transition(NamedTuple):
    """The data of each step, [T, N, ...]."""

    obs: Array
    action: Array
    log_prob: Array
    value: Array
    next_value: Array  # of the observation that the step led to, before any reset; 0 after termination
    reward: Array
    done: Array  # terminated or truncated
    episode_return: Array  # including this step


def rollout(state: State, env_step: Callable[..., Any], config: Config) -> tuple[State, Transition]:
    """Step the environments T times."""

    def step(state: State, _: None) -> tuple[State, Transition]:
        key, key_act, key_env = jax.random.split(state.key, 3)
        act = partial(state.learner.apply_fn, state.learner.params)
        logits, value = act(state.obs)
        action = jax.random.categorical(key_act, logits)
        keys_env = jax.random.split(key_env, config.num_envs)
        obs, env_state, reward, terminated, truncated, info = env_step(keys_env, state.env_state, action)
        next_value = jnp.where(terminated, 0.0, act(info["final_observation"])[1])
        done, episode_return = terminated | truncated, state.episode_return + reward
        kept = state.obs, action, log_prob_of(logits, action), value, next_value, reward, done, episode_return
        return State(key, state.learner, env_state, obs, jnp.where(done, 0.0, episode_return)), Transition(*kept)

    return jax.lax.scan(step, state, None, config.num_steps)


def gae(transitions: Transition, config: Config) -> Array:
    """Return advantages[T, N]: the end of an episode stops the recursion, but only termination stops the bootstrap."""
    deltas = transitions.reward + config.gamma * transitions.next_value - transitions.value
    decays = config.gamma * config.gae_lambda * jnp.where(transitions.done, 0.0, 1.0)

    def step(later: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        delta, decay = inputs
        advantage = delta + decay * later
        return advantage, advantage

    return jax.lax.scan(step, jnp.zeros_like(deltas[0]), (deltas, decays), reverse=True)[1]


def total_loss(
    params: Any,
    apply: Callable[..., Any],
    batch: Transition,
    advantage: Array,
    progress: Array,
    losses: Losses,
    config: Config,
) -> Array:
    """Return the loss of a minibatch: here the losses are called."""
    logits, value = apply(params, batch.obs)
    standardised = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    policy_loss = losses.policy_loss(log_prob_of(logits, batch.action), batch.log_prob, standardised, progress).mean()
    value_loss = losses.value_loss(value, batch.value, advantage + batch.value, progress).mean()
    entropy = -(jax.nn.softmax(logits) * jax.nn.log_softmax(logits)).sum(-1).mean()
    return policy_loss + config.value_coef * value_loss - config.entropy_coef * entropy


def learn(
    key: Array, learner: TrainState, transitions: Transition, progress: Array, losses: Losses, config: Config
) -> TrainState:
    """Take the gradient steps of one update, on minibatches shuffled anew for each epoch."""
    samples = transitions, gae(transitions, config)
    samples = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), samples)

    def step(learner: TrainState, indices: Array) -> tuple[TrainState, None]:
        batch, advantage = jax.tree.map(lambda x: x[indices], samples)
        grads = jax.grad(total_loss)(learner.params, learner.apply_fn, batch, advantage, progress, losses, config)
        return learner.apply_gradients(grads=grads), None

    order = jnp.tile(jnp.arange(config.num_envs * config.num_steps), (config.num_epochs, 1))
    indices = jax.random.permutation(key, order, axis=1, independent=True)
    return jax.lax.scan(step, learner, indices.reshape(config.num_epochs * config.num_minibatches, -1))[0]


def make_learner(config: Config, losses: Losses) -> tuple[Callable[..., State], Callable[..., Any]]:
    """Return `init(key)` and `update(state, index)`, which collects and learns; index counts the updates.

    An update returns the new state, the summed returns of the episodes that ended in it, and their number.
    """
    env, env_params = gymnax.make(config.env)
    actions = env.action_space(env_params)
    if not isinstance(actions, Discrete):
        raise ValueError(f"--env: {config.env} has no discrete actions")
    steps_per_update = config.num_epochs * config.num_minibatches
    optimiser = optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm),
        optax.adam(lambda step: config.learning_rate * (1 - step // steps_per_update / config.num_updates), eps=1e-5),
    )

    def init(key: Array) -> State:
        key, key_env, key_network = jax.random.split(key, 3)
        obs, env_state = jax.vmap(partial(env.reset, params=env_params))(jax.random.split(key_env, config.num_envs))
        network = ActorCritic(actions.n)
        learner = TrainState.create(apply_fn=network.apply, params=network.init(key_network, obs), tx=optimiser)
        return State(key, learner, env_state, obs, jnp.zeros(config.num_envs))

    def update(state: State, index: Array) -> tuple[State, tuple[Array, Array]]:
        state, transitions = rollout(state, jax.vmap(partial(env.step, params=env_params)), config)
        key, key_learn = jax.random.split(state.key)
        learner = learn(key_learn, state.learner, transitions, index / config.num_updates, losses, config)
        returns = jnp.where(transitions.done, transitions.episode_return, 0.0)
        return state._replace(key=key, learner=learner), (returns.sum(), transitions.done.sum())

    return init, update


def make_train(config: Config, losses: Losses) -> Callable[[Array], tuple[State, tuple[Array, Array]]]:
    """Return `train(key)`, to be jitted, or vmapped over keys: the last state, and the metrics of each update."""
    if config.num_updates < 1:
        raise ValueError(f"--steps: got {config.num_env_steps}, allowed: {config.num_envs * config.num_steps} or more")
    init, update = make_learner(config, losses)
    return lambda key: jax.lax.scan(update, init(key), jnp.arange(config.num_updates))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train once and print the mean return of the episodes that ended in the last tenth of the updates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--losses", help="file of `metadisco export --to jax`; PPO's own are the default")
    parser.add_argument("--env", default=Config().env, help="of gymnax, with discrete actions")
    parser.add_argument("--steps", type=int, default=Config().num_env_steps, help="of all environments together")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        losses = load_losses(options.losses) if options.losses else ppo_losses()
        train = make_train(Config(env=options.env, num_env_steps=options.steps), losses)
    except ValueError as error:
        parser.exit(2, f"{error}\n")
    _, (returns, episodes) = jax.jit(train)(jax.random.key(options.seed))
    last = slice(-max(1, len(returns) // 10), None)
    print(f"mean return over the last tenth of the training: {returns[last].sum() / episodes[last].sum():.1f}")


if __name__ == "__main__":
    main()
