"""Artefacts: a discovery as JSON and arrays, in a folder or a zip file. Does not start JAX.

`artefact.json` describes the discovery and its meta-training; for an objective also how to call it, and its outputs for
some inputs. `arrays.npz` holds meta-parameters by their path in the pytree. Version 1 is for objectives only; since
version 2 `problem` names the meta-problem, as in a config.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metadisco.config.problems import DEFAULT_PROBLEM, PROBLEMS, finds_objective
from metadisco.discoveries.distilled import PARTS, check_constants
from metadisco.discoveries.published import located
from metadisco.errors import UserError, shown
from metadisco.storage.package import ARTEFACT, Package, find_package, read_package

KINDS: dict[str, dict[str, type]] = {
    "learned": {"parametrisation": dict},
    "closed": {"name": str, "settings": dict},
    "forms": {"expressions": dict, "constants": dict},
}
"""Kinds of objectives, and the keys that describe each."""


LEARNED = ("inner", "parametrisation")
"""Sections of a config that describe a learned discovery other than an objective."""


def find_artefact(name: str) -> Path | None:
    """Return the path of an artefact or published discovery; None if the name refers to neither."""
    return find_package(located(name), ARTEFACT)


def read_artefact(path: Path) -> Package:
    """Read an artefact and check that it is complete.

    Raises:
        UserError: naming the defect.
    """
    artefact = read_package(path, ARTEFACT)
    problem = _checked_problem(artefact.data, path)
    if finds_objective(problem):
        _check_objective(artefact.data.get("objective"), path)
    else:
        _check_learned(artefact.data.get("learned"), path, is_built_in=problem["name"] in PROBLEMS)
    trained_on = artefact.data.get("trained_on")
    if trained_on is not None:
        envs = trained_on.get("envs") if isinstance(trained_on, dict) else None
        if not isinstance(envs, list) or not all(isinstance(env, str) for env in envs):
            raise UserError(f"{path}: trained_on lacks a list of envs")
    return artefact


def problem_of(artefact: Package) -> dict[str, Any]:
    """Return the section `problem` of an artefact."""
    problem: dict[str, Any] = artefact.data.get("problem", {"name": DEFAULT_PROBLEM})
    return problem


def _checked_problem(data: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the section `problem` of an artefact after checking it."""
    problem = data.get("problem", {"name": DEFAULT_PROBLEM})
    name = problem.get("name") if isinstance(problem, dict) else None
    if not isinstance(name, str) or (name not in PROBLEMS and ":" not in name):
        raise UserError(
            f"{path}: got the problem {shown(problem)}, allowed: {', '.join(PROBLEMS)} or package.module:Name, by name"
        )
    return problem


def _check_learned(learned: Any, path: Path, is_built_in: bool) -> None:
    """Refuse an incomplete section `learned`."""
    if not isinstance(learned, dict) or not all(isinstance(learned.get(key), dict) for key in LEARNED):
        raise UserError(f"{path}: got learned {shown(learned)}, allowed: sections {' and '.join(LEARNED)}")
    if is_built_in and not isinstance(learned["parametrisation"].get("name"), str):
        raise UserError(f"{path}: its parametrisation lacks a name")


def _check_objective(described: Any, path: Path) -> None:
    """Refuse an incomplete section `objective`."""
    kind = described.get("kind") if isinstance(described, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise UserError(f"{path}: got an objective of kind {shown(kind)}, allowed: {', '.join(KINDS)}")
    for key, of in KINDS[kind].items():
        if not isinstance(described.get(key), of):
            raise UserError(f"{path}: an objective of kind {kind!r} lacks its {key}")
    if kind == "learned" and not isinstance(described["parametrisation"].get("name"), str):
        raise UserError(f"{path}: its parametrisation lacks a name")
    if kind == "forms":
        check_constants(described["constants"], str(path))
        if not described["expressions"] or not set(described["expressions"]) <= set(PARTS):
            raise UserError(
                f"{path}: got expressions of {shown(list(described['expressions']))}, allowed: {', '.join(PARTS)}"
            )
