"""Results of a search as files: results as JSON, the best settings as configs, the best objectives as artefacts.

The best constants of an objective are in its artefact, because a config cannot hold them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metadisco._version import __version__
from metadisco.config import to_plain, write_yaml
from metadisco.config.grid import split_objective
from metadisco.discoveries.save import save_artefact
from metadisco.discoveries.sources import find_source, short_names
from metadisco.evaluation.tables import SCORE_TITLES
from metadisco.storage.files import write_atomically
from metadisco.tuning.plan import Plan
from metadisco.tuning.ranges import PPO, Values
from metadisco.tuning.read import FILE, FORMAT, VERSION
from metadisco.tuning.results import Judged, Tuned, difference, estimate, file_name
from metadisco.tuning.study import write_journal
from metadisco.tuning.trials import BASE, Trials

BEST, OBJECTIVE = "best", "objective"


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
    report = estimate(each.report)
    return {
        "sha256": plan.sources[name].sha256,
        "best": each.values,
        "search": each.search,
        "choice": each.choice,
        "report": _numbers(report),
        "before": float(each.base.mean()),
        "minus_before": _numbers(difference(each.report, each.base)),
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


def _numbers(values: Any) -> list[float | None] | None:
    return None if values is None else _plain(np.asarray(values, float))


def write_results(tuned: Tuned, trials: Trials, scale: Mapping[str, tuple[float, float]], output: Path) -> None:
    """Write results.json, the best settings, and Optuna's journal."""
    for name, words in _words(tuned).items():
        values = tuned.judged[name].values
        constants, _ = split_objective(values)
        path = output / f"{OBJECTIVE}{words}"
        if constants:
            save_artefact(find_source(name, constants), path, force=True)
        heading = f"# Best settings of {name}" + (f", with the constants of {path.name}/" if constants else "")
        write_atomically(output / f"{BEST}{words}.yaml", f"{heading}\n{best_config(tuned.plan, values)}")
    write_journal(
        output / "study.journal",
        {name: (tuned.plan.ranges[name], each) for name, each in tuned.trials.items()},
    )
    write_atomically(output / FILE, json.dumps(as_json(tuned, trials, scale), allow_nan=False, indent=1) + "\n")


def _words(tuned: Tuned) -> dict[str, str]:
    """Return the ending of file names by objective: nothing for one, its short name for several."""
    if len(tuned.judged) == 1:
        return dict.fromkeys(tuned.judged, "")
    return {name: f"_{file_name(short)}" for name, short in short_names(tuned.judged).items()}


def best_config(plan: Plan, values: Values) -> str:
    """Return a config with the best settings, for `--config`.

    Args:
        plan: of the search.
        values: the best settings; constants of an objective are left out.
    """
    _, own = split_objective(values)
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
    return write_yaml({"inner": inner})
