"""Checks of settings that several adapters share; messages begin with the place in a config."""

import math
from collections.abc import Collection
from typing import Any

from metadisco.config.fields import MAX_FLOAT, MAX_INT
from metadisco.errors import UserError, nearest

PLACE = "inner.env_settings"


def count(key: str, value: Any) -> int:
    """Validate a positive whole number, which may be written as 1e3."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 1 <= value <= MAX_INT or value != int(value):
        raise UserError(f"{PLACE}.{key}: got {value!r}, allowed: a whole number from 1 to {MAX_INT}")
    return int(value)


def switch(key: str, value: Any) -> bool:
    """Validate true or false."""
    if not isinstance(value, bool):
        raise UserError(f"{PLACE}.{key}: got {value!r}, allowed: true or false")
    return value


def one_of(key: str, value: Any, allowed: Collection[str]) -> str:
    """Validate one of several words."""
    if not isinstance(value, str) or value not in allowed:
        hint = nearest(value, allowed) if isinstance(value, str) else ""
        raise UserError(f"{PLACE}.{key}: got {value!r}, allowed: {', '.join(allowed)}{hint}")
    return value


def number_like(key: str, value: Any, default: Any) -> Any:
    """Validate a finite number, or true or false, of the kind of the default; a whole number may be written as 1e3."""
    if isinstance(default, bool):
        return switch(key, value)
    wrong = isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
    if isinstance(default, int):
        if wrong or value != int(value) or abs(value) > MAX_INT:
            raise UserError(f"{PLACE}.{key}: got {value!r}, allowed: a whole number that 32 bits can hold")
        return int(value)
    if wrong or abs(value) > MAX_FLOAT:
        raise UserError(f"{PLACE}.{key}: got {value!r}, allowed: a number that 32 bits can hold")
    return float(value)


def check_names(env: str, given: Collection[str], allowed: Collection[str], key: str = "") -> None:
    """Refuse settings that an environment does not have.

    Args:
        env: its name, for the message.
        given: names of the settings.
        allowed: names that there are.
        key: the setting that holds them, with a dot before it; none for those at the top.
    """
    for name in given:
        if name not in allowed:
            every = ", ".join(allowed) or "none"
            raise UserError(f"{PLACE}{key}: {env} has no {name!r}{nearest(str(name), allowed)} (allowed: {every})")
