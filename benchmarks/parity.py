"""PPO's returns with CleanRL's settings, compared with those that CleanRL reports.

128 agents on CartPole-v1 and 16 on Acrobot-v1, 500k steps, time limits treated as termination as CleanRL does. One
agent that ends CartPole far below the rest moves a mean over 16 by more than CleanRL's own spread.

    python benchmarks/parity.py --output benchmarks/results/parity.json
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from showing import add_output, check_output, show

from metadisco import load_objective, make
from metadisco.config import parse_config, read_yaml
from metadisco.evaluation.lifetimes import run_lifetimes
from metadisco.outer.devices import start_jax

PRESET = Path(__file__).parent / "presets" / "cleanrl_cartpole.yaml"
SEEDS = {"gymnax/CartPole-v1": 128, "gymnax/Acrobot-v1": 16}
REFERENCE = {  # CleanRL's documentation of ppo.py, three seeds
    "gymnax/CartPole-v1": {"mean": 490.04, "std": 6.12},
    "gymnax/Acrobot-v1": {"mean": -86.36, "std": 1.32},
}


def level(env: str, num_seeds: int) -> dict:
    """Train on one environment and return levels over training and at the end."""
    config = parse_config(read_yaml(PRESET))
    config = dataclasses.replace(config, inner=dataclasses.replace(config.inner, env=env))
    lifetimes = run_lifetimes(load_objective("ppo"), make(env), [config], num_seeds)[0]
    filled = lifetimes.filled
    at = {}
    for percent in range(5, 101, 5):
        end = filled.shape[1] * percent // 100
        at[f"{percent}%"] = round(float(filled[:, end - filled.shape[1] // 20 : end].mean()), 1)
    return {
        "seeds": num_seeds,
        "final_return_mean": round(float(lifetimes.final_return.mean()), 2),
        "final_return_median": round(float(np.median(lifetimes.final_return)), 2),
        "final_return_mean_of_the_first_16": round(float(lifetimes.final_return[:16].mean()), 2),
        "final_return_standard_error": round(float(lifetimes.final_return.std(ddof=1) / num_seeds**0.5), 2),
        "final_return": lifetimes.final_return.round(2).tolist(),
        "mean_return_of_the_5_percent_before": at,
        "cleanrl": REFERENCE[env],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_output(parser)
    options = parser.parse_args()
    check_output(parser, options)
    start_jax(None)
    show({env: level(env, num_seeds) for env, num_seeds in SEEDS.items()}, options.output)


if __name__ == "__main__":
    main()
