"""PPO with legal actions compared with MaskablePPO of SB3-contrib, at equal settings on one environment.

Both learn in the same environment: MaskablePPO through a view of it as a Gymnasium environment.

    pip install sb3-contrib
    python benchmarks/maskable_ppo.py --output benchmarks/results/maskable_ppo.json

About an hour on two cores with 4 seeds, nearly all of it on their side.
"""

import argparse
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from showing import add_output, check_output, machine, show

import metadisco
from metadisco.config import Config, InnerConfig
from metadisco.evaluation.lifetimes import run_lifetimes
from metadisco.inner.envs import Discrete, Env, split_mask
from metadisco.outer.devices import start_jax

PPO = metadisco.PPOConfig(
    num_envs=32,
    num_steps=64,
    num_env_steps=204_800,
    num_epochs=4,
    num_minibatches=8,
    learning_rate=5e-4,
    anneal_learning_rate=True,
    hidden_sizes=(128, 128),
    num_evaluation_episodes=64,
)
CLIP_EPS = 0.2
LAST_PART = 0.05


class View(gymnasium.Env):
    """A masked environment of ours as a Gymnasium environment; the mask is not a part of its observation."""

    def __init__(self, env: Env, seed: int):
        assert isinstance(env.action_space, Discrete) and env.action_space.masked
        self._env, self._step, self._reset = env, jax.jit(env.step), jax.jit(env.reset)
        self._key = jax.random.key(seed)
        self._begun: Any = None
        num_actions = env.action_space.num_actions
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (env.obs_shape[0] - num_actions,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(num_actions)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        """Begin an episode; the environment has begun one itself where the last one ended."""
        del seed, options
        if self._begun is None:
            self._key, key = jax.random.split(self._key)
            self._begun = self._reset(key)
        self._state, obs = self._begun
        return self._seen(obs), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Take a step; the observation is the one before a restart."""
        self._key, key = jax.random.split(self._key)
        self._state, seen = self._step(key, self._state, jnp.int32(action))
        self._begun = (self._state, seen.obs)
        return self._seen(seen.final_obs), float(seen.reward), bool(seen.terminated), bool(seen.truncated), {}

    def action_masks(self) -> np.ndarray:
        """Return which actions are legal, as MaskablePPO asks for it."""
        return self._legal

    def _seen(self, obs: Any) -> np.ndarray:
        observed, legal = split_mask(np.asarray(obs), self._env.action_space)
        self._legal = np.asarray(legal) > 0.5
        return np.asarray(observed)


def theirs(env: Env, seed: int) -> float:
    """Return the mean training return of MaskablePPO over the last part of its lifetime."""
    import torch
    from sb3_contrib import MaskablePPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

    returns: list[tuple[int, float]] = []

    class Keep(BaseCallback):
        def _on_step(self) -> bool:
            ended = [info["episode"]["r"] for info in self.locals["infos"] if "episode" in info]
            returns.extend((self.num_timesteps, value) for value in ended)
            return True

    views = [lambda index=index: View(env, 1000 * seed + index) for index in range(PPO.num_envs)]
    agent = MaskablePPO(
        "MlpPolicy",
        VecMonitor(DummyVecEnv(views)),
        n_steps=PPO.num_steps,
        batch_size=PPO.batch_size // PPO.num_minibatches,
        n_epochs=PPO.num_epochs,
        learning_rate=lambda left: PPO.learning_rate * left,
        gamma=PPO.gamma,
        gae_lambda=PPO.gae_lambda,
        clip_range=CLIP_EPS,
        clip_range_vf=CLIP_EPS,
        ent_coef=PPO.entropy_coef,
        vf_coef=PPO.value_coef,
        max_grad_norm=PPO.max_grad_norm,
        policy_kwargs={"net_arch": list(PPO.hidden_sizes), "activation_fn": torch.nn.Tanh},
        seed=seed,
        device="cpu",
    )
    agent.learn(PPO.executed_env_steps, callback=Keep())
    late = (1 - LAST_PART) * PPO.executed_env_steps
    return float(np.mean([value for when, value in returns if when > late]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="jumanji/Knapsack-v1")
    parser.add_argument("--seeds", type=int, default=4)
    add_output(parser)
    options = parser.parse_args()
    check_output(parser, options)
    start_jax(None)
    env = metadisco.make(options.env)
    config = Config(inner=InnerConfig(env=options.env, ppo=PPO))
    (mine,) = run_lifetimes(metadisco.ppo(clip_eps=CLIP_EPS), env, [config], options.seeds)
    last = max(round(LAST_PART * PPO.num_updates), 1)
    sides = {
        "metadisco": mine.filled[:, -last:].mean(1).tolist(),
        "sb3_contrib": [theirs(env, seed) for seed in range(options.seeds)],
    }
    means = {
        name: [float(np.mean(each)), float(np.std(each, ddof=1) / len(each) ** 0.5)] for name, each in sides.items()
    }
    facts = {"env": options.env, "env_steps": PPO.executed_env_steps, "seeds": options.seeds}
    show({"machine": machine(), **facts, "last_part_of_training": sides, "mean_error": means}, options.output)


if __name__ == "__main__":
    main()
