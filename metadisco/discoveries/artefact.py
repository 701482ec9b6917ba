"""The artefact: what was discovered as JSON and arrays, in a folder or a zip file. JAX is not started.

`artefact.json` says what it is and how it was found, of an objective also how it is to be called and what it gives for
some inputs; `arrays.npz` holds meta-parameters, by path in their tree. Version 1 knew objectives alone; since version 2
`problem` says, as in a config, what was asked.
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
"""What an objective can be, and what then says which."""


LEARNED = ("inner", "parametrisation")
"""Sections of a config that say what was learned where that is no objective."""


def find_artefact(name: str) -> Path | None:
    """Return the path of an artefact or of a published discovery, or None where a name means neither."""
    return find_package(located(name), ARTEFACT)


def read_artefact(path: Path) -> Package:
    """Read an artefact and check that it is whole, and says what objective it is.

    Raises:
        UserError: naming what is wrong with it.
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
    said: dict[str, Any] = artefact.data.get("problem", {"name": DEFAULT_PROBLEM})
    return said


def _checked_problem(data: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the problem that an artefact says it is of."""
    said = data.get("problem", {"name": DEFAULT_PROBLEM})
    name = said.get("name") if isinstance(said, dict) else None
    if not isinstance(name, str) or (name not in PROBLEMS and ":" not in name):
        raise UserError(
            f"{path}: got the problem {shown(said)}, allowed: {', '.join(PROBLEMS)} or package.module:Name, by name"
        )
    return said


def _check_learned(said: Any, path: Path, is_built_in: bool) -> None:
    """Refuse what does not say what was learned, where that is no objective."""
    if not isinstance(said, dict) or not all(isinstance(said.get(key), dict) for key in LEARNED):
        raise UserError(f"{path}: got what was learned as {shown(said)}, allowed: sections {' and '.join(LEARNED)}")
    if is_built_in and not isinstance(said["parametrisation"].get("name"), str):
        raise UserError(f"{path}: its parametrisation lacks a name")


def _check_objective(said: Any, path: Path) -> None:
    """Refuse what does not say which objective it is."""
    kind = said.get("kind") if isinstance(said, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise UserError(f"{path}: got an objective of kind {shown(kind)}, allowed: {', '.join(KINDS)}")
    for key, of in KINDS[kind].items():
        if not isinstance(said.get(key), of):
            raise UserError(f"{path}: an objective of kind {kind!r} lacks its {key}")
    if kind == "learned" and not isinstance(said["parametrisation"].get("name"), str):
        raise UserError(f"{path}: its parametrisation lacks a name")
    if kind == "forms":
        check_constants(said["constants"], str(path))
        if not said["expressions"] or not set(said["expressions"]) <= set(PARTS):
            raise UserError(
                f"{path}: got expressions of {shown(list(said['expressions']))}, allowed: {', '.join(PARTS)}"
            )
