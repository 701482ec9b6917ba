"""Meta-problems by name. They stand above this floor, so that each is named as text and imported when it is used."""

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from metadisco.errors import UserError, nearest

from .fields import settings

PROBLEMS: dict[str, str] = {
    "objective_discovery": "metadisco.problems.objective_discovery:ObjectiveDiscovery",
    "opponent_shaping": "metadisco.problems.opponent_shaping:OpponentShaping",
}
"""Built-in meta-problems: the class of each, which is a `ProblemKind`."""

DEFAULT_PROBLEM = "objective_discovery"
FINDS_OBJECTIVES = "an objective"


@settings
class NoSettings:
    """Settings of a section that has none."""


class ProblemKind(Protocol):
    """What a built-in problem says of its configs; the class attributes of its class."""

    finds: ClassVar[str]
    """What is meta-learned, in words: `an objective`, `a message`, `a meta-policy`."""
    settings: ClassVar[type]
    """Of its section `problem`, beside `name`."""
    inner: ClassVar[type]
    """Of its section `inner`."""
    parametrisations: ClassVar[Mapping[str, str]]
    """Those that fit, by name, the default first: of each the class of its settings, as `module:Name`."""
    fitness_names: ClassVar[tuple[str, ...]]
    """Values of `inner.fitness` beside `package.module:my_fitness`."""

    @classmethod
    def from_config(cls, config: Any) -> Any:
        """Return the `MetaProblem` that a `Config` describes."""


def problem_kind(name: Any) -> ProblemKind | None:
    """Return the class of a built-in problem; None for one of one's own, `package.module:MyProblem`.

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


def finds_objective(problem: Mapping[str, Any]) -> bool:
    """Return whether a problem finds objectives, by its section of a config."""
    kind = problem_kind(problem["name"])
    return kind is not None and kind.finds == FINDS_OBJECTIVES


def what_is_found(problem: Mapping[str, Any]) -> str:
    """Return what a problem finds, in words, by its section of a config."""
    kind = problem_kind(problem["name"])
    return f"what {problem['name']} found" if kind is None else f"{kind.finds} that {problem['name']} found"
