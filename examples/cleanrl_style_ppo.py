"""PPO in one file of PyTorch, in the style of CleanRL, whose losses can be replaced by exported ones.

    python examples/cleanrl_style_ppo.py --env CartPole-v1 --seed 0
    metadisco export dpo --to torch --output discovered.py
    python examples/cleanrl_style_ppo.py --env CartPole-v1 --seed 0 --losses discovered.py

The losses contain the clipping: with exported ones, CleanRL's --clip-coef and --clip-vloss have no effect. For vector
observations and discrete actions; the settings are CleanRL's for classic control. Unlike in CleanRL, a time limit is no
termination: the value beyond it is bootstrapped from the last observation.

Needs `pip install torch "gymnasium[classic-control]>=1.1"`.

Shapes: T steps, N environments, B samples of a minibatch.
"""

import argparse
import dataclasses
from collections import deque
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers import RecordEpisodeStatistics
from torch import Tensor, nn
from torch.distributions import Categorical


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a training run."""

    env: str = "CartPole-v1"
    seed: int = 0
    num_env_steps: int = 500_000
    num_envs: int = 4
    num_steps: int = 128
    num_epochs: int = 4
    num_minibatches: int = 4
    learning_rate: float = 2.5e-4  # decays linearly to 0
    gamma: float = 0.99
    gae_lambda: float = 0.95
    entropy_coef: float = 0.01
    value_coef: float = 0.5
    max_grad_norm: float = 0.5


class Losses(NamedTuple):
    """Elementwise losses, to be minimised; `progress` is the elapsed fraction of the training, in [0, 1)."""

    policy_loss: Callable[..., Tensor]
    """Of log_prob [B], old_log_prob [B], advantage [B], progress."""
    value_loss: Callable[..., Tensor]
    """Of value [B], old_value [B], target [B], progress."""


def ppo_losses(clip_eps: float = 0.2, value_clip_eps: float | None = 0.2) -> Losses:
    """Return PPO's own losses.

    Args:
        clip_eps: clipping of the probability ratio.
        value_clip_eps: clipping of the value around the old one; None for the plain squared error.
    """

    def policy_loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, progress: float) -> Tensor:
        ratio = (log_prob - old_log_prob).exp()
        return -torch.min(ratio * advantage, ratio.clamp(1 - clip_eps, 1 + clip_eps) * advantage)

    def value_loss(value: Tensor, old_value: Tensor, target: Tensor, progress: float) -> Tensor:
        square = (value - target) ** 2
        if value_clip_eps is None:
            return 0.5 * square
        clipped = old_value + (value - old_value).clamp(-value_clip_eps, value_clip_eps)
        return 0.5 * torch.max(square, (clipped - target) ** 2)

    return Losses(policy_loss, value_loss)


def load_losses(path: str | Path) -> Losses:
    """Return the losses in a file that `metadisco export … --to torch` wrote.

    Raises:
        ValueError: if the file cannot be read, or a loss is not in it.
    """
    module = ModuleType(Path(path).stem)
    try:
        SourceFileLoader(module.__name__, str(path)).exec_module(module)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    missing = [name for name in Losses._fields if name not in vars(module)]
    if missing:
        raise ValueError(f"{path}: lacks {' and '.join(missing)}")
    return Losses(module.policy_loss, module.value_loss)


class Agent(nn.Module):
    """Two networks: logits of the policy, and the value."""

    def __init__(self, num_inputs: int, num_actions: int):
        super().__init__()
        self.actor = network(num_inputs, num_actions, 0.01)
        self.critic = network(num_inputs, 1, 1.0)

    def policy(self, obs: Tensor) -> Categorical:
        """Return the distribution of actions at observations [..., num_inputs]."""
        return Categorical(logits=self.actor(obs))

    def value(self, obs: Tensor) -> Tensor:
        """Return values [...] of observations [..., num_inputs]."""
        return self.critic(obs).squeeze(-1)


def network(num_inputs: int, num_outputs: int, gain: float) -> nn.Sequential:
    """Return two tanh layers of 64 and a linear one, initialised orthogonally with this gain at the output."""
    layers = [nn.Linear(num_inputs, 64), nn.Linear(64, 64), nn.Linear(64, num_outputs)]
    for layer, layer_gain in zip(layers, (2**0.5, 2**0.5, gain), strict=True):
        nn.init.orthogonal_(layer.weight, layer_gain)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


class Rollout(NamedTuple):
    """The steps of a rollout, [T, N] of each."""

    obs: Tensor
    action: Tensor
    log_prob: Tensor
    reward: Tensor
    next_obs: Tensor
    """Before any reset."""
    terminated: Tensor
    ended: Tensor
    """Terminated or truncated."""


class Batch(NamedTuple):
    """The samples of a batch, one entry each."""

    obs: Tensor
    action: Tensor
    log_prob: Tensor
    value: Tensor
    advantage: Tensor
    target: Tensor


def make_envs(config: Config) -> VectorEnv:
    """Return environments that reset in the step that ends an episode, so that no step is only a reset."""
    return gymnasium.make_vec(
        config.env,
        config.num_envs,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
        wrappers=[RecordEpisodeStatistics],  # of each: that of gymnasium.wrappers.vector miscounts (Gymnasium #1624)
    )


@torch.no_grad()
def collect(envs: VectorEnv, agent: Agent, obs: np.ndarray, num_steps: int) -> tuple[np.ndarray, Rollout, list[float]]:
    """Return the observation after T steps, the steps, and the returns of episodes that ended in them."""
    steps, returns = [], []
    for _ in range(num_steps):
        policy = agent.policy(floats(obs))
        action = policy.sample()
        new_obs, reward, terminated, truncated, info = envs.step(action.numpy())
        ended = terminated | truncated
        next_obs = new_obs.copy()
        for index in np.flatnonzero(ended):
            next_obs[index] = info["final_obs"][index]
            returns.append(info["final_info"]["episode"]["r"][index])
        seen = map(floats, (reward, next_obs, terminated, ended))
        steps.append(Rollout(floats(obs), action, policy.log_prob(action), *seen))
        obs = new_obs
    return obs, Rollout(*map(torch.stack, zip(*steps, strict=True))), returns


def floats(array: np.ndarray) -> Tensor:
    """Return an array as float32."""
    return torch.as_tensor(array, dtype=torch.float32)


@torch.no_grad()
def make_batch(agent: Agent, rollout: Rollout, config: Config) -> Batch:
    """Return the samples of a rollout, with GAE(λ) as advantage and the λ-return as target."""
    value, next_value = agent.value(rollout.obs), agent.value(rollout.next_obs)
    delta = rollout.reward + config.gamma * (1 - rollout.terminated) * next_value - value
    decay = config.gamma * config.gae_lambda * (1 - rollout.ended)
    advantage = torch.zeros_like(delta)
    last = torch.zeros_like(delta[0])
    for t in reversed(range(config.num_steps)):
        last = advantage[t] = delta[t] + decay[t] * last
    batch = Batch(rollout.obs, rollout.action, rollout.log_prob, value, advantage, advantage + value)
    return Batch(*(field.flatten(0, 1) for field in batch))


def loss_of(agent: Agent, batch: Batch, losses: Losses, config: Config, progress: float) -> Tensor:
    """Return the loss of a minibatch."""
    policy = agent.policy(batch.obs)
    advantage = (batch.advantage - batch.advantage.mean()) / (batch.advantage.std() + 1e-8)
    policy_loss = losses.policy_loss(policy.log_prob(batch.action), batch.log_prob, advantage, progress).mean()
    value_loss = losses.value_loss(agent.value(batch.obs), batch.value, batch.target, progress).mean()
    return policy_loss + config.value_coef * value_loss - config.entropy_coef * policy.entropy().mean()


def train(config: Config, losses: Losses) -> Iterator[tuple[int, Agent, list[float]]]:
    """Train an agent; after each update yield environment steps, agent, and the returns of its episodes."""
    torch.manual_seed(config.seed)
    envs = make_envs(config)
    agent = Agent(envs.single_observation_space.shape[0], int(envs.single_action_space.n))
    optimiser = torch.optim.Adam(agent.parameters(), config.learning_rate, eps=1e-5)
    obs, _ = envs.reset(seed=config.seed)
    batch_size = config.num_envs * config.num_steps
    num_updates = config.num_env_steps // batch_size
    for update in range(num_updates):
        progress = update / num_updates
        optimiser.param_groups[0]["lr"] = (1 - progress) * config.learning_rate
        obs, rollout, returns = collect(envs, agent, obs, config.num_steps)
        batch = make_batch(agent, rollout, config)
        for _ in range(config.num_epochs):
            for rows in torch.randperm(batch_size).chunk(config.num_minibatches):
                loss = loss_of(agent, Batch(*(field[rows] for field in batch)), losses, config, progress)
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), config.max_grad_norm)
                optimiser.step()
        yield (update + 1) * batch_size, agent, returns


def main() -> None:
    """Train an agent and print its returns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--losses", type=Path, help="file that metadisco export --to torch wrote (default: PPO's own)")
    for field in dataclasses.fields(Config):
        name = "--" + field.name.replace("_", "-")
        parser.add_argument(name, type=field.type, default=field.default, help="(default: %(default)s)")
    settings = vars(parser.parse_args())
    path = settings.pop("losses")
    try:
        losses = load_losses(path) if path else ppo_losses()
    except ValueError as error:
        parser.exit(2, f"{error}\n")
    recent: deque[float] = deque(maxlen=100)
    for number, (steps, _, returns) in enumerate(train(Config(**settings), losses), 1):
        recent.extend(returns)
        if number % 20 == 0 and recent:
            print(f"{steps:>9,} steps: return {np.mean(recent):.1f}, mean of the last {len(recent)} episodes")


if __name__ == "__main__":
    main()
