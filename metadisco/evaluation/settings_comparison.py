"""Objectives judged over PPO settings. Axes: S seeds, K cells."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from metadisco.config.settings_grid import GivenScale
from metadisco.evaluation.settings_cells import Place, SettingsCell
from metadisco.evaluation.settings_scores import Scores, Task, filled_scores, measured_scales
from metadisco.evaluation.statistics import Difference, paired_difference
from metadisco.evaluation.verdicts import (
    CHOOSING,
    JUDGING,
    Scale,
    Spread,
    Verdict,
    corrected,
    holm,
    p_value,
    spread,
    verdict,
)

MIN_SEEDS = 4
"""Half of the seeds choose and half of them judge, and an interval needs two."""


class SettingsRow(NamedTuple):
    """One entrant in one place, minus the baseline there on the same seeds."""

    entrant: str
    place: Place
    score: str
    """One of SCORES."""
    mean: float
    difference: Difference
    normalised: float
    """The mean difference divided by tuned PPO minus random actions; NaN where there is no scale."""
    verdict: Verdict
    p_value: float
    """After Holm's correction for the number of cells of the entrant."""
    corrected: Verdict
    """The verdict after that correction."""
    failed: int
    """Lifetimes with non-finite parameters or losses; each counts as the worst one of its environment and lifetime."""


class Overall(NamedTuple):
    """One entrant over all places, or over those of one environment; equal settings count once."""

    entrant: str
    env: str | None
    """None for all environments."""
    score: str
    num_cells: int
    worse: int
    level: int
    better: int
    corrected_worse: int
    """After Holm's correction for the number of cells."""
    corrected_level: int
    corrected_better: int
    spread: Spread | None
    """Of normalised differences; None if no cell has a scale."""


class Judgement(NamedTuple):
    """Verdicts by one score."""

    rows: list[SettingsRow]
    """Of all entrants but the baseline; of the control the one that was chosen, on the seeds that did not choose it."""
    overall: list[Overall]
    scales: Mapping[Task, Scale]
    means: Mapping[str, Sequence[float]]
    """Mean of the baseline in every place, by its name."""
    control: Mapping[str, float]
    """Mean normalised difference of each control, on the seeds that choose among them."""


def judge(
    cells: Sequence[SettingsCell],
    baseline: str,
    score: str,
    random: Mapping[str, float],
    *,
    given: Sequence[GivenScale] = (),
    controls: Sequence[str] = (),
) -> Judgement:
    """Judge cells by one score.

    Args:
        cells: of every entrant in every place, on the same seeds.
        baseline: whom the others are compared with.
        score: one of SCORES.
        random: mean return of random actions by environment.
        given: scales that are not to be measured.
        controls: entrants of which the best is shown.
    """
    places = list({cell.place.key: cell.place for cell in cells}.values())
    scores = filled_scores(cells, places, score, random)
    failed = {(cell.entrant, cell.place.key): _num_failed(cell, score) for cell in cells}
    scales = measured_scales(scores[baseline], places, random, [each for each in given if each.score == score])
    extents = [scales[place.env, place.lifetime].extent for place in places]
    rows, overall = [], []
    chosen = chosen_control(scores, places, extents, baseline, controls)
    for entrant in scores:
        if entrant == baseline or (entrant in controls and entrant != chosen.best):
            continue
        part = JUDGING if entrant in controls else slice(None)
        ours, theirs = ([each[part] for each in scores[name]] for name in (entrant, baseline))
        differences = [one - other for one, other in zip(ours, theirs, strict=True)]
        found = _rows(entrant, score, places, ours, differences, extents)
        rows += [row._replace(failed=failed[entrant, row.place.key]) for row in found]
        overall += _overall(found, differences, extents)
    means = {baseline: [float(each.mean()) for each in scores[baseline]]}
    return Judgement(rows, overall, scales, means, chosen.means)


def _num_failed(cell: SettingsCell, score: str) -> int:
    return int((~np.isfinite(getattr(cell.lifetimes, score))).sum())


class _Control(NamedTuple):
    best: str | None
    means: dict[str, float]


def chosen_control(
    scores: Scores, places: Sequence[Place], extents: Sequence[float], baseline: str, controls: Sequence[str]
) -> _Control:
    """Return the control with the best mean normalised difference on one half of the seeds, and the means of all."""
    counted = [index for index, place in enumerate(places) if place.same_as is None and not math.isnan(extents[index])]
    if not controls or not counted:
        return _Control(None, {})
    means = {}
    for control in controls:
        gains = [
            float((scores[control][index] - scores[baseline][index])[CHOOSING].mean()) / extents[index]
            for index in counted
        ]
        means[control] = float(np.mean(gains))
    return _Control(max(means, key=lambda control: means[control]), means)


def _rows(
    entrant: str,
    score: str,
    places: Sequence[Place],
    ours: Sequence[np.ndarray],
    differences: Sequence[np.ndarray],
    extents: Sequence[float],
) -> list[SettingsRow]:
    """Return a row for each place; duplicates have the corrected p-value of the place that they equal."""
    tested = [each for place, each in zip(places, differences, strict=True) if place.same_as is None]
    adjusted = iter(holm([p_value(each) for each in tested]))
    rows: list[SettingsRow] = []
    for place, own, each, extent in zip(places, ours, differences, extents, strict=True):
        if place.same_as is not None:
            same = next(row for row in rows if row.place.key == (place.env, place.lifetime, place.same_as))
            rows.append(same._replace(place=place))
            continue
        difference, p_holm = paired_difference(each, np.zeros_like(each)), next(adjusted)
        rows.append(
            SettingsRow(
                entrant=entrant,
                place=place,
                score=score,
                mean=float(own.mean()),
                difference=difference,
                normalised=difference.mean / extent,
                verdict=verdict(difference, extent),
                p_value=p_holm,
                corrected=corrected(difference, extent, p_holm),
                failed=0,
            )
        )
    return rows


def _overall(rows: Sequence[SettingsRow], differences: Sequence[np.ndarray], extents: Sequence[float]) -> list[Overall]:
    """Return statistics over all environments, if they are several, and over each."""
    envs = list(dict.fromkeys(row.place.env for row in rows))
    found = []
    for env in [*([None] if len(envs) > 1 else []), *envs]:
        here = [i for i, row in enumerate(rows) if row.place.same_as is None and env in (None, row.place.env)]
        scaled = [differences[i] / extents[i] for i in here if not math.isnan(extents[i])]
        verdicts, after = ([getattr(rows[i], name) for i in here] for name in ("verdict", "corrected"))
        found.append(
            Overall(
                entrant=rows[0].entrant,
                env=env,
                score=rows[0].score,
                num_cells=len(here),
                worse=verdicts.count("worse"),
                level=verdicts.count("level"),
                better=verdicts.count("better"),
                corrected_worse=after.count("worse"),
                corrected_level=after.count("level"),
                corrected_better=after.count("better"),
                spread=spread(np.stack(scaled, 1)) if scaled else None,
            )
        )
    return found
