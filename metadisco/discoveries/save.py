"""Saves a discovery as an artefact."""

from pathlib import Path
from typing import Any

import numpy as np

from metadisco._version import __version__
from metadisco.config import to_plain
from metadisco.config.problems import DEFAULT_PROBLEM
from metadisco.discoveries.artefact import LEARNED
from metadisco.discoveries.checks import facts_and_checks
from metadisco.discoveries.load import load_artefact, load_centre, load_objective
from metadisco.discoveries.meta_problems import load_meta_params
from metadisco.discoveries.pairs import make_pairs
from metadisco.discoveries.sources import Source
from metadisco.objectives.schedules import factors_over
from metadisco.parametrisations import built_in
from metadisco.storage.arrays import to_arrays
from metadisco.storage.files import read_arrays
from metadisco.storage.package import ARTEFACT, write_package
from metadisco.types import Schedule

LICENCE = "Apache-2.0"
CALL = {
    "policy_loss": "elementwise, to be minimised; its gradient flows through the new log probability",
    "value_loss": "elementwise, to be minimised; the caller does not clip the value as well",
    "log_ratio": "clipped at 40 before exponentiation; gradients are 0 beyond",
    "advantage": "GAE(lambda), standardised as in inner.ppo.normalise_advantages of trained_on; a constant",
    "target": "lambda-return: the advantage before standardisation plus the old value; a constant",
    "value_coef": "the caller multiplies the mean value loss by it; inner.ppo.value_coef of trained_on",
    "entropy": "not included; the caller adds a bonus, inner.ppo.entropy_coef of trained_on",
    "progress": "elapsed fraction of training, in [0, 1)",
}
SCHEDULED = {
    "schedule": "the caller multiplies learning_rate, entropy_coef and value_coef by their factors at its progress, "
    "interpolating their logarithms linearly; the policy loss contains that of clip_eps",
}
NUM_TIMES = 21


def save_artefact(source: Source, path: Path, force: bool = False) -> None:
    """Write a discovery as an artefact.

    Args:
        source: the discovery; all its settings are written, so later changes of defaults do not matter.
        path: a zip file if it ends in .zip, else a folder.
        force: whether to replace an existing artefact.

    Raises:
        UserError: if the discovery cannot be loaded.
    """
    data, arrays = content_of(source)
    write_package(path, ARTEFACT, data, arrays, force)


def content_of(source: Source) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return JSON data and arrays of the artefact of a discovery.

    Args:
        source: the discovery.

    Raises:
        UserError: if the discovery cannot be loaded.
    """
    if source.artefact is not None:
        if source.is_objective:  # an unusable artefact is not passed on
            load_artefact(source.artefact)
        else:
            load_meta_params(source.name)
        return {**source.artefact.data, **_missing(source.artefact.data)}, source.artefact.arrays
    if not source.is_objective:
        return _content_of_another_problem(source)
    described, arrays = _describe(source)
    data = {
        "metadisco": __version__,
        "problem": dict(source.problem),
        "objective": described,
        "trained_on": trained_on(source),
        "call": CALL,
        "licence": LICENCE,
    }
    objective = load_objective(source.name, **described.get("settings", {}))
    if objective.schedule is not None:
        data |= {"schedule": _table(objective.schedule), "call": CALL | SCHEDULED}
    return data | {"pairs": make_pairs(objective)}, arrays


def _table(schedule: Schedule) -> dict[str, Any]:
    """Return the factors of a schedule at times that are evenly spaced over the lifetime."""
    progress = np.linspace(0.0, 1.0, NUM_TIMES).round(6)
    factors = {name: values.astype(float).tolist() for name, values in factors_over(schedule, progress).items()}
    return {"progress": progress.tolist(), "factors": factors}


def _content_of_another_problem(source: Source) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return JSON data and arrays of the artefact of a discovery that is not an objective."""
    assert source.config is not None and source.centre is not None
    meta_params = load_meta_params(source.name)  # an unusable discovery is not passed on
    plain = to_plain(source.config)
    learned = {key: plain.get(key, {}) for key in LEARNED}
    data = {
        "metadisco": __version__,
        "problem": dict(source.problem),
        "learned": learned,
        "trained_on": trained_on(source),
        "licence": LICENCE,
        **facts_and_checks(source.problem, learned, meta_params, source.name),
    }
    return data, read_arrays(source.centre)


def _missing(data: dict[str, Any]) -> dict[str, Any]:
    """Return default values for keys that an artefact lacks."""
    defaults = {"problem": {"name": DEFAULT_PROBLEM}, "trained_on": None, "licence": "not stated"}
    return {key: value for key, value in defaults.items() if key not in data}


def _describe(source: Source) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the section `objective` of an artefact, and its arrays."""
    if source.distilled is not None:
        return {
            "kind": "forms",
            "constants": source.distilled.constants,
            "expressions": source.distilled.expressions,
        }, {}
    if source.config is None:
        name, settings = source.identity
        return {"kind": "closed", "name": name, "settings": settings}, {}
    parametrisation, meta_params = load_centre(source.name)
    name = source.config.parametrisation["name"]
    cls = built_in(name)
    section = {"name": name, **to_plain(parametrisation)} if cls is not None else source.config.parametrisation
    version, words = getattr(cls, "features", (None, ""))
    described = {"kind": "learned", "parametrisation": section, "feature_version": version, "features": words}
    return described, to_arrays(meta_params)


def trained_on(source: Source) -> dict[str, Any] | None:
    """Return environments, settings and length of the meta-training; None for an objective without one."""
    if source.run is None or source.config is None:
        return None if source.trained_on is None else {"envs": sorted(source.trained_on)}
    plain, rows, start = to_plain(source.config), source.run.metrics(), source.run.last_start()
    generation = int(source.centre.stem) if source.centre else 0
    spent = [row.get("env_steps") for row in rows if row["generation"] < generation]
    return {
        "envs": [task.env for task in source.config.tasks],
        "inner": plain.get("inner", {}),
        "outer": plain["outer"],
        "seed": source.config.seed,
        "generations": generation,
        "env_steps": spent[-1] if spent else None,
        "metadisco": start.get("metadisco"),
        "commit": start.get("commit"),
    }
