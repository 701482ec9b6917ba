"""PPO of Stable-Baselines3 that minimises losses exported by metadisco in place of its own.

    metadisco export dpo --to torch --output discovered.py
    python examples/stable_baselines3_ppo.py discovered.py --env CartPole-v1 --steps 100000 --seed 0

Needs `pip install stable-baselines3`.
"""

import argparse
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from stable_baselines3.common.utils import explained_variance
from torch import Tensor


class Losses(NamedTuple):
    """Elementwise losses, to be minimised; `progress` is the elapsed fraction of the training, in [0, 1)."""

    policy_loss: Callable[..., Tensor]
    """Of log_prob [B], old_log_prob [B], advantage [B], progress; B is the minibatch."""
    value_loss: Callable[..., Tensor]
    """Of value [B], old_value [B], target [B], progress."""


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


class DiscoveredPPO(PPO):
    """Stable-Baselines3's PPO with other policy and value losses.

    All else is as it is there, and so are its settings, except for:

    - vf_coef multiplies the mean of `value_loss`. Exported squared errors have the factor ½, which those of
      Stable-Baselines3 lack: the default 1 is its 0.5. The logged value_loss is without the coefficient, as there.
    - clip_range only says which ratios clip_fraction counts.
    - clip_range_vf is refused: clipping of the value, if there is any, is inside `value_loss`.

    Args:
        policy: as for PPO.
        env: as for PPO.
        losses: to minimise; not saved with the agent. `DiscoveredPPO.load(path, losses=losses)` continues
            training; without them an agent can only act.
        vf_coef: coefficient of the mean of `value_loss`.
        **settings: all others of PPO, by name.

    Raises:
        ValueError: for a clip_range_vf.
    """

    def __init__(self, policy: Any, env: Any, losses: Losses | None = None, *, vf_coef: float = 1.0, **settings: Any):
        if settings.get("clip_range_vf") is not None:
            raise ValueError("clip_range_vf: clipping of the value, if there is any, is inside the value loss")
        super().__init__(policy, env, vf_coef=vf_coef, **settings)
        self.losses = losses

    def train(self) -> None:
        """Learn from the rollout that was collected."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        shown: list[dict[str, float]] = []
        for number in range(self.n_epochs):
            epoch = list(self._epoch())
            shown += epoch
            self._n_updates += 1
            if self._went_too_far(epoch[-1]["approx_kl"]):
                if self.verbose >= 1:
                    print(f"Epoch {number} stopped early: the KL divergence reached {epoch[-1]['approx_kl']:.2f}")
                break
        means = {key: float(np.mean([row[key] for row in shown])) for key in shown[0]}
        means["approx_kl"] = float(np.mean([row["approx_kl"] for row in epoch]))
        self._log(means | {"loss": shown[-1]["loss"]})

    def _epoch(self) -> Iterator[dict[str, float]]:
        """Take a step for each minibatch, until the policy has moved too far; yield the metrics of each."""
        for batch in self.rollout_buffer.get(self.batch_size):
            loss, shown = self._loss(batch)
            yield shown
            if self._went_too_far(shown["approx_kl"]):
                return
            self.policy.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()

    def _went_too_far(self, approx_kl: float) -> bool:
        return self.target_kl is not None and approx_kl > 1.5 * self.target_kl

    def _loss(self, batch: RolloutBufferSamples) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a minibatch, and its metrics."""
        if self.losses is None:
            raise TypeError("losses: none are given, and none are saved with an agent; load it with losses=…")
        discrete = isinstance(self.action_space, spaces.Discrete)
        actions = batch.actions.long().flatten() if discrete else batch.actions
        value, log_prob, entropy = self.policy.evaluate_actions(batch.observations, actions)
        advantage = batch.advantages
        if self.normalize_advantage and len(advantage) > 1:
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        progress = (self.num_timesteps - self.n_steps * self.n_envs) / self._total_timesteps
        policy_loss = self.losses.policy_loss(log_prob, batch.old_log_prob, advantage, progress).mean()
        value_loss = self.losses.value_loss(value.flatten(), batch.old_values, batch.returns, progress).mean()
        entropy_loss = log_prob.mean() if entropy is None else -entropy.mean()
        loss = policy_loss + self.ent_coef * entropy_loss + self.vf_coef * value_loss
        with torch.no_grad():
            log_ratio = log_prob - batch.old_log_prob
            gap = torch.exp(log_ratio) - 1
            clipped = gap.abs() > self.clip_range(self._current_progress_remaining)
        return loss, {
            "entropy_loss": entropy_loss.item(),
            "policy_gradient_loss": policy_loss.item(),
            "value_loss": value_loss.item(),
            "approx_kl": (gap - log_ratio).mean().item(),  # http://joschu.net/blog/kl-approx.html
            "clip_fraction": clipped.float().mean().item(),
            "loss": loss.item(),
        }

    def _log(self, means: dict[str, float]) -> None:
        for key, mean in means.items():
            self.logger.record(f"train/{key}", mean)
        values, returns = self.rollout_buffer.values.flatten(), self.rollout_buffer.returns.flatten()
        self.logger.record("train/explained_variance", explained_variance(values, returns))
        if isinstance(self.action_space, spaces.Box):
            self.logger.record("train/std", torch.exp(self.policy.log_std).mean().item())
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/clip_range", self.clip_range(self._current_progress_remaining))

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "losses"]


def main() -> None:
    """Train an agent and print its score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("losses", type=Path, help="file that metadisco export --to torch wrote")
    parser.add_argument("--env", default="CartPole-v1", help="name of a Gymnasium environment (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=100_000, help="environment steps (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    args = parser.parse_args()
    try:
        losses = load_losses(args.losses)
    except ValueError as error:
        parser.exit(2, f"{error}\n")
    agent = DiscoveredPPO("MlpPolicy", args.env, losses, seed=args.seed, device="cpu").learn(args.steps)
    mean, std = evaluate_policy(agent, make_vec_env(args.env, seed=args.seed + 1), n_eval_episodes=20)
    print(f"return {mean:.1f} ± {std:.1f} (mean and standard deviation over 20 episodes)")


if __name__ == "__main__":
    main()
