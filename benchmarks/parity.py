"""PPO's level with CleanRL's settings, beside what CleanRL reports for its own.

16 agents each on CartPole-v1 and Acrobot-v1, 500k steps, time limits treated as termination as CleanRL does.

    python benchmarks/parity.py --output benchmarks/results/parity.json
"""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np

from metadisco import load_objective, make
from metadisco.config import parse_config, read_yaml
from metadisco.evaluation.lives import train_lives
from metadisco.inner.fitness import fill_gaps
from metadisco.outer.devices import start_jax

PRESET = Path(__file__).parent / "presets" / "cleanrl_cartpole.yaml"
REFERENCE = {  # CleanRL's documentation of ppo.py, three seeds
    "gymnax/CartPole-v1": {"mean": 490.04, "std": 6.12},
    "gymnax/Acrobot-v1": {"mean": -86.36, "std": 1.32},
}


def level(env: str, num_seeds: int) -> dict:
    """Train on one environment and return levels over training and at the end."""
    config = parse_config(read_yaml(PRESET))
    config = dataclasses.replace(config, inner=dataclasses.replace(config.inner, env=env))
    lives = train_lives(load_objective("ppo"), make(env), [config], num_seeds)[0]
    filled = np.stack([np.asarray(fill_gaps(curve)) for curve in lives.curve])
    at = {}
    for percent in range(5, 101, 5):
        end = filled.shape[1] * percent // 100
        at[f"{percent}%"] = round(float(filled[:, end - filled.shape[1] // 20 : end].mean()), 1)
    return {
        "seeds": num_seeds,
        "final_return_mean": round(float(lives.final_return.mean()), 2),
        "final_return_standard_error": round(float(lives.final_return.std(ddof=1) / num_seeds**0.5), 2),
        "final_return": lives.final_return.round(2).tolist(),
        "mean_return_of_the_5_percent_before": at,
        "cleanrl": REFERENCE[env],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=16, help="agents per environment")
    parser.add_argument("--output", type=Path, help="where to write JSON")
    options = parser.parse_args()
    start_jax(None)
    text = json.dumps({env: level(env, options.seeds) for env in REFERENCE}, indent=2)
    print(text)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
