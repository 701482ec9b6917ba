"""A meta-problem of one's own, `package.module:MyProblem`."""

from collections.abc import Mapping
from typing import Any

from metadisco.config.code.imports import load_object
from metadisco.errors import UserError
from metadisco.parametrisations import make_parametrisation
from metadisco.types import MetaProblem

DEMANDED = ("tasks", "env_steps", "init", "evaluate")


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
    if inner:
        arguments["inner"] = dict(inner)
    if parametrisation:
        if "name" not in parametrisation:
            raise UserError("parametrisation.name: missing, allowed: a name")
        arguments["parametrisation"] = make_parametrisation(parametrisation)
    made: MetaProblem = load_object(name, key="problem.name", arguments=arguments)
    for each in DEMANDED:
        if not hasattr(made, each):
            raise UserError(f"problem.name: {name} has no {each!r}, which a meta-problem needs")
    return made
