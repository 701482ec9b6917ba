"""Whatever the problem is: one of one's own made by name, and meta-parameters loaded by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from metadisco.config.code.imports import load_object
from metadisco.config.problems import problem_kind
from metadisco.discoveries.checks import check_artefact, check_facts
from metadisco.discoveries.load import check_named, load_learned
from metadisco.discoveries.sources import find_discovery
from metadisco.errors import UserError, shown
from metadisco.objectives.arithmetic import in_float32
from metadisco.parametrisations import make_parametrisation
from metadisco.storage.arrays import from_arrays
from metadisco.storage.files import read_arrays
from metadisco.types import Key, MetaParams, MetaProblem


def make_own_problem(
    problem: Mapping[str, Any], inner: Mapping[str, Any], parametrisation: Mapping[str, Any]
) -> MetaProblem:
    """Make a problem: its class is called with its settings as keyword arguments.

    Where a config has a section `inner`, it comes as the argument `inner`, a mapping; where it has a section
    `parametrisation`, what that makes comes as the argument `parametrisation`.

    Args:
        problem: section of a config: `name`, and settings.
        inner: section of a config; empty where there is none.
        parametrisation: likewise.

    Raises:
        UserError: if there is no such class, it refuses its settings, or what it makes is no meta-problem.
    """
    name = problem["name"]
    arguments = {key: value for key, value in problem.items() if key != "name"}
    for key in arguments.keys() & {"inner", "parametrisation"}:
        raise UserError(f"problem.{key}: got {shown(arguments[key])}, allowed: {key} as a section of its own")
    found = load_object(name, key="problem.name")
    if not isinstance(found, type) or not all(callable(getattr(found, each, None)) for each in ("init", "evaluate")):
        # Else an artefact of somebody else's could have any function called.
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
def load_meta_params(name: str | Path) -> MetaParams:
    """Return the meta-parameters of a discovery, whatever problem it was found by.

    Args:
        name: a published discovery, or the path of a run (its newest centre, or with `RUN@640` the one after 640
            generations) or of an artefact.

    Raises:
        UserError: if there is no such thing, its arrays do not fit, or an artefact does not give what it gave when it
            was written.
    """
    source = find_discovery(str(name))
    if source.config is not None and source.centre is not None:
        config, arrays, where = source.config, read_arrays(source.centre), str(source.centre)
        start = _start_of(config.problem, config.inner, config.parametrisation)
    elif source.artefact is not None and source.section is not None and source.is_objective:
        return load_learned(source.artefact.data["objective"], source.artefact.arrays, str(source.artefact.path))[1]
    elif source.artefact is not None and not source.is_objective:
        said = source.artefact.data["learned"]
        arrays, where = source.artefact.arrays, str(source.artefact.path)
        check_named(source.section, where)
        check_facts(source.section, where)
        start = _start_of(source.problem, said.get("inner", {}), source.section or {})
    else:
        raise UserError(f"{str(name)!r} holds no meta-parameters, allowed: a run, or an artefact of what was learned")
    meta_params = from_arrays(arrays, jax.eval_shape(start, jax.random.key(0)), where)
    if source.artefact is not None:
        check_artefact(source.artefact, meta_params)
    return meta_params


def _start_of(
    problem: Mapping[str, Any], inner: Any, parametrisation: Mapping[str, Any]
) -> Callable[[Key], MetaParams]:
    """Return what makes meta-parameters of the same shapes as those that were learned."""
    if problem_kind(problem["name"]) is None:
        return make_own_problem(problem, inner, parametrisation).init
    return make_parametrisation(parametrisation).init
