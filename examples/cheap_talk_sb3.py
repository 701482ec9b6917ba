"""PPO of Stable-Baselines3 that sees messages exported by metadisco: do they have the intended effect?

    metadisco export runs/harm --to numpy --output harm.py
    metadisco export runs/help --to numpy --output help.py
    python examples/cheap_talk_sb3.py harm.py help.py --seeds 10

trains learners on Gymnasium's CartPole with 200 steps, each seed with zeros in place of a message and with each
message, and prints returns with 95 % intervals, and differences from zeros on the same seeds. Learners are, as near as
Stable-Baselines3 comes, the one against which `experiments/cheap_talk/cartpole_harm.yaml` evolves (`--settings
evolved`), and then one with the defaults of Stable-Baselines3 (`--settings defaults`). `--output scores.json` keeps
area and final return of every learner, by settings and message.

Needs `pip install stable-baselines3`.
"""

import argparse
import functools
import json
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import gymnasium
import numpy as np
import scipy.stats
import torch
from gymnasium.wrappers import TimeLimit
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.policies import ActorCriticPolicy

EPISODE_LENGTH = 200
WINDOW = 1024  # steps; an update of the search's learner
NUM_EVALUATION_EPISODES = 16
Say: TypeAlias = Callable[[np.ndarray], np.ndarray]


