"""A discovery as an artefact."""

from pathlib import Path
from typing import Any

from metadisco._version import __version__
from metadisco.config import to_plain
from metadisco.config.problems import DEFAULT_PROBLEM
from metadisco.discoveries.any_problem import load_meta_params
from metadisco.discoveries.artefact import LEARNED
from metadisco.discoveries.checks import facts_and_checks
from metadisco.discoveries.load import load_artefact, load_centre, load_objective
from metadisco.discoveries.pairs import make_pairs
from metadisco.discoveries.sources import Source
from metadisco.parametrisations import built_in
from metadisco.storage.arrays import to_arrays
from metadisco.storage.files import read_arrays
from metadisco.storage.package import ARTEFACT, write_package

LICENCE = "Apache-2.0"
CALL = {
    "policy_loss": "elementwise, to be minimised; the gradient of its mean flows through the new log probability",
    "value_loss": "elementwise, to be minimised, with no clipping of the value by the caller beside it",
    "log_ratio": "held at 40 before it is exponentiated; beyond that slopes are 0",
    "advantage": "GAE(lambda), standardised as inner.ppo.normalise_advantages of trained_on says; a constant",
    "target": "lambda-return: the advantage before it is standardised, plus the old value; a constant",
    "value_coef": "a factor of the caller on the mean of the value loss; inner.ppo.value_coef of trained_on",
    "entropy": "not part of it; a bonus of the caller, inner.ppo.entropy_coef of trained_on",
    "progress": "elapsed fraction of the training, in [0, 1)",
}


def save_artefact(source: Source, path: Path, force: bool = False) -> None:
    """Write a discovery as an artefact.

    Args:
        source: what is written; its settings are filled in, its defaults do not matter later.
        path: a zip file if it ends in .zip, else a folder.
        force: replace an artefact that is there.

    Raises:
        UserError: if it cannot be loaded.
    """
    data, arrays = content_of(source)
    write_package(path, ARTEFACT, data, arrays, force)


def content_of(source: Source) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what an artefact of a discovery says, and its arrays.

    Args:
        source: the discovery.

    Raises:
        UserError: if it cannot be loaded.
    """
    if source.artefact is not None:
        if source.is_objective:  # what cannot be used here is not handed on
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
        "pairs": make_pairs(load_objective(source.name, **described.get("settings", {}))),
    }
    return data, arrays


def _content_of_another_problem(source: Source) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what an artefact says of a discovery that is no objective, and its arrays."""
    assert source.config is not None and source.centre is not None
    meta_params = load_meta_params(source.name)  # what cannot be used here is not handed on
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
    """Return what is to be said in place of what an artefact does not say."""
    unsaid = {"problem": {"name": DEFAULT_PROBLEM}, "trained_on": None, "licence": "not stated"}
    return {key: value for key, value in unsaid.items() if key not in data}


def _describe(source: Source) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what an objective is, and its arrays."""
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
    """Return where, with which settings and how long the search looked; None for what no search found."""
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
