"""Registry of meta-problems. They belong to a higher layer, so each is given as text and imported on first use."""

import importlib
from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any, ClassVar, Protocol

from metadisco.errors import UserError, nearest

from .fields import settings

PROBLEMS: dict[str, str] = {
    "objective_discovery": "metadisco.problems.objective_discovery:ObjectiveDiscovery",
    "opponent_shaping": "metadisco.problems.opponent_shaping:OpponentShaping",
    "cheap_talk": "metadisco.problems.cheap_talk:CheapTalk",
}
"""Built-in meta-problems with their classes, each of which is a `ProblemKind`."""

DEFAULT_PROBLEM = "objective_discovery"
FINDS_OBJECTIVES = "an objective"


@settings
class NoSettings:
    """An empty section."""


class ProblemKind(Protocol):
    """The class of a built-in problem; its class attributes define the schema of its configs."""

    finds: ClassVar[str]
    """What is meta-learned, in words: `an objective`, `a message`, `a meta-policy`."""
    settings: ClassVar[type]
    """Settings class of the section `problem`, without `name`."""
    inner: ClassVar[type]
    """Settings class of the section `inner`."""
    parametrisations: ClassVar[Mapping[str, str]]
    """Supported parametrisations, the default first: names and their settings classes, as `module:Name`."""
    fitness_names: ClassVar[tuple[str, ...]]
    """Built-in values of `inner.fitness`."""

    # Optional, for `part_of`: what higher layers have for the problem, each as `module:NAME`.
    # `figures`: the `Family` of metadisco/plotting/families.py; how runs are drawn and told of.
    # `checks`: the `Family` of metadisco/discoveries/checks.py; what artefacts hold.
    # `source`: (source, named, language, file) -> text, as `source_text` of metadisco/export/families.py.
    # `evaluate_words`: a static method, (config, run) -> words of `metadisco evaluate` that judge a run.
    # `results`: (file) -> `Results` of metadisco/evaluation/results.py; reads what an evaluation wrote.

    @classmethod
    def from_config(cls, config: Any) -> Any:
        """Return the `MetaProblem` that a `Config` describes."""


def problem_kind(name: Any) -> ProblemKind | None:
    """Return the class of a built-in problem, or None for a user-defined one, `package.module:MyProblem`.

    Raises:
        UserError: for any other name.
    """
    if isinstance(name, str) and ":" in name:
        return None
    if not isinstance(name, str) or name not in PROBLEMS:
        hint = nearest(name, PROBLEMS) if isinstance(name, str) else ""
        raise UserError(f"problem.name: got {name!r}, allowed: {', '.join(PROBLEMS)} or package.module:Name{hint}")
    module, _, attribute = PROBLEMS[name].partition(":")
    kind: ProblemKind = getattr(importlib.import_module(module), attribute)
    return kind


def part_of(problem: Mapping[str, Any], name: str) -> Any:
    """Return what a higher layer has for a problem, imported on first use; None where it has nothing.

    Args:
        problem: section of a config.
        name: an optional class attribute of its `ProblemKind`.
    """
    place = getattr(problem_kind(problem["name"]), name, None)
    return None if place is None else resolve_name(place)


def finds_objective(problem: Mapping[str, Any]) -> bool:
    """Return whether a problem discovers objectives, given its section of a config."""
    kind = problem_kind(problem["name"])
    return kind is not None and kind.finds == FINDS_OBJECTIVES


def describe_discovery(problem: Mapping[str, Any]) -> str:
    """Return in words what a problem discovers, given its section of a config."""
    kind = problem_kind(problem["name"])
    return f"what {problem['name']} found" if kind is None else f"{kind.finds} that {problem['name']} found"
