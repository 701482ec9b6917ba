"""Environments by name: the suite's name is its adapter module here."""

import importlib
from typing import Any

from metadisco.config import check_env_name
from metadisco.config.code.imports import load_object
from metadisco.errors import UserError
from metadisco.inner.envs.base import Env
from metadisco.inner.envs.checks import checked
from metadisco.objectives.arithmetic import in_float32


def make(name: str, **kwargs: Any) -> Env:
    """Make an environment by its full name.

    Args:
        name: `suite/name`, such as "gymnax/CartPole-v1", or `package.module:make_env` for one's own: a function that
            takes the keyword arguments and returns an Env.
        **kwargs: parameters of the environment under its own names.

    Raises:
        UserError: for an unknown suite, environment or parameter, or an environment in which nothing can be trained.
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
    """Return an environment whose facts were checked, and which computes in float32 whatever JAX is set to."""
    return checked(env._replace(reset=in_float32(env.reset), step=in_float32(env.step)), name)


def names(suite: str) -> list[str]:
    """Return the environments of a suite; imports its library."""
    result: list[str] = _adapter(suite).names()
    return result


def libraries_of(suite: str) -> tuple[str, ...]:
    """Return the libraries that compute the environments of a suite, by the names that they are installed by."""
    libraries: tuple[str, ...] = _adapter(suite).LIBRARIES
    return libraries


def _adapter(suite: str) -> Any:
    return importlib.import_module(f"metadisco.inner.envs.{suite}")
