"""Returns of PPO on environments with legal actions, under the settings of `experiments/lpo_drift/{jumanji,pgx}.yaml`.

For each environment: random legal actions, the mean training return over the last 5 % of the lifetime with its standard
error, evaluation episodes after it, and the area under the curve, which is the reference in these files.

    python benchmarks/suite_levels.py jumanji --output benchmarks/results/jumanji.json
    python benchmarks/suite_levels.py pgx --output benchmarks/results/pgx.json

With 8 seeds about half an hour on two cores for either.
"""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
from showing import add_output, check_output, machine, show

from metadisco import load_objective
from metadisco.config import Config, parse_config, read_yaml
from metadisco.evaluation.lifetimes import map_over_devices, run_lifetimes, seed_keys
from metadisco.evaluation.reference import random_return
from metadisco.outer.devices import start_jax
from metadisco.problems import make_tasks

EXPERIMENTS = Path(__file__).parent.parent / "experiments" / "lpo_drift"
LAST_PART = 0.05


def mean_and_error(values: np.ndarray) -> list[float]:
    """Return the mean and its standard error."""
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return [round(float(values.mean()), 4), round(float(error), 4)]


def level(config: Config, index: int, num_seeds: int) -> dict[str, Any]:
    """Train the agents of one environment of a config."""
    task, made = config.inner.tasks[index], make_tasks(config)[index]
    inner = dataclasses.replace(config.inner, ppo=made.ppo, envs=(), env=task.env, env_settings=task.env_settings)
    alone = dataclasses.replace(config, inner=inner)
    (lifetimes,) = run_lifetimes(load_objective("ppo"), made.env, [alone], num_seeds)
    keys = seed_keys(config.seed, num_seeds)
    by_chance = map_over_devices(lambda key: random_return(jax.random.fold_in(key, 1), made.env), config.outer, keys)
    last = max(round(LAST_PART * made.ppo.num_updates), 1)
    return {
        "env": task.env,
        "env_settings": task.env_settings,
        "env_steps": made.ppo.executed_env_steps,
        "seeds": num_seeds,
        "random_mean_error": mean_and_error(by_chance),
        "area_under_curve_mean_error": mean_and_error(lifetimes.area_under_curve),
        "last_part_of_training_mean_error": mean_and_error(lifetimes.filled[:, -last:].mean(1)),
        "evaluation_mean_error": mean_and_error(lifetimes.final_return),
        "last_part_of_training": [round(float(x), 4) for x in lifetimes.filled[:, -last:].mean(1)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("jumanji", "pgx", "mixed"))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--only", nargs="+", type=int, help="numbers of environments in the config, from 0")
    add_output(parser)
    options = parser.parse_args()
    check_output(parser, options)
    start_jax(None)
    config = parse_config(read_yaml(EXPERIMENTS / f"{options.what}.yaml"))
    chosen = range(len(config.inner.tasks)) if options.only is None else options.only
    levels = [level(config, index, options.seeds) for index in chosen]
    show({"machine": machine(), "levels": levels}, options.output)


if __name__ == "__main__":
    main()
