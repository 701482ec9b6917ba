"""Grids: a list where one value is meant stands for several runs."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin

from metadisco.config import Config, InnerConfig, apply_overrides, flatten, parse_config, to_plain
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
    return not _takes_list(key) or (bool(value) and all(isinstance(item, list) for item in value))


def _takes_list(key: str) -> bool:
    """Whether a list is one value of this key, by its default, or by its type where the default is null."""
    if isinstance(flatten(to_plain(parse_config({}))).get(key), list):
        return True
    kind: Any = Config
    for name in key.split("."):
        if kind is Any:  # the section of a problem
            kind = InnerConfig
        kinds = {field.name: field.type for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else {}
        kind = kinds.get(name)
    return any(get_origin(each) is tuple for each in get_args(kind))


def split_objective(overrides: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separate the objective's own settings (`objective.…`) from the config's."""
    prefix = "objective."
    objective = {key.removeprefix(prefix): value for key, value in overrides.items() if key.startswith(prefix)}
    rest = {key: value for key, value in overrides.items() if not key.startswith(prefix)}
    return objective, rest


def config_at(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> Config:
    """Return the config of one point."""
    return _with_ppo(apply_overrides(base, overrides.items()))


def _with_ppo(data: Mapping[str, Any]) -> Config:
    """Return a config, after seeing that it is of a problem in which PPO is trained."""
    config = parse_config(data)
    if not config.tasks:
        raise UserError(f"problem.name: got {config.problem['name']}, allowed: a problem in which PPO is trained")
    return config


def one_environment(base: Mapping[str, Any], env: str | None) -> Mapping[str, Any]:
    """Return the data of a config for one environment.

    Args:
        base: may name several; what it says of `env` there is kept, and settings of another environment are not.
        env: the one that is wanted, or None for the config's only one.

    Raises:
        UserError: if there are several and none is named.
    """
    inner = _with_ppo(base).inner
    if env is None and len(inner.envs) > 1:
        raise UserError(f"env: missing, allowed: one of {', '.join(task.name for task in inner.tasks)}")
    if env is None and not inner.envs:
        return base
    section = {key: value for key, value in base.get("inner", {}).items() if key not in ("env", "env_settings", "envs")}
    for task, each in zip(inner.tasks, inner.envs, strict=False):
        if env in (task.name, None):
            own = {"env": each.env, "env_settings": each.env_settings, "ppo": {**section.get("ppo", {}), **each.ppo}}
            return {**base, "inner": {**section, **own}}
    settings = {"env_settings": inner.env_settings} if env == inner.env else {}
    return {**base, "inner": {**section, "env": env, **settings}}
