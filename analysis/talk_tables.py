"""Tables of the study of adversarial cheap talk: effects on fresh learners, with controls. Axes: S seeds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from rounding import number, rounded, seconds_of
from steps import FRESH
from summary import markdown_table

from metadisco import Run, evaluate_talkers
from metadisco.evaluation.comparison import filled_scores
from metadisco.evaluation.control_rows import BLIND, RANDOM_MESSAGE, STEERED, UNSTEERED, ControlRow
from metadisco.evaluation.evaluate import Comparison
from metadisco.evaluation.statistics import Difference, Estimate, half_width, paired_difference

AREA, FINAL = "area_under_curve", "final_return"
NONE, ZERO = "none", "zero"
GOAL_RANGE = 2.4
"""Goals of CartPole are drawn from U(−GOAL_RANGE, GOAL_RANGE)."""


class Judge(NamedTuple):
    """How messages are evaluated, and where results are kept."""

    output: Path
    num_victims: int
    quick: bool

    def meet(
        self,
        name: str,
        talkers: Iterable[Any],
        like: Run,
        *,
        victims: Mapping[str, Mapping[str, Any]] | None = None,
        num_victims: int | None = None,
    ) -> "Scores":
        """Train learners next to talkers; finished cells in the folder of this name are not trained again.

        Args:
            name: of the folder.
            talkers: beside `none` and `zero`.
            like: a run; learners are those of its search, on other seeds, and in its environment.
            victims: further learners.
            num_victims: of each kind; the usual number if left out.
        """
        return Scores(
            evaluate_talkers(
                list(dict.fromkeys(map(str, talkers))), like.config.tasks[0].env,
                min(num_victims or self.num_victims, self.num_victims), victims=victims, config=like,
                overrides={"seed": FRESH}, output=self.output / name,
            )
        )  # fmt: skip

    @property
    def untrained(self) -> list[str]:
        """Untrained messages."""
        return [f"random:{seed}" for seed in range(1 if self.quick else 3)]


class Scores:
    """Scores of learners beside talkers. The worst score of all stands for a failed learner.

    Args:
        found: the comparison.
    """

    def __init__(self, found: Comparison):
        self.found = found
        self.env = found.cells[0].env
        """The first kind of learners."""
        self._scores = {score: filled_scores(found.cells, found.random, score) for score in (AREA, FINAL)}

    def of(self, talker: Any, score: str = AREA, env: str = "") -> Float[np.ndarray, "S"]:
        """Return the scores beside a talker; `env` names the kind of learners, the first one if left out."""
        return self._scores[score][str(talker), env or self.env]

    def mean(self, talker: Any, score: str = AREA, env: str = "") -> Estimate:
        """Return the mean beside a talker with its interval."""
        scores = self.of(talker, score, env).astype(float)
        middle, half = float(scores.mean()), half_width(scores)
        return Estimate(middle, middle - half, middle + half)

    def effect(
        self, talker: Any, score: str = AREA, env: str = "", beside: Sequence[Any] = (ZERO,)
    ) -> Difference | None:
        """Return the mean difference from other talkers' mean on the same seeds; None where there is nothing else."""
        if str(talker) in map(str, beside):
            return None
        theirs = np.mean([self.of(each, score, env) for each in beside], 0)
        return paired_difference(self.of(talker, score, env), theirs)


def scrambled(message: Any) -> str:
    """Return the name of a message of an unrelated observation."""
    return f"scrambled:{message}"


def talkers(scores: Scores, labels: Mapping[str, str], untrained: Sequence[str]) -> str:
    """Return a table of talkers: both scores, and how far they are from a zero message and from untrained networks.

    Args:
        scores: of all of them.
        labels: of talkers, by name.
        untrained: names of the untrained networks, of which the mean is compared with.
    """
    lines = []
    for name, label in labels.items():
        from_random = "" if name in untrained else rounded(scores.effect(name, beside=untrained), signed=True)
        line = [label, rounded(scores.mean(name)), rounded(scores.effect(name), signed=True), from_random]
        line += [rounded(scores.mean(name, FINAL)), rounded(scores.effect(name, FINAL), signed=True)]
        lines.append(line)
    headings = ["talker", "area", "minus zero", "minus random", "final return", "minus zero"]
    return markdown_table(headings, lines)


