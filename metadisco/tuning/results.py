"""Results of a search: the winner of each objective, evaluated on fresh agents, as data, tables and files.

Axes: S seeds, K environments.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from metadisco.discoveries.sources import short_names
from metadisco.errors import UserError
from metadisco.evaluation.digits import interval
from metadisco.evaluation.results import figure_name
from metadisco.evaluation.statistics import half_width, mean, paired_difference, stratified_bootstrap
from metadisco.evaluation.tables import SCORE_TITLES, Table, in_html, with_sign
from metadisco.storage.rows import format_number
from metadisco.tuning.plan import Plan
from metadisco.tuning.ranges import PPO, Values
from metadisco.tuning.search import Best, Search, scaled_scores
from metadisco.tuning.study import importances
from metadisco.tuning.trials import BASE, Trial, Trials

if TYPE_CHECKING:
    import pandas


class Judged(NamedTuple):
    """The best settings of an objective, and the scores of fresh agents with them.

    Scores are on the common scale where there are several environments, else as they are.
    """

    values: Values
    """By dotted key; constants of the objective are among them."""
    search: float
    """Score in the search, which is too high: it was the best of many."""
    choice: float | None
    """Score on the seeds of the choice, which is a little too high; None where there was no choice."""
    report: Float[np.ndarray, "S K"]
    """Scores on seeds that neither searched nor chose."""
    base: Float[np.ndarray, "S K"]
    """Scores of the settings before tuning on the same seeds."""
    finalists: Sequence[Mapping[str, Any]]
    """`values`, `search` and `choice` of the best settings of the search."""
    importances: Mapping[str, float]
    """How much each setting matters, most important first; empty for few settings."""


class Tuned(NamedTuple):
    """Results of `metadisco.tune`, displayed in a notebook as a table."""

    plan: Plan
    """The search, with all defaults filled in."""
    judged: Mapping[str, Judged]
    """By objective."""
    trials: Mapping[str, Sequence[Trial]]
    """All settings of the search in order, by objective, with the scores by which the sampler learned."""
    agents: Mapping[str, int]
    """Agents trained by each stage, over all objectives and environments."""
    rows: Sequence[Mapping[str, Any]]
    """Scores of all agents: the rows of trials.jsonl."""

    def best(self, objective: str | None = None) -> Values:
        """Return the best settings of an objective by dotted key; of the only one if left out.

        Raises:
            UserError: if there is no such objective, or several.
        """
        names = list(self.judged)
        if objective not in names and (objective is not None or len(names) > 1):
            raise UserError(f"objective: got {objective!r}, allowed: one of {', '.join(names)}")
        return self.judged[objective or names[0]].values

    def frame(self) -> "pandas.DataFrame":
        """Return a row per objective and setting of the search: `objective`, `setting`, its values, and `score`."""
        import pandas  # noqa: PLC0415 - takes a second

        return pandas.DataFrame(
            [
                {"objective": name, "setting": number, **trial.values, "score": trial.score}
                for name, trials in self.trials.items()
                for number, trial in enumerate(trials)
            ]
        )

    def __repr__(self) -> str:
        return (
            f"Tuned {', '.join(self.judged)} on {', '.join(self.plan.configs)}, {self.plan.num_settings} settings each"
        )

    def _repr_html_(self) -> str:
        """Return the table as HTML, for notebooks."""
        return in_html(tables_of(self))


def judge(
    plan: Plan, search: Search, trials: Trials, best: Mapping[str, Best], scale: Mapping[str, tuple[float, float]]
) -> Tuned:
    """Return the results; failed lifetimes of the report count as its worst, over all objectives."""
    reports = scaled_scores(trials, [("report", name) for name in best], plan, scale)
    judged, tried = {}, {}
    for name, each in best.items():
        tried[name] = search.judged(name, range(plan.num_settings))
        values = trials.values(name)
        judged[name] = Judged(
            values=each.values,
            search=each.search[each.number],
            choice=each.choice.get(each.number),
            report=reports["report", name][each.number],
            base=reports["report", name][BASE],
            finalists=[
                {"values": values[number], "search": each.search[number], "choice": each.choice.get(number)}
                for number in each.finalists
            ],
            importances=importances(plan.ranges[name], tried[name]),
        )
    factor = len(plan.configs) * len(plan.ranges)
    agents = {stage: number * factor for stage, number in plan.lifetimes.items()}
    return Tuned(plan, judged, tried, agents, trials.rows)


def tables_of(tuned: Tuned) -> list[Table]:
    """Return the tables of a search: one line for each objective, and below it, its best settings."""
    space, names = tuned.plan.space, short_names(tuned.judged)
    several = len(tuned.plan.configs) > 1
    where = f"{len(tuned.plan.configs)} environments, random actions 0, PPO before tuning 1" if several else ""
    where = where or next(iter(tuned.plan.configs))
    short = f", {space.lifetime:g} of a lifetime" if space.lifetime < 1 else ""
    headings = [
        "objective",
        f"search ({space.rounds[-1]} seeds{short})",
        f"choice ({space.num_choice_seeds} seeds)",
        f"report ({space.num_report_seeds} seeds, 95 %)",
        "before tuning",
        "minus before (95 %)",
    ]
    lines = []
    for name, each in tuned.judged.items():
        report = interval(*estimate(each.report))
        lines.append(
            [
                names[name],
                format_number(each.search),
                "" if each.choice is None else format_number(each.choice),
                report,
                format_number(float(each.base.mean())),
                with_sign(difference(each.report, each.base)),
            ]
        )
    result = [Table(f"{where}: {SCORE_TITLES[space.score]}", headings, lines)]
    keys = list(dict.fromkeys(range_.key for ranges in tuned.plan.ranges.values() for range_ in ranges))
    settings = [
        [
            key.removeprefix(PPO),
            *(_shown(each.values[key]) if key in each.values else "" for each in tuned.judged.values()),
        ]
        for key in keys
    ]
    return [*result, Table("best settings", ["setting", *names.values()], settings)]


def file_name(name: str) -> str:
    """Return the part of a file name that stands for an objective."""
    return figure_name(name)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


def estimate(scores: Float[np.ndarray, "S K"]) -> tuple[float, float, float]:
    """Return the mean and its 95 % interval: Student's t in one environment, else a stratified bootstrap."""
    value = float(scores.mean())
    if len(scores) < 2:
        return value, math.nan, math.nan
    if scores.shape[1] > 1:
        return tuple(stratified_bootstrap(scores, mean))  # type: ignore[return-value]
    half = half_width(scores[:, 0])
    return value, value - half, value + half


def difference(ours: Float[np.ndarray, "S K"], theirs: Float[np.ndarray, "S K"]) -> Any:
    """Return the mean difference on the same seeds with its 95 % interval; None for one seed."""
    if len(ours) < 2:
        return None
    if ours.shape[1] > 1:
        return stratified_bootstrap(ours - theirs, mean)
    return paired_difference(ours[:, 0], theirs[:, 0])
