"""A search of settings: proposals in batches, rounds of halving, a choice among the best, and a report on fresh agents.

Axes: S seeds, K environments.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from metadisco.tuning.plan import Plan
from metadisco.tuning.ranges import Values
from metadisco.tuning.samplers import Proposals, propose
from metadisco.tuning.trials import BASE, Job, Scores, Trial, Trials

Train = Callable[[Job], Sequence[Scores]]
"""Trains the agents of a job; returns the scores of each of its settings."""
Progress = Callable[[int, int, str], None]
"""Called with lifetimes done, lifetimes in all and the last one in words; with 0 done before the first."""


class Best(NamedTuple):
    """The best settings of an objective."""

    number: int
    """Of the settings, in the order in which they were proposed."""
    values: Values
    finalists: tuple[int, ...]
    """Numbers of the settings among which agents chose, best of the search first."""
    search: Mapping[int, float]
    """Score of each finalist in the search, on the common scale."""
    choice: Mapping[int, float]
    """Score of each finalist on the seeds of the choice; empty where there was only one."""


class Search:
    """Trains the jobs of a plan one by one, except those that are already in the file of trials.

    Args:
        plan: of the search.
        trials: the file.
        train: trains the agents of a job.
        scale: scores that count as 0 and 1, by environment; with one environment unused.
        progress: called after each job.
    """

    def __init__(
        self,
        plan: Plan,
        trials: Trials,
        train: Train,
        scale: Mapping[str, tuple[float, float]],
        progress: Progress = lambda done, total, last: None,
    ):
        self._plan, self._trials, self._train, self._scale = plan, trials, train, scale
        self._progress, self._done = progress, 0
        self._total = sum(plan.lifetimes.values()) * len(plan.configs) * len(plan.ranges)

    def run(self) -> dict[str, Best]:
        """Search, choose and report for every objective; return the best settings of each."""
        self._progress(0, self._total, "")
        return {name: self._run(name) for name in self._plan.ranges}

    def _run(self, objective: str) -> Best:
        numbers = self._search(objective)
        values, score = self._trials.values(objective), self._mean("search", objective)
        finalists = _best(score, numbers)[: self._plan.num_finalists]
        choice: dict[int, float] = {}
        if len(finalists) > 1:
            self._do(
                "choice", objective, (0, self._plan.space.num_choice_seeds), {each: values[each] for each in finalists}
            )
            choice = self._mean("choice", objective)
        winner = _best(choice or score, finalists)[0]
        self._do("report", objective, (0, self._plan.space.num_report_seeds), {winner: values[winner], BASE: {}})
        return Best(winner, values[winner], tuple(finalists), {each: score[each] for each in finalists}, choice)

    def _search(self, objective: str) -> list[int]:
        """Train all settings, and further seeds of the best; return the numbers of those that have trained all."""
        space, rounds = self._plan.space, (0, *self._plan.space.rounds)
        assert space.batch is not None
        num_batches = math.ceil(self._plan.num_settings / space.batch)
        for batch in range(num_batches):
            self.run_batch(objective, batch)
        numbers = list(range(self._plan.num_settings))
        all_values = self._trials.values(objective)
        for seeds, count in zip(itertools.pairwise(rounds[1:]), self._plan.survivors[1:], strict=True):
            numbers = sorted(_best(self._mean("search", objective), numbers)[:count])
            for start in range(0, count, space.batch):
                part = numbers[start : start + space.batch]
                self._do("search", objective, seeds, {number: all_values[number] for number in part})
        return numbers

    def run_batch(self, objective: str, batch: int) -> None:
        """Propose and train one batch; all before it must have been trained."""
        values = self._propose(objective, batch)
        assert self._plan.space.batch is not None
        start = batch * self._plan.space.batch
        self._do("search", objective, (0, self._plan.space.rounds[0]), dict(enumerate(values, start)))

    def _propose(self, objective: str, batch: int) -> list[Values]:
        """Return the settings of a batch: those on file, else the proposals of the sampler."""
        space, total = self._plan.space, self._plan.num_settings
        assert space.batch is not None
        start = batch * space.batch
        kept = self._trials.proposed(objective, range(start, min(start + space.batch, total)))
        if kept is not None:
            return kept
        place = list(self._plan.ranges).index(objective)
        ranges, trials = self._plan.ranges[objective], self.judged(objective, range(start))
        return propose(space.sampler, Proposals(ranges, space.seed, place, batch, space.batch, total, trials))

    def judged(self, objective: str, numbers: Sequence[int] | range) -> list[Trial]:
        """Return settings of the search with their scores in its first round, by which samplers learn."""
        values = self._trials.values(objective)
        scores = self._mean("search", objective, self._plan.space.rounds[0]) if numbers else {}
        return [Trial(values[number], scores[number]) for number in numbers]

    def _do(self, stage: str, objective: str, seeds: Sequence[int], values: Mapping[int, Values]) -> None:
        """Train settings in every environment, unless that is kept."""
        for env in self._plan.configs:
            job = Job(stage, objective, env, (seeds[0], seeds[1]), tuple(values), tuple(values.values()))
            if not self._trials.has(job):
                self._trials.keep(job, self._train(job))
            self._done += job.num_seeds * len(values)
            self._progress(self._done, self._total, f"{stage}, {objective} on {env}")

    def _mean(self, stage: str, objective: str, num_seeds: int | None = None) -> dict[int, float]:
        """Return the mean score of each setting over seeds and environments."""
        scaled = scaled_scores(self._trials, [(stage, objective)], self._plan, self._scale)[stage, objective]
        return {number: float(np.mean(scores[:num_seeds])) for number, scores in scaled.items()}


def _best(scores: Mapping[int, float], numbers: Sequence[int]) -> list[int]:
    """Return numbers from the best score to the worst; ties in the order of the search."""
    return sorted(numbers, key=lambda number: (-scores[number], number))


def scaled_scores(
    trials: Trials,
    which: Sequence[tuple[str, str]],
    plan: Plan,
    scale: Mapping[str, tuple[float, float]],
    score: str | None = None,
) -> dict[tuple[str, str], dict[int, Float[np.ndarray, "S K"]]]:
    """Return the scores of settings, one column for each environment.

    A failed lifetime counts as the worst that did not fail, of all that are asked for in its environment. With several
    environments a score R is (R − zero)/(one − zero); with one it is as it is.

    Args:
        trials: finished ones.
        which: stages and objectives.
        plan: with the environments.
        scale: scores that count as 0 and 1, by environment.
        score: by default that of the plan.

    Returns:
        By stage and objective, then by the number of the settings; only settings that all environments have trained.
    """
    columns: list[dict[tuple[str, str], dict[int, np.ndarray]]] = []
    for env in plan.configs:
        found = {each: trials.scores(*each, env, score or plan.space.score) for each in which}
        finite = np.concatenate([scores for each in found.values() for scores in each.values()] or [np.zeros(0)])
        finite = finite[np.isfinite(finite)]
        worst = float(finite.min()) if finite.size else scale.get(env, (0.0, 1.0))[0]
        zero, one = scale[env] if len(plan.configs) > 1 else (0.0, 1.0)
        columns.append(
            {
                each: {
                    number: (np.where(np.isfinite(scores), scores, worst) - zero) / (one - zero)
                    for number, scores in by_number.items()
                }
                for each, by_number in found.items()
            }
        )
    first = columns[0]
    return {
        each: {
            number: np.stack([column[each][number] for column in columns], 1)
            for number in first[each]
            if all(number in column[each] for column in columns)
        }
        for each in which
    }