def medians(scores: Scores, runs: Mapping[str, Sequence[Run]], untrained: Sequence[str]) -> str:
    """Return a table of medians of meta-seeds, by aim, with the share of the effect that remains when scrambled."""
    lines = []
    for aim, group in runs.items():
        from_zero, from_random = (
            float(np.median([scores.effect(run, beside=beside).mean for run in group]))
            for beside in ([ZERO], untrained)
        )
        final = float(np.median([scores.mean(run, FINAL).value for run in group]))
        whole, left = (
            float(np.mean([scores.effect(name).mean for name in names]))
            for names in (group, [scrambled(run) for run in group])
        )
        lines.append(
            [aim, number(from_zero, 1, signed=True), number(from_random, 1, signed=True),
             f"{number(final, 1)} ({final / scores.mean(ZERO, FINAL).value:.0%})",
             number(whole, 1, signed=True), number(left, 1, signed=True), lost(whole, left)]
        )  # fmt: skip
    headings = [
        "aim", "area minus zero, median", "area minus random, median", "final return, median (of zero's)",
        "effect on the area, mean", "effect of the scrambled, mean", "lost by scrambling",
    ]  # fmt: skip
    return markdown_table(headings, lines)


def lost(whole: float, left: float) -> str:
    """Return which share of an effect is lost; more than all of it where its sign changes."""
    return f"{1 - left / whole:.0%}".replace("-", "−") if whole else ""


def by_victim(scores: Scores, victims: Mapping[str, str], labels: Mapping[str, str], score: str) -> str:
    """Return a table of kinds of learners: their score next to zeros, and the effect of each talker.

    Args:
        scores: of all of them.
        victims: labels of the kinds, by name.
        labels: of the talkers.
        score: AREA or FINAL.
    """
    lines = [
        [label, rounded(scores.mean(ZERO, score, env)),
         *(rounded(scores.effect(name, score, env), signed=True) for name in labels)]
        for env, label in victims.items()
    ]  # fmt: skip
    title = {AREA: "Area under the curve", FINAL: "Final return"}[score]
    headings = ["learner", "zero", *(f"{label} − zero" for label in labels.values())]
    return f"**{title}**\n\n{markdown_table(headings, lines)}"


def control(rows: Mapping[str, tuple[Run, Sequence[ControlRow]]]) -> str:
    """Return a table of searches for control.

    Args:
        rows: of each search, by its label: its run, and goal returns by steering.
    """
    lines = []
    for label, (run, found) in rows.items():
        by_name = {row.steering: row for row in found}
        steered = by_name[STEERED]
        returns = [_goal_return(by_name[name]) for name in (STEERED, UNSTEERED, BLIND, RANDOM_MESSAGE)]
        lines.append(
            [label, str(run.config.seed), *returns, rounded(steered.differences.get(UNSTEERED), signed=True),
             number(blind_balancing(run), 1), f"{run.generations[-1]}", f"{seconds_of(run) / 60:.0f} min"]
        )  # fmt: skip
    headings = [
        "search", "meta-seed", STEERED, UNSTEERED, "zeros", "random message", f"{STEERED} minus {UNSTEERED}",
        "balanced by hand", "generations", "time",
    ]  # fmt: skip
    return markdown_table(headings, lines)


def _goal_return(row: ControlRow) -> str:
    half = row.half_width if row.half_width is not None else math.nan
    return rounded(Estimate(row.mean, row.mean - half, row.mean + half))


def blind_balancing(run: Run) -> float:
    """Return the goal return of an agent that balances its pole at 0 throughout an episode, whatever the goal is."""
    length = run.config.inner.env_settings["max_steps_in_episode"]
    return length * math.sqrt(math.pi) / 2 * math.erf(GOAL_RANGE) / GOAL_RANGE


def costs(runs: Mapping[str, Sequence[Run]]) -> str:
    """Return a table of the cost of searches, and of the fitness of their members and of their centres.

    Members' with its standard deviation, a centre's with half of its 95 % interval.
    """
    lines = []
    for name, group in runs.items():
        for run in group:
            first, last = (run.metrics.iloc[row] for row in (0, -1))
            fitness = (f"{number(row['fitness_mean'], 1)} ± {row['fitness_std']:.1f}" for row in (first, last))
            steps = f"{last['env_steps']:.1e}"
            lines.append(
                [name, str(run.config.seed), f"{len(run.metrics)}", steps, f"{seconds_of(run):.0f} s", *fitness,
                 _last_centre(run)]
            )  # fmt: skip
    headings = [
        "search", "meta-seed", "generations", "environment steps", "time", "members at first", "at last",
        "centre (after generation)",
    ]  # fmt: skip
    return markdown_table(headings, lines)


def _last_centre(run: Run) -> str:
    """Return the fitness of the centre at its last evaluation, on learners from a separate stream."""
    if "centre_fitness" not in run.metrics:
        return ""
    row = run.metrics.dropna(subset=["centre_fitness"]).iloc[-1]
    fitness, half = row["centre_fitness"], row["centre_half_width"]
    return f"{rounded(Estimate(fitness, fitness - half, fitness + half))} ({row['generation'] + 1:.0f})"
