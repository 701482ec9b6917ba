"""Comparison of the scores of objectives. Axes: S seeds, U updates, K environments."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from metadisco.evaluation.lifetimes import Lifetimes
from metadisco.evaluation.resampling import improvement_interval
from metadisco.evaluation.statistics import (
    Difference,
    Estimate,
    half_width,
    interquartile_mean,
    mean,
    paired_difference,
    probability_of_improvement,
    stratified_bootstrap,
)
from metadisco.storage.files import with_nulls

SCORES = ("final_return", "area_under_curve")
INTERVALS = ("interquartile_mean", "difference", "improvement")
"""Fields of `Row` with a confidence interval."""


class Cell(NamedTuple):
    """One objective in one environment."""

    objective: str
    env: str
    held_out: bool | None
    """Whether the environment was absent from meta-training; None for an objective that was not meta-learned."""
    lifetimes: Lifetimes
    env_steps: Sequence[int]
    """Environment steps at the end of each update, [U]."""


class Row(NamedTuple):
    """Statistics of the scores of an objective, in one environment or over all of them."""

    objective: str
    env: str | None
    """None: over all environments, on the scale where random actions score 0 and the baseline scores 1 on average."""
    score: str
    """One of SCORES."""
    mean: float
    interquartile_mean: Estimate
    difference: Difference | Estimate | None
    """Mean difference to the baseline on the same seeds; None for the baseline."""
    probability_of_improvement: float | None
    """Probability of improvement over the baseline; None for the baseline."""
    failed: int
    """Number of lifetimes with non-finite parameters or losses; each counts as the worst one of its environment."""
    gaps: float | None = None
    """Mean fraction of updates in which no episode ended; None for scores that do not depend on it."""
    half_width: float | None = None
    """Half-width of the 95 % interval of `mean` (Student's t); None for one seed, and over all environments."""
    improvement: Estimate | None = None
    """`probability_of_improvement` with its bootstrap interval; None for the baseline, and for one seed."""
    differences: Mapping[str, Difference | Estimate] = {}
    """Mean differences to further baselines by name, as `difference`."""


def compare(cells: Sequence[Cell], baseline: str, random: Mapping[str, float], others: Sequence[str] = ()) -> list[Row]:
    """Return a row for each cell and score, and one for each objective over all environments.

    Args:
        cells: one per objective and environment, on the same seeds.
        baseline: name of one of the objectives.
        random: mean return of random actions by environment, for the common scale.
        others: further baselines, for `Row.differences`.
    """
    envs, rows = {cell.env for cell in cells}, []
    for score in SCORES:
        filled = filled_scores(cells, random, score)
        failed = {(cell.objective, cell.env): _num_failed(cell, score) for cell in cells}
        gaps = {(cell.objective, cell.env): float(cell.lifetimes.gaps.mean()) for cell in cells}
        for (objective, env), scores in filled.items():
            theirs = {name: filled[name, env] for name in (baseline, *others)}
            row = _row(objective, env, score, scores[:, None], theirs, failed[objective, env])
            rows.append(row._replace(gaps=gaps[objective, env]) if score == "area_under_curve" else row)
        scaled = scaled_scores(filled, baseline, random)
        if len(envs) > 1:
            for objective, scores in scaled.items():
                theirs = {name: scaled[name] for name in (baseline, *others)}
                rows.append(_row(objective, None, score, scores, theirs, sum(failed[objective, env] for env in envs)))
    return rows


def _num_failed(cell: Cell, score: str) -> int:
    return int((~np.isfinite(getattr(cell.lifetimes, score))).sum())


def filled_scores(
    cells: Sequence[Cell], random: Mapping[str, float], score: str
) -> dict[tuple[str, str], Float[np.ndarray, "S"]]:
    """Return the scores of all seeds by objective and environment; failed lifetimes get the worst score there.

    Args:
        cells: one per objective and environment.
        random: mean return of random actions by environment; the score where all lifetimes failed.
        score: one of SCORES.
    """
    by_env: dict[str, list[np.ndarray]] = {}
    for cell in cells:
        by_env.setdefault(cell.env, []).append(getattr(cell.lifetimes, score))
    return {
        (cell.objective, cell.env): _fill(getattr(cell.lifetimes, score), by_env[cell.env], random[cell.env])
        for cell in cells
    }


def scaled_scores(
    filled: Mapping[tuple[str, str], Float[np.ndarray, "S"]], baseline: str, random: Mapping[str, float]
) -> dict[str, Float[np.ndarray, "S K"]]:
    """Return scores by objective on the scale where random actions score 0 and the baseline scores 1 on average.

    The result is empty if the baseline is no better than random actions in one of the environments.

    Args:
        filled: as `filled_scores` returns them.
        baseline: name of one of the objectives.
        random: mean return of random actions by environment.
    """
    envs = list(dict.fromkeys(env for _, env in filled))
    one = {env: float(filled[baseline, env].mean()) for env in envs}
    if not all(one[env] > random[env] for env in envs):
        return {}
    return {
        objective: np.stack([(filled[objective, env] - random[env]) / (one[env] - random[env]) for env in envs], 1)
        for objective in dict.fromkeys(objective for objective, _ in filled)
    }


def _fill(scores: Float[np.ndarray, "S"], others: Sequence[np.ndarray], random: float) -> Float[np.ndarray, "S"]:
    """Replace scores of failed lifetimes by the worst of all objectives, or of random actions if all failed."""
    finite = np.concatenate(others)
    finite = finite[np.isfinite(finite)]
    worst = finite.min() if finite.size else random
    return np.where(np.isfinite(scores), scores, worst).astype(np.float64)


def _row(
    objective: str,
    env: str | None,
    score: str,
    ours: Float[np.ndarray, "S K"],
    baselines: Mapping[str, np.ndarray],
    failed: int,
) -> Row:
    """Return the statistics of scores.

    Args:
        objective: whose scores they are.
        env: of the row.
        score: of the row.
        ours: the scores.
        baselines: scores on the same seeds by name, [S] or [S, K]; the first one is the baseline.
        failed: of the row.
    """
    theirs = {name: scores.reshape(ours.shape) for name, scores in baselines.items()}
    differences = {name: _difference(ours, scores) for name, scores in theirs.items() if name != objective}
    baseline = next(iter(theirs))
    compared = objective != baseline
    several = len(ours) > 1
    return Row(
        objective=objective,
        env=env,
        score=score,
        mean=float(ours.mean()),
        interquartile_mean=stratified_bootstrap(ours, interquartile_mean) if several else _without_interval(ours),
        difference=differences.get(baseline),
        probability_of_improvement=probability_of_improvement(ours, theirs[baseline]) if compared else None,
        failed=failed,
        half_width=half_width(ours[:, 0]) if env is not None and several else None,
        improvement=improvement_interval(ours, theirs[baseline]) if compared and several else None,
        differences={name: found for name, found in differences.items() if found is not None and name != baseline},
    )


def _difference(ours: Float[np.ndarray, "S K"], theirs: Float[np.ndarray, "S K"]) -> Difference | Estimate | None:
    """Return the mean difference on the same seeds; None for one seed in one environment."""
    if ours.shape[1] > 1:
        return stratified_bootstrap(ours - theirs, mean)
    return paired_difference(ours[:, 0], theirs[:, 0]) if len(ours) > 1 else None


def _without_interval(score: Float[np.ndarray, "S K"]) -> Estimate:
    """Return the score of a single seed, which has no interval."""
    return Estimate(float(score.mean()), math.nan, math.nan)


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return rows as plain data; an interval is a list [value, low, high] with null for unknown numbers."""
    plain = []
    for row in rows:
        entry = row._asdict()
        for key in INTERVALS:
            entry[key] = None if entry[key] is None else _numbers(entry[key])
        differences = {name: _numbers(each) for name, each in entry.pop("differences").items()}
        plain.append(entry | ({"differences": differences} if differences else {}))
    return plain


def _numbers(interval: Difference | Estimate) -> Any:
    return with_nulls(np.asarray(interval, float))


def from_json(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the rows that `as_json` converted; fields that earlier versions lack get their defaults."""
    found = []
    for entry in rows:
        intervals = {key: _estimate(entry[key]) for key in INTERVALS if entry.get(key) is not None}
        differences = {name: _estimate(each) for name, each in entry.get("differences", {}).items()}
        found.append(Row(**{**entry, **intervals, "differences": differences}))
    return found


def _estimate(numbers: Sequence[float | None]) -> Estimate:
    return Estimate(*(math.nan if number is None else float(number) for number in numbers))


def marl_eval(cells: Sequence[Cell]) -> dict[str, Any]:
    """Return learning curves in the layout of marl-eval (Gorsane et al., 2022), which converts it to that of rliable.

    {suite: {task: {algorithm: {run: {step: {step_count, return}, absolute_metrics: {return}}}}}}. Suites and tasks are
    in lower case, as marl-eval looks them up. Gaps of curves are filled, so every run has all steps. The absolute
    metric is the final return. Failed lifetimes get the worst return of all.
    """
    known = [
        values[np.isfinite(values)] for cell in cells for values in (cell.lifetimes.filled, cell.lifetimes.final_return)
    ]
    worst = min((float(values.min()) for values in known if values.size), default=0.0)
    result: dict[str, Any] = {}
    for cell in cells:
        suite, _, task = cell.env.lower().partition("/")
        runs = {}
        for seed, (curve, final) in enumerate(zip(cell.lifetimes.filled, cell.lifetimes.final_return, strict=True)):
            values = curve if np.isfinite(final) else np.full_like(curve, worst)
            points = zip(cell.env_steps, values, strict=True)
            steps = {f"step_{n}": {"step_count": int(s), "return": [float(v)]} for n, (s, v) in enumerate(points)}
            absolute = {"return": [float(final) if np.isfinite(final) else worst]}
            runs[f"seed_{seed}"] = {**steps, "absolute_metrics": absolute}
        result.setdefault(suite, {}).setdefault(task or suite, {})[cell.objective] = runs
    return result
