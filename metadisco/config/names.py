"""Built-in names that a config may use."""

from collections.abc import Sequence

from metadisco.errors import UserError, nearest

from .fields import MAX_INT

SUITES = ("gymnax", "brax", "jumanji", "pgx", "craftax")
"""Environment suites; each has an adapter module of the same name in `metadisco.inner.envs`."""

FITNESS_NAMES = ("final_return", "mean_evaluation", "area_under_curve")
"""Fitness functions of `metadisco.inner.fitness`."""

PARTIAL_FITNESS_NAMES = ("mean_evaluation", "area_under_curve")
"""Fitness functions that can be restricted to a part of the lifetime."""


def check_env_name(name: str, key: str = "inner.env") -> None:
    """Reject a name that is neither `suite/name` of a known suite nor `package.module:make_env`.

    Raises:
        UserError: with the closest allowed name.
    """
    suite, separator, _ = name.partition("/")
    if (suite in SUITES and separator) or (":" in name and not separator):
        return
    hint = nearest(suite, SUITES) if separator else f"; did you mean {f'{SUITES[0]}/{name}'!r}?"
    raise UserError(
        f"{key}: got {name!r}, allowed: suite/name with suite one of {', '.join(SUITES)}, "
        f"or package.module:make_env{hint}"
    )


def check_num_seeds(number: int) -> None:
    """Reject an invalid number of seeds.

    Raises:
        UserError: with the allowed range.
    """
    if not 1 <= number <= MAX_INT:
        raise UserError(f"num_seeds: got {number}, allowed: a whole number from 1 to {MAX_INT}")


def check_fitness_name(name: str, names: Sequence[str] = FITNESS_NAMES) -> None:
    """Reject a name that is neither a built-in fitness function nor `package.module:my_fitness`.

    Raises:
        UserError: with the closest allowed name.
    """
    if name not in names and ":" not in name:
        raise UserError(
            f"inner.fitness: got {name!r}, allowed: {', '.join(names)} or package.module:name{nearest(name, names)}"
        )
