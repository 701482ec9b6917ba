"""Conversion of arguments of the API to the types that the library uses."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from metadisco.config import Config, read_yaml, to_plain
from metadisco.config.grid import split_objective
from metadisco.errors import UserError, shown
from metadisco.storage.files import Name, text_of

Overrides: TypeAlias = Mapping[str, Any] | None
"""Settings by dotted key, such as {"inner.ppo.gamma": 0.95}."""


def texts_of(names: Name | Sequence[Name], argument: str = "name") -> list[str]:
    """Return names as text; a single one is a list of one. Arguments and errors are as of `text_of`."""
    if isinstance(names, Iterable) and not isinstance(names, str | os.PathLike):
        return [text_of(each, argument) for each in names]
    return [text_of(names, argument)]


def path_of(name: Name | None) -> Path | None:
    """Return a path, or None if none is given."""
    return None if name is None else Path(name)


def plain(value: Any) -> Any:
    """Return settings as YAML represents them: tuples and arrays as lists, NumPy scalars as Python numbers."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def overrides_of(overrides: Overrides, name: str = "overrides") -> dict[str, Any]:
    """Return settings by dotted key.

    Args:
        overrides: as given.
        name: of the argument.

    Raises:
        UserError: if they are anything else.
    """
    given = {} if overrides is None else overrides
    if not isinstance(given, Mapping) or not all(isinstance(key, str) and key for key in given):
        raise UserError(f'{name}: got {shown(given)}, allowed: settings by dotted key, {{"inner.ppo.gamma": 0.95}}')
    settings: dict[str, Any] = plain(given)
    return settings


def settings_of(overrides: Overrides, why: str = "; name an objective as it is") -> dict[str, Any]:
    """Return settings by dotted key.

    Args:
        overrides: as given.
        why: constants cannot be set, or what to do instead, as the end of a sentence.

    Raises:
        UserError: if one is a constant of an objective.
    """
    constants, settings = split_objective(overrides_of(overrides))
    if constants:
        raise UserError(f"objective.{next(iter(constants))}: constants cannot be set here{why}")
    return settings


def config_data(config: Config | Mapping[str, Any] | Name) -> dict[str, Any]:
    """Return the settings of a config file, a mapping like it, or a `Config`.

    Raises:
        UserError: if the file cannot be read.
    """
    if isinstance(config, Config):
        return to_plain(config)
    if isinstance(config, Mapping):
        data: dict[str, Any] = plain(config)
        return data
    return read_yaml(Path(config))
