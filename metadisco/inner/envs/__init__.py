"""Environments with a common interface; the library of a suite is imported when one of its environments is created."""

from metadisco.inner.envs.base import Box, Discrete, Env, EnvState, MultiDiscrete, TimeStep, auto_reset
from metadisco.inner.envs.checks import check_episode_length
from metadisco.inner.envs.legal_actions import ignore_mask, mask_size, split_mask, with_mask
from metadisco.inner.envs.registry import kinds, libraries_of, make, names, not_offered

__all__ = [
    "Box",
    "Discrete",
    "Env",
    "EnvState",
    "MultiDiscrete",
    "TimeStep",
    "auto_reset",
    "check_episode_length",
    "ignore_mask",
    "kinds",
    "libraries_of",
    "make",
    "mask_size",
    "names",
    "not_offered",
    "split_mask",
    "with_mask",
]
