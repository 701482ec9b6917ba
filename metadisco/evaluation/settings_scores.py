"""Scores of objectives over PPO settings: failed lifetimes filled in, and the scale of each task. Axes: S seeds."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from metadisco.config.settings_grid import GivenScale
from metadisco.evaluation.settings_cells import Place, SettingsCell
from metadisco.evaluation.verdicts import Scale, best

Task: TypeAlias = tuple[str, int]
"""An environment and a lifetime."""
Scores: TypeAlias = Mapping[str, Sequence[np.ndarray]]
"""[S] scores in every place, by entrant."""


def filled_scores(
    cells: Sequence[SettingsCell], places: Sequence[Place], score: str, random: Mapping[str, float]
) -> Scores:
    """Return the scores of all seeds; failed lifetimes get the worst score of their environment and lifetime.

    Args:
        cells: of every entrant in every place.
        places: in the order of the result.
        score: one of SCORES.
        random: by environment; the score where all failed.
    """
    by_task: dict[Task, list[np.ndarray]] = {}
    for cell in cells:
        by_task.setdefault((cell.place.env, cell.place.lifetime), []).append(getattr(cell.lifetimes, score))
    worst = {}
    for task, several in by_task.items():
        finite = np.concatenate(several)
        finite = finite[np.isfinite(finite)]
        worst[task] = float(finite.min()) if finite.size else random[task[0]]
    found: dict[str, dict[Any, np.ndarray]] = {}
    for cell in cells:
        values = np.asarray(getattr(cell.lifetimes, score), np.float64)
        filled = np.where(np.isfinite(values), values, worst[cell.place.env, cell.place.lifetime])
        found.setdefault(cell.entrant, {})[cell.place.key] = filled
    return {entrant: [each[place.key] for place in places] for entrant, each in found.items()}


def measured_scales(
    baseline: Sequence[np.ndarray], places: Sequence[Place], random: Mapping[str, float], given: Sequence[GivenScale]
) -> dict[Task, Scale]:
    """Return the scale of each environment and lifetime, never of a single cell.

    Tuned PPO is the baseline at its best setting, which is chosen on one half of the seeds and scored on the other.

    Args:
        baseline: its scores in every place.
        places: likewise.
        random: mean return of random actions by environment.
        given: scales that are known and not measured.
    """
    known = {(each.env, each.lifetime): Scale(each.random, each.tuned, None) for each in given}
    scales = {}
    for task in dict.fromkeys((place.env, place.lifetime) for place in places):
        here = [index for index, place in enumerate(places) if (place.env, place.lifetime) == task]
        chosen, tuned = best([baseline[index] for index in here])
        scales[task] = known.get(task, Scale(random[task[0]], tuned, places[here[chosen]].setting))
    return scales
