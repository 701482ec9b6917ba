"""Objectives at their own best settings of PPO: the same grid and the same seeds for each."""

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metadisco import load_objective, make
from metadisco.config import Config
from metadisco.evaluation.lives import train_lives
from metadisco.evaluation.statistics import paired_difference
from metadisco.files import write_atomically

GRID: Mapping[str, Sequence[float]] = {
    "learning_rate": (2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2e-2),
    "value_coef": (1 / 64, 1 / 16, 1 / 4, 1.0, 4.0),
}
NUM_SEEDS = 16
TUNING, JUDGEMENT = 3_000_000, 1_000_000  # added to the config's seed


class Tuned(NamedTuple):
    """An objective at its best point of the grid."""

    settings: dict[str, float]
    score: np.ndarray
    """[S] return averaged over the life, on seeds that tuning did not see; a life that failed counts as the worst."""


def tune(name: str, env: str, config: Config, num_seeds: int) -> Tuned:
    """Train agents at every point of the grid, take the best, and train fresh agents there."""
    objective, made = load_objective(name), make(env, **config.inner.env_settings)
    points = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    tried = train_lives(objective, made, [_at(config, point, TUNING) for point in points], NUM_SEEDS)
    best = points[int(np.argmax([_filled(lives.area_under_curve).mean() for lives in tried]))]
    (lives,) = train_lives(objective, made, [_at(config, best, JUDGEMENT)], num_seeds)
    return Tuned(best, _filled(lives.area_under_curve))


def _at(config: Config, point: Mapping[str, float], shift: int) -> Config:
    ppo: Any = dataclasses.replace(config.inner.ppo, **point)  # type: ignore[arg-type]
    return dataclasses.replace(config, inner=dataclasses.replace(config.inner, ppo=ppo), seed=config.seed + shift)


def _filled(score: np.ndarray) -> np.ndarray:
    finite = score[np.isfinite(score)]
    return np.where(np.isfinite(score), score, finite.min() if finite.size else 0.0).astype(float)


def tuned_rows(names: Mapping[str, str], env: str, config: Config, num_seeds: int, file: Path) -> list[list[str]]:
    """Return a row for each objective: its best settings, its score there, and that minus the first one's.

    Args:
        names: by what to call them.
        env: where they train.
        config: with the settings that the grid does not vary.
        num_seeds: fresh agents of each.
        file: where what was found is kept, and read from the next time.
    """
    kept = json.loads(file.read_text()) if file.is_file() else {}
    for label, name in names.items():
        if label not in kept:
            found = tune(name, env, config, num_seeds)
            kept[label] = {"settings": found.settings, "score": found.score.tolist()}
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, json.dumps(kept) + "\n")
    baseline, *_ = names
    rows = []
    for label in names:
        ours, theirs = (np.asarray(kept[each]["score"]) for each in (label, baseline))
        settings = ", ".join(f"{key} {value:g}" for key, value in kept[label]["settings"].items())
        gain = "" if label == baseline else "{:+.1f} [{:.1f}, {:.1f}]".format(*paired_difference(ours, theirs))
        rows.append([label, settings, f"{ours.mean():.1f}", gain])
    return rows
