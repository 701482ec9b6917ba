"""`metadisco list`: the names that a config may use."""

from metadisco.config import (
    EXCLUDED_STRATEGIES,
    OBJECTIVE_SETTINGS,
    PROBLEMS,
    STRATEGIES,
    SUITES,
)
from metadisco.config.problems import problem_kind
from metadisco.discoveries.published import published_names
from metadisco.errors import UserError


def list_names() -> int:
    """Print all names; return the exit code."""
    from metadisco.outer.devices import start_jax

    start_jax(None)  # libraries of environments start JAX when they are imported

    from metadisco.inner.envs import names

    for suite in SUITES:
        try:
            found = [f"{suite}/{name}" for name in names(suite)]
        except UserError as error:  # an optional library is not installed
            found = [str(error)]
        _print(f"environments of {suite}", found)
    _print("objectives", list(OBJECTIVE_SETTINGS))
    _print("discoveries", published_names())
    _print("problems", list(PROBLEMS))
    kinds = [kind for kind in map(problem_kind, PROBLEMS) if kind is not None]
    _print("parametrisations", list(dict.fromkeys(name for kind in kinds for name in kind.parametrisations)))
    _print("fitness", list(dict.fromkeys(name for kind in kinds for name in kind.fitness_names)))
    _print("strategies", list(STRATEGIES))
    _print("strategies of evosax that are not offered", [f"{name}: {why}" for name, why in EXCLUDED_STRATEGIES.items()])
    return 0


def _print(title: str, names: list[str]) -> None:
    print(f"{title}:", *names, sep="\n  ", end="\n\n")
