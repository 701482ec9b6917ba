"""Objectives at their own best settings of PPO: the same grid and the same seeds for each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import metadisco
from metadisco.config import Config, to_plain
from metadisco.evaluation.statistics import paired_difference

NUM_SEEDS = 16

Grid = Mapping[str, Sequence[float]]
"""Values by setting of PPO; all combinations of them are tried."""


def tuned_rows(
    names: Mapping[str, str], env: str, config: Config, grid: Grid, num_seeds: int, folder: Path
) -> list[list[str]]:
    """Return a row for each objective: its best settings, its score there, and that minus the first one's.

    The best point is that of the highest mean area under the curve, and fresh agents are trained there. A failed agent
    counts as the worst one. Tables that were published before came from other seeds of tuning and judgement.

    Args:
        names: labels of the objectives; differences are from the first.
        env: where they train.
        config: with the settings that the grid does not vary.
        grid: the same for all.
        num_seeds: fresh agents of each.
        folder: for results, which are read from it the next time; it has a folder for each environment.
    """
    plain = to_plain(config)
    space = {
        "seed": config.seed,
        "objectives": list(names),
        "envs": [env],
        "inner": plain["inner"],
        "outer": {key: plain["outer"][key] for key in ("num_devices", "chunk_size")},
        "space": {f"inner.ppo.{key}": list(values) for key, values in grid.items()},
        "sampler": "grid",
        "num_seeds": NUM_SEEDS,
        "num_finalists": 1,
        "num_report_seeds": num_seeds,
    }
    found = metadisco.tune(space, output=folder / env.rpartition("/")[2].replace(":", "_"))
    scores = {name: np.asarray(each.report[:, 0]) for name, each in found.judged.items()}
    baseline, *_ = names
    rows = []
    for name, score in scores.items():
        settings = ", ".join(f"{key.removeprefix('inner.ppo.')} {value:g}" for key, value in found.best(name).items())
        gain = ""
        if name != baseline:
            gain = "{:+.1f} [{:.1f}, {:.1f}]".format(*paired_difference(score, scores[baseline]))
        rows.append([names[name], settings, f"{score.mean():.1f}", gain])
    return rows
