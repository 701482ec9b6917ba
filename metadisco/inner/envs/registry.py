"""Environments by name; each suite has an adapter module of the same name here."""

import importlib
from typing import Any

from metadisco.config import check_env_name
from metadisco.config.code.imports import load_object
from metadisco.errors import UserError
from metadisco.inner.envs.base import Env
from metadisco.inner.envs.checks import checked
from metadisco.objectives.arithmetic import in_float32


def make(name: str, **kwargs: Any) -> Env:
    """Create an environment by its full name.

    Args:
        name: `suite/name`, such as "gymnax/CartPole-v1", or `package.module:make_env` for a user-defined function that
            takes the keyword arguments and returns an Env.
        **kwargs: parameters of the environment, under its own names.

    Raises:
        UserError: for an unknown suite, environment or parameter, or an invalid environment.
    """
    check_env_name(name)
    suite, separator, rest = name.partition("/")
    if separator:
        return _usable(_adapter(suite).make(rest, **kwargs), name)
    env = load_object(name, key="inner.env", arguments=kwargs)
    if not isinstance(env, Env):
        raise UserError(f"inner.env: {name} returned {type(env).__name__}, allowed: a metadisco Env")
    return _usable(env, name)


def _usable(env: Env, name: str) -> Env:
    """Validate an environment, and make it compute in float32 regardless of the caller's JAX settings."""
    return checked(env._replace(reset=in_float32(env.reset), step=in_float32(env.step)), name)


def names(suite: str) -> list[str]:
    """Return the names of a suite's environments; imports its library."""
    result: list[str] = _adapter(suite).names()
    return result


def kinds(suite: str) -> str:
    """Return in words which actions and observations a suite's environments have; imports its library."""
    result: str = _adapter(suite).KINDS
    return result


def not_offered(suite: str) -> dict[str, str]:
    """Return the environments of a suite's library that are not offered, with the reason; imports the library."""
    result: dict[str, str] = _adapter(suite).UNAVAILABLE
    return result


def libraries_of(suite: str) -> tuple[str, ...]:
    """Return the distributions that implement the environments of a suite."""
    libraries: tuple[str, ...] = _adapter(suite).LIBRARIES
    return libraries


def _adapter(suite: str) -> Any:
    return importlib.import_module(f"metadisco.inner.envs.{suite}")
