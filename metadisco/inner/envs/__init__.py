"""Environments with a common interface; the library of a suite is imported when one of its environments is created."""

from metadisco.inner.envs.base import Box, Discrete, Env, EnvState, TimeStep, auto_reset
from metadisco.inner.envs.checks import check_episode_length
from metadisco.inner.envs.registry import libraries_of, make, names

__all__ = [
    "Box",
    "Discrete",
    "Env",
    "EnvState",
    "TimeStep",
    "auto_reset",
    "check_episode_length",
    "libraries_of",
    "make",
    "names",
]
