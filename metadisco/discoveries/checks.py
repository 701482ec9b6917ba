"""Stored inputs and outputs of discoveries other than objectives, with which an artefact is compared when it is loaded.

Each family of problems defines its inputs and outputs in its own file; objectives have `pairs`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from metadisco.config import build_settings
from metadisco.config.problems import part_of, problem_kind
from metadisco.discoveries.artefact import problem_of
from metadisco.errors import UserError
from metadisco.objectives.arithmetic import in_float32
from metadisco.parametrisations import built_in, make_parametrisation
from metadisco.storage.package import Package
from metadisco.types import MetaParams, Parametrisation

TOLERANCE = 1e-4
INCOMPLETE = "its checks are incomplete"


class Found(NamedTuple):
    """A discovery, as described by an artefact or a run."""

    problem: Any
    """Settings of the section `problem`, all of them."""
    inner: Any
    """Those of `inner`."""
    parametrisation: Parametrisation
    """Made from its section."""


class Family(NamedTuple):
    """Contents of the artefacts of a family besides sections of the config."""

    facts: Callable[[Found], dict[str, Any]]
    """Return facts for readers, by key of artefact.json; never read again."""
    inputs: Callable[[Found], dict[str, np.ndarray]]
    """Return inputs for the check, by name."""
    outputs: Callable[[Found, Any, dict[str, np.ndarray]], dict[str, np.ndarray]]
    """Return the outputs for such inputs, by name, given the function that its parametrisation binds."""


def facts_and_checks(
    problem: Mapping[str, Any], learned: Mapping[str, Any], meta_params: MetaParams, where: str
) -> dict[str, Any]:
    """Return the facts and checks of an artefact; nothing for a user-defined problem.

    Args:
        problem: section of the config.
        learned: its sections `inner` and `parametrisation`.
        meta_params: of the discovery.
        where: its name in messages.

    Raises:
        UserError: if an output is not finite.
    """
    family = _family(problem)
    if family is None:
        return {}
    found = found_in(problem, learned)
    inputs = family.inputs(found)
    outputs = _outputs(family, found, meta_params, inputs)
    for name, array in outputs.items():
        if not np.isfinite(array).all():
            raise UserError(f"{where}: got {name} that are no finite numbers, allowed: meta-parameters that give such")
    return {**family.facts(found), "checks": {"inputs": _lists(inputs), "outputs": _lists(outputs)}}


def check_artefact(artefact: Package, meta_params: MetaParams) -> None:
    """Refuse a discovery whose outputs differ from those stored in its artefact.

    Args:
        artefact: that was read.
        meta_params: as they were loaded.

    Raises:
        UserError: naming the first output that differs.
    """
    problem = problem_of(artefact)
    family = _family(problem)
    if family is None:
        return
    try:
        found = found_in(problem, artefact.data["learned"])
        _check(family, found, meta_params, artefact.data.get("checks"))
    except UserError as error:
        raise UserError(f"{artefact.path}: {error}") from error


def _check(family: Family, found: Found, meta_params: MetaParams, stored: Any) -> None:
    inputs = {name: _array(stored, "inputs", name, fresh.shape[1:]) for name, fresh in family.inputs(found).items()}
    if len({len(array) for array in inputs.values()}) != 1:
        raise UserError(INCOMPLETE)
    for name, ours in _outputs(family, found, meta_params, inputs).items():
        expected = _array(stored, "outputs", name, ours.shape[1:])
        if len(expected) != len(ours):
            raise UserError(INCOMPLETE)
        same = np.abs(ours - expected) <= TOLERANCE * np.maximum(
            1, np.abs(expected)
        )  # false for numbers that are not finite
        if not same.all():
            first = np.unravel_index(np.argmin(same), same.shape)
            raise UserError(
                f"{name} of stored check {first[0]} are {ours[first]:.6g} here, and were {expected[first]:.6g} when it "
                "was written: features or code have changed since"
            )


def _family(problem: Mapping[str, Any]) -> Family | None:
    """Return the family of a problem; None where it has none."""
    family: Family | None = part_of(problem, "checks")
    return family


def found_in(problem: Mapping[str, Any], learned: Mapping[str, Any]) -> Found:
    """Return the discovery of a built-in problem, from sections of a config.

    Raises:
        UserError: if settings do not fit.
    """
    kind: Any = problem_kind(problem["name"])
    given = {key: value for key, value in problem.items() if key != "name"}
    return Found(
        build_settings(kind.settings, given, prefix="problem."),
        build_settings(kind.inner, learned["inner"], prefix="inner."),
        make_parametrisation(learned["parametrisation"]),
    )


def check_facts(section: Mapping[str, Any] | None, where: str) -> None:
    """Refuse a built-in parametrisation without the facts that its problem provides, such as `num_states`.

    Raises:
        UserError: naming the missing fact.
    """
    name = section.get("name") if section else None
    facts = getattr(built_in(name), "facts", ()) if isinstance(name, str) else ()
    for fact in facts:
        if section is not None and section.get(fact) is None:
            raise UserError(f"{where}: its parametrisation {name} lacks {fact}")


@in_float32
def _outputs(
    family: Family, found: Found, meta_params: MetaParams, inputs: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    with jax.default_matmul_precision("float32"):  # recent GPUs would round more
        given = family.outputs(found, found.parametrisation.bind(meta_params), inputs)
    return {name: np.asarray(array) for name, array in given.items()}


def _lists(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {name: array.tolist() for name, array in arrays.items()}


def _array(stored: Any, group: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return stored numbers, of any length along the first axis."""
    section = stored.get(group) if isinstance(stored, Mapping) else None
    numbers = section.get(name) if isinstance(section, Mapping) else None
    try:
        array = np.asarray(numbers)
    except ValueError:  # lists of several lengths
        array = np.asarray(None)
    if array.dtype.kind not in "fi" or array.ndim != len(shape) + 1 or array.shape[1:] != shape or not len(array):
        raise UserError(INCOMPLETE)
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise UserError(INCOMPLETE)
    return array
