"""Searches whose agents are not trained: their score is a known function of the settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from metadisco.tuning.plan import Plan, make_plan
from metadisco.tuning.results import Tuned
from metadisco.tuning.trials import Job
from metadisco.tuning.tune import tune

BEST = {"inner.ppo.learning_rate": 0.3, "inner.ppo.gae_lambda": 0.7}
"""Where the score is highest, as positions in the ranges."""
SPACE = {"inner.ppo.learning_rate": {"log": [1e-4, 1e-1]}, "inner.ppo.gae_lambda": {"linear": [0.0, 1.0]}}
SMALL = {"num_choice_seeds": 2, "num_report_seeds": 3, "num_finalists": 2}


def plan_of(**data: Any) -> Plan:
    return make_plan({"space": SPACE, **SMALL, **data})


class MadeUp:
    """Scores settings by the distance from the best ones, with noise that depends on the seed and the stage.

    Args:
        plan: of the search.
        noise: standard deviation.
        stop_after: jobs after which it raises a KeyboardInterrupt.
        fails: which settings fail.
    """

    def __init__(
        self,
        plan: Plan,
        noise: float = 0.0,
        stop_after: int | None = None,
        fails: Callable[[dict[str, Any]], bool] = lambda values: False,
    ):
        self._plan, self._noise, self._stop_after, self._fails = plan, noise, stop_after, fails
        self.jobs: list[Job] = []

    def __call__(self, job: Job) -> list[dict[str, np.ndarray]]:
        if len(self.jobs) == self._stop_after:
            raise KeyboardInterrupt
        self.jobs.append(job)
        ranges = {each.key: each for each in self._plan.ranges[job.objective]}
        found = []
        for values in job.values:
            gaps = [ranges[key].position(values[key]) - at if values else 0.5 for key, at in BEST.items()]
            noise = [self._noise_of(job.stage, seed) for seed in range(*job.seeds)]
            scores = -np.square(gaps).sum() + self._noise * np.array(noise)
            scores = np.full_like(scores, np.nan) if values and self._fails(values) else scores
            found.append({"area_under_curve": scores, "final_return": 2 * scores})
        return found

    def _noise_of(self, stage: str, seed: int) -> float:
        return float(np.random.default_rng([len(stage), seed]).normal())

    @property
    def num_agents(self) -> dict[str, int]:
        """Agents trained by each stage."""
        counts: dict[str, int] = {}
        for job in self.jobs:
            counts[job.stage] = counts.get(job.stage, 0) + len(job.numbers) * job.num_seeds
        return counts


def search(plan: Plan, output: Path, **made_up: Any) -> tuple[Tuned, MadeUp]:
    """Run a search; return its results and the trainer."""
    trainer = MadeUp(plan, **made_up)
    return tune(plan, output, start=lambda _: (trainer, dict)), trainer


def distances(plan: Plan, tuned: Tuned) -> list[float]:
    """Return how far the best settings are from where the score is highest, as fractions of the ranges."""
    (ranges,) = plan.ranges.values()
    return [abs(each.position(tuned.best()[each.key]) - BEST[each.key]) for each in ranges]
