"""`metadisco list`: the names that a config may use, and the devices."""

from collections.abc import Callable, Sequence

from metadisco.config import (
    EXCLUDED_STRATEGIES,
    OBJECTIVE_SETTINGS,
    PROBLEMS,
    STRATEGIES,
    SUITES,
)
from metadisco.config.problems import problem_kind
from metadisco.discoveries.published import published_names
from metadisco.errors import UserError, nearest


def list_names(kinds: Sequence[str] = ()) -> int:
    """Print names; return the exit code.

    Args:
        kinds: which, of KINDS; all if there are none.

    Raises:
        UserError: for an unknown kind.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"KIND: got {kind!r}, allowed: {', '.join(KINDS)}{nearest(kind, KINDS)}")
    from metadisco.outer.devices import start_jax

    start_jax(None)  # libraries of environments start JAX when they are imported

    for kind in dict.fromkeys(kinds or KINDS):
        KINDS[kind]()
    return 0


def _environments() -> None:
    for suite in SUITES:
        _print_suite(suite)


def _of_problems(field: str) -> list[str]:
    """Return the names in a field of all problems, each once."""
    kinds = [kind for kind in map(problem_kind, PROBLEMS) if kind is not None]
    return list(dict.fromkeys(name for kind in kinds for name in getattr(kind, field)))


def _strategies() -> None:
    _print("strategies", list(STRATEGIES))
    _print("strategies of evosax that are not offered", [f"{name}: {why}" for name, why in EXCLUDED_STRATEGIES.items()])


def _devices() -> None:
    """Print what JAX computes on here."""
    import jax

    from metadisco.outer.gpus import unused_gpu

    devices = [f"{each.platform}:{each.id} {each.device_kind}" for each in jax.devices()]
    platform = jax.devices()[0].platform
    if platform == "cpu":
        devices.append(unused_gpu(platform) or "no GPU: the driver of NVIDIA shows none here")
    _print("devices", devices)


KINDS: dict[str, Callable[[], None]] = {
    "environments": _environments,
    "objectives": lambda: _print("objectives", list(OBJECTIVE_SETTINGS)),
    "discoveries": lambda: _print("discoveries", published_names()),
    "problems": lambda: _print("problems", list(PROBLEMS)),
    "parametrisations": lambda: _print("parametrisations", _of_problems("parametrisations")),
    "fitness": lambda: _print("fitness", _of_problems("fitness_names")),
    "strategies": _strategies,
    "devices": _devices,
}
"""What prints each kind of names, in the order in which all are printed."""


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
