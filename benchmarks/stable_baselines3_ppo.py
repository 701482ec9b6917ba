"""Stable-Baselines3's PPO on CartPole-v1 as a yardstick: one agent for one of our lifetimes, at equal settings."""

import os
from typing import TYPE_CHECKING, Any

from turns import Channel, timed

if TYPE_CHECKING:
    from generation import Generation

SETTINGS = {
    "n_epochs": 4, "gamma": 0.99, "gae_lambda": 0.95, "clip_range": 0.2, "ent_coef": 0.01, "vf_coef": 0.5,
    "max_grad_norm": 0.5, "device": "cpu",
}  # fmt: skip
NUM_MINIBATCHES = 4
LEARNING_RATE = 2.5e-4


def serve(generation: "Generation", channel: Channel) -> None:
    """Time whole trainings, or say that the library is not there."""
    try:
        import torch
        from stable_baselines3 import PPO
        from stable_baselines3.common.env_util import make_vec_env
    except ImportError as error:
        channel.send({"missing": f"not installed: {error.name}"})
        return
    env = make_vec_env("CartPole-v1", n_envs=generation.num_envs, seed=0)
    batch_size = generation.num_envs * generation.num_steps
    frames = generation.num_updates * batch_size

    def train() -> Any:
        agent = PPO(
            "MlpPolicy", env, n_steps=generation.num_steps, batch_size=batch_size // NUM_MINIBATCHES,
            learning_rate=lambda left: LEARNING_RATE * left,
            policy_kwargs={"net_arch": {"pi": [64, 64], "vf": [64, 64]}, "activation_fn": torch.nn.Tanh}, **SETTINGS,
        )  # fmt: skip
        agent.learn(total_timesteps=frames)

    threads = fastest_threads(torch, train)
    torch.set_num_threads(threads)
    channel.serve({"agents": 1, "frames": frames, "threads": threads}, {"stable_baselines3": train})


def fastest_threads(torch: Any, train: Any) -> int:
    """Return with how many threads PyTorch is fastest here, one or one per core: networks this small gain little."""
    seconds = {}
    for threads in (1, len(os.sched_getaffinity(0))):
        torch.set_num_threads(threads)
        seconds[threads] = min(timed(train) for _ in range(2))
    return min(seconds, key=lambda threads: seconds[threads])