class SharedTorso(torch.nn.Module):
    """Two layers of 32 that policy and value share; Stable-Baselines3 has separate ones, or shared features."""

    def __init__(self, num_inputs: int):
        super().__init__()
        self.latent_dim_pi = self.latent_dim_vf = 32
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(num_inputs, 32), torch.nn.Tanh(), torch.nn.Linear(32, 32), torch.nn.Tanh()
        )

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the features of policy and value."""
        latent = self.layers(features)
        return latent, latent

    def forward_actor(self, features: torch.Tensor) -> torch.Tensor:
        """Return the features of the policy."""
        return self.layers(features)

    def forward_critic(self, features: torch.Tensor) -> torch.Tensor:
        """Return the features of the value."""
        return self.layers(features)


class SharedPolicy(ActorCriticPolicy):
    """A policy whose value is computed from the same hidden layers."""

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = SharedTorso(self.features_dim)


SETTINGS: dict[str, dict[str, Any]] = {
    "evolved": {
        "policy": SharedPolicy,
        "num_envs": 4,
        "n_steps": 256,
        "batch_size": 1024,  # the whole batch
        "n_epochs": 16,
        "learning_rate": 0.005,
        "clip_range": 0.2,
        "clip_range_vf": 0.2,
        "ent_coef": 0.01,
        "vf_coef": 0.25,  # its squared error has no 1/2
        "max_grad_norm": 0.5,
    },
    "defaults": {"policy": "MlpPolicy", "num_envs": 1},
}
"""Learners: that of the search, and that of Stable-Baselines3. Both go on with the value where the time limit ends an
episode, which the learner of the search does not."""


def load_message(path: str | Path) -> ModuleType:
    """Return a file that `metadisco export … --to numpy` wrote of a message.

    Raises:
        ValueError: if the file cannot be read, or has no message.
    """
    module = ModuleType(Path(path).stem)
    try:
        SourceFileLoader(module.__name__, str(path)).exec_module(module)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    missing = [name for name in ("message", "wrap", "NUM_CHANNELS") if name not in vars(module)]
    if missing:
        raise ValueError(f"{path}: lacks {' and '.join(missing)}")
    return module


def make_env(module: ModuleType, say: Say) -> gymnasium.Env:
    """Return CartPole with messages appended to its observations."""
    return module.wrap(TimeLimit(gymnasium.make("CartPole-v1").unwrapped, EPISODE_LENGTH), say)


class Returns(BaseCallback):
    """Collects the returns of training episodes, in the order of the steps at which they ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[tuple[int, float]] = []

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if "episode" in info:
                self.ended.append((self.num_timesteps, info["episode"]["r"]))
        return True

    def area(self, steps: int) -> float:
        """Return the area under the learning curve: the mean over windows of the mean return that ended in each."""
        windows = np.array([(step - 1) // WINDOW for step, _ in self.ended])
        returns = np.array([each for _, each in self.ended])
        return float(np.mean([returns[windows == window].mean() for window in range(steps // WINDOW)]))


def train(module: ModuleType, say: Say, settings: str, seed: int, steps: int) -> np.ndarray:
    """Train a learner; return the area under its learning curve, and its mean return at the end."""
    make = functools.partial(make_env, module, say)
    keywords = dict(SETTINGS[settings])
    agent = PPO(env=make_vec_env(make, keywords.pop("num_envs"), seed=seed), seed=seed, device="cpu", **keywords)
    returns = Returns()
    agent.learn(steps, returns)
    envs = make_vec_env(make, NUM_EVALUATION_EPISODES, seed=10_000 + seed)
    final, _ = evaluate_policy(agent, envs, NUM_EVALUATION_EPISODES, deterministic=False)
    return np.array([returns.area(steps), final])


def interval(scores: np.ndarray) -> str:
    """Return a mean with Student's 95 % interval."""
    if len(scores) < 2:
        return f"{scores.mean():8.1f}"
    half = scipy.stats.t.ppf(0.975, len(scores) - 1) * scipy.stats.sem(scores)
    return f"{scores.mean():8.1f} ± {half:4.1f}"


def compare(modules: Sequence[ModuleType], settings: str, num_seeds: int, steps: int) -> dict[str, np.ndarray]:
    """Train learners with zeros and with each message, and print a table; return area and final return of each seed."""
    zeros = functools.partial(np.full, modules[0].NUM_CHANNELS, 0.0)
    talkers: list[tuple[str, ModuleType, Say]] = [("zeros", modules[0], lambda obs: zeros())]
    talkers += [(module.__name__, module, module.message) for module in modules]
    width = max(len(name) for name, *_ in talkers)
    print(f"{settings}: {num_seeds} seeds, {steps:,} steps, episodes of at most {EPISODE_LENGTH} steps")
    print(f"{'':{width}}  {'area':>15}  {'− zeros':>15}  {'at the end':>15}  {'− zeros':>15}", flush=True)
    scores = {}
    for name, module, say in talkers:
        scores[name] = np.array([train(module, say, settings, seed, steps) for seed in range(num_seeds)])
        columns = []
        for score in range(2):
            difference = scores[name][:, score] - scores["zeros"][:, score]
            columns += [interval(scores[name][:, score]), "" if name == "zeros" else interval(difference)]
        print(f"{name:{width}}  " + "  ".join(f"{column:>15}" for column in columns), flush=True)
    return scores


def main(words: Sequence[str] | None = None) -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("messages", nargs="+", help="files that `metadisco export … --to numpy` wrote")
    parser.add_argument("--seeds", type=int, default=10, help="learners for each message (default 10)")
    parser.add_argument("--steps", type=int, default=16 * WINDOW, help="environment steps of each (default 16,384)")
    parser.add_argument("--settings", choices=tuple(SETTINGS), action="append", help="of PPO (default: one by one)")
    parser.add_argument("--output", type=Path, help="a JSON file for the scores of all learners")
    options = parser.parse_args(words)
    torch.set_num_threads(1)
    if options.seeds < 1 or options.steps < WINDOW:
        raise SystemExit(f"--seeds and --steps: allowed: at least 1, and at least {WINDOW}")
    try:
        modules = [load_message(path) for path in options.messages]
    except ValueError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from error
    if len({module.NUM_CHANNELS for module in modules}) > 1:
        raise SystemExit("messages: allowed: those with the same number of channels")
    found = {
        settings: {
            name: scores.tolist() for name, scores in compare(modules, settings, options.seeds, options.steps).items()
        }
        for settings in options.settings or SETTINGS
    }
    if options.output is not None:
        options.output.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
