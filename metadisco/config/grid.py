"""Grids of configurations: a list of values for a scalar key expands into several runs."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin

from metadisco.config import Config, InnerConfig, apply_overrides, flatten, parse_config, to_plain
from metadisco.errors import UserError


class Point(NamedTuple):
    """One point of a grid."""

    settings: dict[str, Any]
    """Keys that vary over the grid, with their values at this point."""
    overrides: dict[str, Any]
    """All overridden keys, with their values at this point."""


def expand(overrides: Sequence[tuple[str, Any]]) -> list[Point]:
    """Return the points of the grid that KEY=VALUE overrides span; a single point if none of them is a list of choices.

    For a key with a scalar value, a list is a list of choices. For a key with a list value, a list of lists is.

    Raises:
        UserError: for an empty list of choices.
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
    """Return whether the value of this key is a list: by its default, or by its type if the default is null."""
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
    """Split overrides into settings of the objective (`objective.…`) and settings of the config."""
    prefix = "objective."
    objective = {key.removeprefix(prefix): value for key, value in overrides.items() if key.startswith(prefix)}
    rest = {key: value for key, value in overrides.items() if not key.startswith(prefix)}
    return objective, rest


def config_at(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> Config:
    """Return the config at one point of a grid, for agents that train at the settings of `inner.ppo`.

    Raises:
        UserError: for settings that do not fit, or that would be drawn.
    """
    for key, value in overrides.items():
        if key == "inner.randomise" or key.startswith("inner.randomise."):
            raise UserError(f"{key}: got {value!r}, allowed: in a search only; agents here train at inner.ppo")
    return _with_ppo(apply_overrides(base, overrides.items()))


def _with_ppo(data: Mapping[str, Any]) -> Config:
    """Parse a config, and require a problem that trains PPO."""
    config = parse_config(data)
    if not config.tasks:
        raise UserError(f"problem.name: got {config.problem['name']}, allowed: a problem in which PPO is trained")
    return config


def one_environment(base: Mapping[str, Any], env: str | None) -> Mapping[str, Any]:
    """Return the data of a config with a single environment.

    Args:
        base: data of a config, possibly with several environments. Only the settings of `env` are kept; ranges from
            which a search draws settings are not, as agents outside of a search train at those of `inner.ppo`.
        env: the environment to select, or None for the only one of the config.

    Raises:
        UserError: if there are several environments and none is selected.
    """
    inner = _with_ppo(base).inner
    if env is None and len(inner.envs) > 1:
        raise UserError(f"env: missing, allowed: one of {', '.join(task.name for task in inner.tasks)}")
    section = {key: value for key, value in base.get("inner", {}).items() if key != "randomise"}
    if env is None and not inner.envs:
        return {**base, "inner": section} if inner.randomise else base
    section = {key: value for key, value in section.items() if key not in ("env", "env_settings", "envs")}
    for task, each in zip(inner.tasks, inner.envs, strict=False):
        if env in (task.name, None):
            own = {"env": each.env, "env_settings": each.env_settings, "ppo": {**section.get("ppo", {}), **each.ppo}}
            return {**base, "inner": {**section, **own}}
    settings = {"env_settings": inner.env_settings} if env == inner.env else {}
    return {**base, "inner": {**section, "env": env, **settings}}
