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

    for suite in SUITES:
        _print_suite(suite)
    _print("objectives", list(OBJECTIVE_SETTINGS))
    _print("discoveries", published_names())
    _print("problems", list(PROBLEMS))
    kinds = [kind for kind in map(problem_kind, PROBLEMS) if kind is not None]
    _print("parametrisations", list(dict.fromkeys(name for kind in kinds for name in kind.parametrisations)))
    _print("fitness", list(dict.fromkeys(name for kind in kinds for name in kind.fitness_names)))
    _print("strategies", list(STRATEGIES))
    _print("strategies of evosax that are not offered", [f"{name}: {why}" for name, why in EXCLUDED_STRATEGIES.items()])
    return 0


def _print_suite(suite: str) -> None:
    """Print the environments of a suite, their kinds of actions and observations, and what is not offered."""
    from metadisco.inner.envs import kinds, names, not_offered

    try:
        _print(f"environments of {suite} ({kinds(suite)})", [f"{suite}/{name}" for name in names(suite)])
    except UserError as error:  # an optional library is not installed
        _print(f"environments of {suite}", [str(error)])
        return
    if not_offered(suite):
        left_out = [f"{suite}/{name}: {reason}" for name, reason in not_offered(suite).items()]
        _print(f"environments of {suite} that are not offered", left_out)


def _print(title: str, names: list[str]) -> None:
    print(f"{title}:", *names, sep="\n  ", end="\n\n")
