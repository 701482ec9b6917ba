"""Agents per minute of `metadisco tune` on CartPole-v1, compared with one agent at a time, and with Stable-Baselines3.

- `tune`: a batch of a search by TPE: settings proposed, trained on four seeds each on all cores, and kept on the disk;
- `one_by_one`: our own agents with the same settings, one after another in one compiled program on one core;
- `stable_baselines3`: Stable-Baselines3's PPO at equal settings that Optuna's TPE proposes, one process on each core,
  where both are installed.

Each side is a process of its own. They compile one after another and are then timed in turn, never at the same time.
Each ratio is the median over the rounds. Compile time is not in it.

    python benchmarks/tuning.py --output benchmarks/results/tuning.json

About ten minutes on two cores.
"""

import argparse
import concurrent.futures
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from showing import run_part
from turns import Channel, Child, ask_in_turn, ratio

ENV = "CartPole-v1"
RANGES = {"learning_rate": (2.5e-4, 1e-2), "entropy_coef": (1e-4, 0.05), "clip_eps": (0.05, 0.4)}
SIDES = ("tune", "one_by_one", "stable_baselines3")


class Sizes:
    """How much each side trains for one request.

    Args:
        quick: whether numbers are to mean nothing.
    """

    def __init__(self, quick: bool):
        self.env_steps = 1024 if quick else 32_768
        self.settings, self.seeds = (4, 2) if quick else (64, 4)
        self.alone = 2 if quick else 8
        self.per_core = 1 if quick else 4


def plan_of(sizes: Sizes) -> Any:
    """Return the plan of the search that is timed; its end is never reached."""
    from metadisco.tuning.plan import make_plan

    prefix = {"clip_eps": "objective."}
    space = {f"{prefix.get(name, 'inner.ppo.')}{name}": {"log": list(ends)} for name, ends in RANGES.items()}
    inner = {"env": f"gymnax/{ENV}", "ppo": {"num_env_steps": sizes.env_steps}}
    numbers = {"num_settings": 10_000, "batch": sizes.settings, "num_seeds": sizes.seeds}
    return make_plan({"space": space, "inner": inner, **numbers})


def serve_tune(sizes: Sizes, channel: Channel) -> None:
    """Time batches of a search."""
    import jax

    from metadisco.tuning.search import Search
    from metadisco.tuning.train import Trainer
    from metadisco.tuning.trials import Trials
    from metadisco.tuning.tune import header_of

    plan = plan_of(sizes)
    with tempfile.TemporaryDirectory() as folder:
        search = Search(plan, Trials(Path(folder) / "trials.jsonl", header_of(plan)), Trainer(plan), {})
        batches = itertools.count()
        facts = {"agents": sizes.settings * sizes.seeds, "devices": jax.device_count()}
        channel.serve(facts, {"tune": lambda: search.run_batch("ppo", next(batches))})


def serve_one_by_one(sizes: Sizes, channel: Channel) -> None:
    """Time agents one after another on one device, in one program."""
    import jax
    import numpy as np

    from metadisco import make
    from metadisco.evaluation.lifetimes import TUNING, seed_keys
    from metadisco.evaluation.programs import Program
    from metadisco.inner.optimise import Hyperparameters
    from metadisco.objectives import ppo
    from metadisco.outer.devices import start_jax

    start_jax(1)
    plan = plan_of(sizes)
    (config,) = plan.configs.values()
    program = Program(ppo, make(f"gymnax/{ENV}"), config, ["clip_eps"], share=1)
    positions = np.random.default_rng(0).random((sizes.alone, len(RANGES)))
    values = [{each.key: each.at(at) for each, at in zip(plan.ranges["ppo"], row, strict=True)} for row in positions]
    (env,) = plan.configs
    settings = [Hyperparameters.from_config(plan.config(env, each).inner.ppo) for each in values]
    constants = [{"clip_eps": each["objective.clip_eps"]} for each in values]
    keys = seed_keys(0, 1, TUNING)
    facts = {"agents": sizes.alone, "devices": jax.device_count()}

    def run() -> None:
        program.start(keys, settings, constants)()

    channel.serve(facts, {"one_by_one": run})


def serve_stable_baselines3(sizes: Sizes, channel: Channel) -> None:
    """Time trainings of Stable-Baselines3 whose settings Optuna proposes, or report a missing package."""
    try:
        import optuna
        import stable_baselines3  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        channel.send({"missing": f"not installed: {error.name}"})
        return
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=0, multivariate=True, constant_liar=True)
    )
    cores = len(os.sched_getaffinity(0))
    ranges = {name: optuna.distributions.FloatDistribution(*ends, log=True) for name, ends in RANGES.items()}
    with concurrent.futures.ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:

        def run() -> None:
            trials = [study.ask(ranges) for _ in range(sizes.per_core * cores)]
            asked = [trial.params for trial in trials]
            scores = pool.map(train_stable_baselines3, asked, itertools.repeat(sizes.env_steps))
            for trial, score in zip(trials, scores, strict=True):
                study.tell(trial, score)

        channel.serve({"agents": sizes.per_core * cores, "processes": cores}, {"stable_baselines3": run})


def train_stable_baselines3(params: Mapping[str, float], env_steps: int) -> float:
    """Train one agent with one thread; return the mean return of its last episodes."""
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    torch.set_num_threads(1)
    agent = PPO(
        "MlpPolicy", make_vec_env(ENV, n_envs=4), n_steps=128, batch_size=128, n_epochs=4, gamma=0.99,
        gae_lambda=0.95, vf_coef=0.5, max_grad_norm=0.5, device="cpu", ent_coef=params["entropy_coef"],
        learning_rate=lambda left: params["learning_rate"] * left, clip_range=params["clip_eps"],
        policy_kwargs={"net_arch": {"pi": [64, 64], "vf": [64, 64]}, "activation_fn": torch.nn.Tanh},
    )  # fmt: skip
    agent.learn(total_timesteps=env_steps)
    return statistics.mean(episode["r"] for episode in agent.ep_info_buffer or [{"r": 0.0}])


def worker(specification: dict[str, Any]) -> None:
    """Be one side."""
    serve = {"tune": serve_tune, "one_by_one": serve_one_by_one, "stable_baselines3": serve_stable_baselines3}
    serve[specification["side"]](Sizes(specification["quick"]), Channel())


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Start all sides, time them in turn, and return agents per minute and ratios."""
    begun = time.monotonic()
    children = {side: Child(__file__, {"side": side, "quick": options.quick}) for side in SIDES}
    missing = {side: child.facts for side, child in children.items() if "missing" in child.facts}
    present = {side: child for side, child in children.items() if side not in missing}
    started = time.monotonic() - begun
    seconds = ask_in_turn(present, options.rounds)
    result: dict[str, Any] = {"env_steps": Sizes(options.quick).env_steps, "seconds_to_start": started, **missing}
    per_agent = {}
    for side, each in seconds.items():
        agents = present[side].facts["agents"]
        per_agent[side] = [second / agents for second in each]
        minutes = 60 / statistics.median(per_agent[side])
        result[side] = present[side].facts | {"agents_per_minute": round(minutes, 1), "seconds": each}
    for side in per_agent.keys() - {"tune"}:
        result[f"speedup_over_{side}"] = ratio(per_agent[side], per_agent["tune"])
    return result


if __name__ == "__main__":
    run_part(__doc__, measure, worker)
