"""Grids: a list where one value is meant stands for several runs."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from metadisco.config import Config, apply_overrides, flatten, parse_config, to_plain
from metadisco.errors import UserError


class Point(NamedTuple):
    """One combination of a grid."""

    settings: dict[str, Any]
    """The keys that vary over the grid, with their values here."""
    overrides: dict[str, Any]
    """All keys that were given, with their values here."""


def expand(overrides: Sequence[tuple[str, Any]]) -> list[Point]:
    """Return the points of the grid that KEY=VALUE words span; one point where no value is a list of choices.

    For a key that takes one value a list is a choice of values; for a key that takes a list, a list of lists is.

    Raises:
        UserError: for an empty choice.
    """
    given = dict(overrides)
    choices = {key: value for key, value in given.items() if _is_choice(key, value)}
    for key, value in choices.items():
        if not value:
            raise UserError(f"{key}: got an empty list, allowed: a value or a list of values")
    points = []
    for combination in itertools.product(*choices.values()):
        settings = dict(zip(choices, combination, strict=True))
        points.append(Point(settings, given | settings))
    return points


def _is_choice(key: str, value: Any) -> bool:
    if not isinstance(value, list):
        return False
    takes_list = isinstance(flatten(to_plain(parse_config({}))).get(key), list)
    return not takes_list or (bool(value) and all(isinstance(item, list) for item in value))


def split_objective(overrides: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separate the objective's own settings (`objective.…`) from the config's."""
    prefix = "objective."
    objective = {key.removeprefix(prefix): value for key, value in overrides.items() if key.startswith(prefix)}
    rest = {key: value for key, value in overrides.items() if not key.startswith(prefix)}
    return objective, rest


def config_at(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> Config:
    """Return the config of one point."""
    return parse_config(apply_overrides(base, overrides.items()))
