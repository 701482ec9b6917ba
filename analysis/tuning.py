"""Objectives at their own best settings of PPO: the same grid and the same seeds for each."""

import dataclasses
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metadisco import load_objective, make
from metadisco.config import Config
from metadisco.discoveries.sources import find_source
from metadisco.evaluation.lifetimes import run_lifetimes, untraced
from metadisco.evaluation.statistics import paired_difference
from metadisco.storage.cells import CellStore

NUM_SEEDS = 16
TUNING, JUDGEMENT = 3_000_000, 1_000_000  # added to the config's seed

Grid = Mapping[str, Sequence[float]]
"""Values by setting of PPO; all combinations of them are tried."""


class Tuned(NamedTuple):
    """An objective at its best point of the grid."""

    settings: dict[str, float]
    score: np.ndarray
    """[S] area under the curve, on seeds that tuning did not use."""


def tune(name: str, env: str, config: Config, grid: Grid, num_seeds: int) -> Tuned:
    """Train agents at every point of a grid, take the best, and train fresh agents there.

    A failed agent counts as the worst one on the grid.
    """
    objective, made = load_objective(name), make(env, **config.inner.env_settings)
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    programs: dict[str, list[dict[str, float]]] = {}  # points that share a compiled program
    for point in points:
        programs.setdefault(repr(untraced(_at(config, point, TUNING))), []).append(point)
    tried: list[np.ndarray] = []
    for shared in programs.values():
        lives = run_lifetimes(objective, made, [_at(config, point, TUNING) for point in shared], NUM_SEEDS)
        tried += [each.area_under_curve for each in lives]
    worst = min((float(np.nanmin(score)) for score in tried if np.isfinite(score).any()), default=0.0)
    means = [float(np.nan_to_num(score, nan=worst).mean()) for score in tried]
    best = list(itertools.chain(*programs.values()))[int(np.argmax(means))]
    (fresh,) = run_lifetimes(objective, made, [_at(config, best, JUDGEMENT)], num_seeds)
    return Tuned(best, np.nan_to_num(fresh.area_under_curve, nan=worst).astype(float))


def _at(config: Config, point: Mapping[str, float], shift: int) -> Config:
    ppo: Any = dataclasses.replace(config.inner.ppo, **point)  # type: ignore[arg-type]
    return dataclasses.replace(config, inner=dataclasses.replace(config.inner, ppo=ppo), seed=config.seed + shift)


def tuned_rows(
    names: Mapping[str, str], env: str, config: Config, grid: Grid, num_seeds: int, folder: Path
) -> list[list[str]]:
    """Return a row for each objective: its best settings, its score there, and that minus the first one's.

    Args:
        names: what to call each objective; differences are from the first.
        env: where they train.
        config: with the settings that the grid does not vary.
        grid: the same for all.
        num_seeds: fresh agents of each.
        folder: where what was found is kept, and read from the next time.
    """
    found = {name: _kept(name, env, config, grid, num_seeds, folder) for name in names}
    baseline, *_ = names
    rows = []
    for name, (point, score) in found.items():
        settings = ", ".join(f"{key} {value:g}" for key, value in point.items())
        gain = (
            ""
            if name == baseline
            else "{:+.1f} [{:.1f}, {:.1f}]".format(*paired_difference(score, found[baseline].score))
        )
        rows.append([names[name], settings, f"{score.mean():.1f}", gain])
    return rows


def _kept(name: str, env: str, config: Config, grid: Grid, num_seeds: int, folder: Path) -> Tuned:
    """Return an objective at its best point; found at the first call."""
    identity = {"tuned": find_source(name).identity, "grid": grid, "tried": NUM_SEEDS, "seeds": num_seeds, "env": env}
    identity |= {"by": hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}
    store = CellStore(folder / "cells", config)
    kept = store.load(identity, ("point", "score"))
    if kept is None:
        found = tune(name, env, config, grid, num_seeds)
        kept = {"point": np.array([found.settings[key] for key in grid]), "score": found.score}
        store.keep(identity, kept)
    return Tuned(dict(zip(grid, kept["point"].tolist(), strict=True)), kept["score"])
