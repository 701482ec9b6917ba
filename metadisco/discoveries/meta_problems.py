"""User-defined meta-problems by name, and the meta-parameters of discoveries of any problem."""

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

import jax

from metadisco.config.code.imports import load_object
from metadisco.config.problems import problem_kind
from metadisco.discoveries.checks import check_artefact, check_facts
from metadisco.discoveries.load import check_parametrisation_name, load_learned
from metadisco.discoveries.sources import find_discovery
from metadisco.errors import UserError, shown
from metadisco.objectives.arithmetic import in_float32
from metadisco.parametrisations import make_parametrisation
from metadisco.storage.arrays import from_arrays
from metadisco.storage.files import read_arrays, text_of
from metadisco.types import Key, MetaParams, MetaProblem


def make_user_problem(
    problem: Mapping[str, Any], inner: Mapping[str, Any], parametrisation: Mapping[str, Any]
) -> MetaProblem:
    """Make a user-defined meta-problem: its class is called with its settings as keyword arguments.

    A section `inner` of the config is passed as the argument `inner`, a mapping. A section `parametrisation` is passed
    as the argument `parametrisation`, the parametrisation that it defines.

    Args:
        problem: section of a config: `name` and settings.
        inner: section of a config; may be empty.
        parametrisation: section of a config; may be empty.

    Raises:
        UserError: if there is no such class, it rejects its settings, or its instance is no meta-problem.
    """
    name = problem["name"]
    arguments = {key: value for key, value in problem.items() if key != "name"}
    for key in arguments.keys() & {"inner", "parametrisation"}:
        raise UserError(f"problem.{key}: got {shown(arguments[key])}, allowed: {key} as a section of its own")
    found = load_object(name, key="problem.name")
    if not isinstance(found, type) or not all(callable(getattr(found, each, None)) for each in ("init", "evaluate")):
        # Otherwise an artefact from a stranger could have any function called.
        raise UserError(f"problem.name: {name} is no class with init and evaluate, which a meta-problem is")
    if inner:
        arguments["inner"] = dict(inner)
    if parametrisation:
        arguments["parametrisation"] = make_parametrisation(parametrisation)
    made = load_object(name, key="problem.name", arguments=arguments)
    if not isinstance(made, MetaProblem):
        raise UserError(f"problem.name: {name} has no tasks or no env_steps, which a meta-problem needs")
    return made


@in_float32
def load_meta_params(name: str | PathLike[str]) -> MetaParams:
    """Return the meta-parameters of a discovery of any meta-problem.

    Args:
        name: a published discovery, the path of an artefact, or the path of a run: `RUN` for its newest search centre,
            `RUN@640` for the one after 640 generations.

    Raises:
        UserError: if the name is unknown, the arrays do not fit, or an artefact no longer gives its stored outputs.
    """
    source = find_discovery(text_of(name))
    if source.config is not None and source.centre is not None:
        config, arrays, where = source.config, read_arrays(source.centre), str(source.centre)
        start = _start_of(config.problem, config.inner, config.parametrisation)
    elif source.artefact is not None and source.section is not None and source.is_objective:
        return load_learned(source.artefact.data["objective"], source.artefact.arrays, str(source.artefact.path))[1]
    elif source.artefact is not None and not source.is_objective:
        learned = source.artefact.data["learned"]
        arrays, where = source.artefact.arrays, str(source.artefact.path)
        check_parametrisation_name(source.section, where)
        check_facts(source.section, where)
        try:
            start = _start_of(source.problem, learned.get("inner", {}), source.section or {})
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
    else:
        raise UserError(
            f"{text_of(name)!r} holds no meta-parameters, allowed: a run, or an artefact with meta-parameters"
        )
    meta_params = from_arrays(arrays, jax.eval_shape(start, jax.random.key(0)), where)
    if source.artefact is not None:
        check_artefact(source.artefact, meta_params)
    return meta_params


def _start_of(
    problem: Mapping[str, Any], inner: Any, parametrisation: Mapping[str, Any]
) -> Callable[[Key], MetaParams]:
    """Return a function that makes meta-parameters of the shapes that were learned."""
    if problem_kind(problem["name"]) is None:
        return make_user_problem(problem, inner, parametrisation).init
    return make_parametrisation(parametrisation).init
