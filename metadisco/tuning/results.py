"""What a search found: the winner of each objective, judged on fresh agents, as data, tables and files.

Axes: S seeds, K environments.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from metadisco._version import __version__
from metadisco.config import to_plain, write_yaml
from metadisco.config.grid import split_objective
from metadisco.discoveries.sources import short_names
from metadisco.errors import UserError
from metadisco.evaluation.results import figure_name
from metadisco.evaluation.statistics import half_width, mean, paired_difference, stratified_bootstrap
from metadisco.evaluation.tables import SCORE_TITLES, Table, in_html, with_interval, with_sign
from metadisco.storage.files import write_atomically
from metadisco.storage.rows import format_number
from metadisco.tuning.plan import Plan
from metadisco.tuning.ranges import PPO, Values
from metadisco.tuning.read import FILE, FORMAT, VERSION
from metadisco.tuning.search import Best, Search, scaled_scores
from metadisco.tuning.study import importances, write_journal
from metadisco.tuning.trials import BASE, Trial, Trials

if TYPE_CHECKING:
    import pandas


BEST = "best.yaml"


class Judged(NamedTuple):
    """The best settings of an objective, and what fresh agents scored with them.

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
    """What was searched, with all defaults filled in."""
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
    """Return what was found; failed lifetimes of the report count as its worst, over all objectives."""
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
        report = with_interval(*_estimate(each.report))
        lines.append(
            [
                names[name],
                format_number(each.search),
                "" if each.choice is None else format_number(each.choice),
                report,
                format_number(float(each.base.mean())),
                with_sign(_difference(each.report, each.base)),
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


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


def _estimate(scores: Float[np.ndarray, "S K"]) -> tuple[float, float, float]:
    """Return the mean and its 95 % interval: Student's t in one environment, else a stratified bootstrap."""
    value = float(scores.mean())
    if len(scores) < 2:
        return value, math.nan, math.nan
    if scores.shape[1] > 1:
        return tuple(stratified_bootstrap(scores, mean))  # type: ignore[return-value]
    half = half_width(scores[:, 0])
    return value, value - half, value + half


def _difference(ours: Float[np.ndarray, "S K"], theirs: Float[np.ndarray, "S K"]) -> Any:
    """Return the mean difference on the same seeds with its 95 % interval; None for one seed."""
    if len(ours) < 2:
        return None
    if ours.shape[1] > 1:
        return stratified_bootstrap(ours - theirs, mean)
    return paired_difference(ours[:, 0], theirs[:, 0])


def as_json(tuned: Tuned, trials: Trials, scale: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Return the results as plain data."""
    plan = tuned.plan
    return {
        "format": FORMAT,
        "version": VERSION,
        "metadisco": __version__,
        "search": to_plain(plan.space),
        "config": plan.origin,
        "references": {env: {"random": scale[env][0], "ppo": scale[env][1]} for env in plan.configs if env in scale},
        "agents": dict(tuned.agents),
        "objectives": {name: _objective(name, each, tuned, trials) for name, each in tuned.judged.items()},
    }


def _objective(name: str, each: Judged, tuned: Tuned, trials: Trials) -> dict[str, Any]:
    plan = tuned.plan
    report = _estimate(each.report)
    return {
        "sha256": plan.sources[name].sha256,
        "best": each.values,
        "search": each.search,
        "choice": each.choice,
        "report": _numbers(report),
        "before": float(each.base.mean()),
        "minus_before": _numbers(_difference(each.report, each.base)),
        "envs": {env: _in_env(name, env, each, tuned, trials) for env in plan.configs},
        "finalists": list(each.finalists),
        "importances": dict(each.importances),
    }


def _in_env(name: str, env: str, each: Judged, tuned: Tuned, trials: Trials) -> dict[str, Any]:
    """Return the report in one environment: scores as they are, null for failed lifetimes."""
    place = list(tuned.plan.configs).index(env)
    found: dict[str, Any] = {"scaled": float(each.report[:, place].mean())}
    for score in SCORE_TITLES:
        by_number = trials.scores("report", name, env, score)
        best = next(scores for number, scores in by_number.items() if number != BASE)
        found[score] = {"best": _plain(best), "before": _plain(by_number[BASE])}
    return found


def _plain(scores: np.ndarray) -> list[float | None]:
    return [float(score) if np.isfinite(score) else None for score in scores]


def _numbers(estimate: Any) -> list[float | None] | None:
    return None if estimate is None else _plain(np.asarray(estimate, float))


def write_results(
    tuned: Tuned, trials: Trials, scale: Mapping[str, tuple[float, float]], output: Path
) -> dict[str, Path]:
    """Write results.json, the best settings as configs, and Optuna's journal; return the configs by objective."""
    configs = config_files(tuned, output)
    for name, path in configs.items():
        write_atomically(path, best_config(tuned.plan, name, tuned.judged[name].values))
    write_journal(
        output / "study.journal",
        {name: (tuned.plan.ranges[name], each) for name, each in tuned.trials.items()},
    )
    write_atomically(output / FILE, json.dumps(as_json(tuned, trials, scale), allow_nan=False, indent=1) + "\n")
    return configs


def config_files(tuned: Tuned, output: Path) -> dict[str, Path]:
    """Return the files of the best settings by objective: best.yaml for one, best_NAME.yaml for several."""
    if len(tuned.judged) == 1:
        return dict.fromkeys(tuned.judged, output / BEST)
    return {name: output / f"best_{file_name(short)}.yaml" for name, short in short_names(tuned.judged).items()}


def file_name(name: str) -> str:
    """Return the part of a file name that stands for an objective."""
    return figure_name(name)


def best_config(plan: Plan, objective: str, values: Values) -> str:
    """Return a config with the best settings, for `--config`.

    A config has no constants of an objective; they are in the first line, as words for `metadisco train`.
    """
    constants, own = split_objective(values)
    words = "".join(f" objective.{name}={json.dumps(value)}" for name, value in constants.items())
    inner = dict(plan.space.inner)
    inner["ppo"] = {**inner["ppo"], **{key.removeprefix(PPO): value for key, value in own.items()}}
    if inner["envs"]:
        inner["envs"] = [
            {**each, "ppo": {key: value for key, value in each["ppo"].items() if f"{PPO}{key}" not in own}}
            for each in inner["envs"]
        ]
    else:
        envs = [{"env": env, "env_settings": each.inner.env_settings} for env, each in plan.configs.items()]
        alone = envs[0] if len(envs) == 1 else {"env": None, "env_settings": {}, "envs": envs}
        inner |= alone
    return f"# metadisco train --objective {objective}{words}\n" + write_yaml({"inner": inner})
