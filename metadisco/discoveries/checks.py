"""What a discovery that is no objective gives for some inputs: an artefact of it is held to that when it is loaded.

Which inputs and outputs, each family of problems says in a file of its own; objectives have `pairs`.
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
    """What was found, as an artefact or a run says it."""

    problem: Any
    """Settings of the section `problem`, all of them."""
    inner: Any
    """Those of `inner`."""
    parametrisation: Parametrisation
    """Made from its section."""


class Family(NamedTuple):
    """What artefacts of a family hold beside sections of the config."""

    facts: Callable[[Found], dict[str, Any]]
    """Return what they say in words and numbers, by key of artefact.json; not read again."""
    inputs: Callable[[Found], dict[str, np.ndarray]]
    """Return what to try it with, by name."""
    outputs: Callable[[Found, Any, dict[str, np.ndarray]], dict[str, np.ndarray]]
    """Return what it gives for such inputs, by name, from what its parametrisation binds to."""


def facts_and_checks(
    problem: Mapping[str, Any], learned: Mapping[str, Any], meta_params: MetaParams, where: str
) -> dict[str, Any]:
    """Return what an artefact says of a discovery beside sections of its config; nothing for a problem of one's own.

    Args:
        problem: section of the config.
        learned: its sections `inner` and `parametrisation`.
        meta_params: what was learned.
        where: what to call it in complaints.

    Raises:
        UserError: if what it gives is no number.
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
    """Refuse a discovery that does not give what it gave when its artefact was written.

    Args:
        artefact: what it says.
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
        same = np.abs(ours - expected) <= TOLERANCE * np.maximum(1, np.abs(expected))  # never of what is not finite
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
    """Return what was found by a built-in problem, from sections of a config.

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
    """Refuse a built-in parametrisation without what its problem told it, such as `num_states`.

    Raises:
        UserError: naming what it lacks.
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
