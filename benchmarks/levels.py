"""Returns of PPO and DPO on continuous control, the gain of bootstrapping at time limits, and PPO's return on MinAtar.

    python benchmarks/levels.py --output benchmarks/results/levels.json
    python benchmarks/levels.py breakout --output benchmarks/results/breakout.json

About ten minutes on two cores for either.
"""

import argparse
import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
from showing import add_output, check_output, show

from metadisco import load_objective, make
from metadisco.config import parse_config, read_yaml
from metadisco.evaluation.lifetimes import run_lifetimes
from metadisco.evaluation.statistics import paired_difference
from metadisco.outer.devices import start_jax

PRESETS = Path(__file__).parent / "presets"


class Row(NamedTuple):
    """One level: an objective under a preset, with some settings of PPO replaced."""

    preset: str
    objective: str
    num_seeds: int
    settings: dict


GOLDIE = {"learning_rate": 1e-2, "adam_b2": 0.99}  # of Goldie et al. (2025), but that time limits are bootstrapped
ROWS = {
    "control": (
        Row("pendulum", "ppo", 8, {}),
        Row("pendulum", "dpo", 8, {}),
        Row("pendulum", "ppo", 8, {"bootstrap_on_truncation": False}),
        Row("inverted_pendulum", "ppo", 8, {}),
        Row("inverted_pendulum", "dpo", 8, {}),
    ),
    "breakout": (Row("breakout", "ppo", 4, {}), Row("breakout", "ppo", 4, GOLDIE)),
}
REFERENCE = {
    "breakout": {
        "Goldie et al. (2025), 1e7 steps, with the second settings": 50.08,
        "PureJaxRL's figure with CleanRL's settings, frames unknown": 40,
    }
}


def level(row: Row) -> dict:
    """Train the agents of one row, and return their scores."""
    config = parse_config(read_yaml(PRESETS / f"{row.preset}.yaml"))
    ppo = dataclasses.replace(config.inner.ppo, **row.settings)
    config = dataclasses.replace(config, inner=dataclasses.replace(config.inner, ppo=ppo))
    (task,) = config.inner.tasks
    env = make(task.env, **task.env_settings)
    lifetimes = run_lifetimes(load_objective(row.objective), env, [config], row.num_seeds)[0]
    return {
        "env": task.env,
        "objective": row.objective,
        **row.settings,
        "env_steps": ppo.executed_env_steps,
        "seeds": row.num_seeds,
        "final_return_mean": round(float(lifetimes.final_return.mean()), 2),
        "final_return_standard_error": round(float(lifetimes.final_return.std(ddof=1) / row.num_seeds**0.5), 2),
        "area_under_curve_mean": round(float(lifetimes.area_under_curve.mean()), 2),
        "final_return": [round(float(x), 2) for x in lifetimes.final_return],
        "area_under_curve": [round(float(x), 2) for x in lifetimes.area_under_curve],
        "reported_by_others": REFERENCE.get(row.preset, {}),
    }


def differences(levels: list[dict]) -> list[dict]:
    """Compare each row with the first of its environment, on the same seeds."""
    results = []
    for each in levels:
        first = next(other for other in levels if other["env"] == each["env"])
        if each is not first:
            label = {key: each[key] for key in ("env", "objective", "bootstrap_on_truncation") if key in each}
            gains = {
                score: [round(x, 2) for x in paired_difference(np.array(each[score]), np.array(first[score]))]
                for score in ("final_return", "area_under_curve")
            }
            results.append(label | {f"{score}_minus_ppo_mean_low_high": gain for score, gain in gains.items()})
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=ROWS, default="control")
    add_output(parser)
    options = parser.parse_args()
    check_output(parser, options)
    start_jax(None)
    levels = [level(row) for row in ROWS[options.what]]
    show({"levels": levels, "paired_differences": differences(levels)}, options.output)


if __name__ == "__main__":
    main()
