"""Validation of a new environment; otherwise errors would show up as NaN, or only after training."""

import math
from typing import Any

import numpy as np

from metadisco.config.fields import MAX_INT
from metadisco.errors import UserError
from metadisco.inner.envs.base import ActionSpace, Box, Discrete, Env, MultiDiscrete, Ranges
from metadisco.inner.envs.legal_actions import mask_size

UNCHECKED_EPISODE_LENGTH = 100_000
"""Episodes of up to this length are always allowed."""
MAX_EVALUATION = 10
"""Maximum ratio of sequential evaluation steps to sequential training steps, if episodes are longer."""


def checked(env: Env, name: str) -> Env:
    """Validate an environment, and convert its fields to their canonical types, such as bounds in float32.

    Args:
        env: the environment as it was created.
        name: its name, for messages.

    Raises:
        UserError: for an invalid field.
    """
    shape, length = env.obs_shape, env.episode_length
    if not isinstance(shape, tuple | list) or not all(_is_count(size) for size in shape):
        raise UserError(f"inner.env: {name} has obs_shape {shape!r}, allowed: a tuple of whole numbers above 0")
    if not _is_count(length):
        raise UserError(f"inner.env: {name} has episode_length {length!r}, allowed: a whole number from 1 to {MAX_INT}")
    shape, space = tuple(map(int, shape)), _checked_space(env.action_space, name)
    num_masked = mask_size(space)
    if num_masked and (len(shape) != 1 or shape[0] <= num_masked):
        raise UserError(
            f"inner.env: {name} has obs_shape {shape} and a mask of {num_masked} entries, allowed: one axis with more "
            "entries than the mask, which is the end of the observation"
        )
    indicators = _checked_ranges(env.indicators, math.prod(shape) - num_masked, name)
    return env._replace(obs_shape=shape, action_space=space, episode_length=int(length), indicators=indicators)


def check_episode_length(env: Env, num_evaluations: int, num_steps: int) -> None:
    """Reject episodes that are so long that evaluation would take far longer than training.

    Environments run in parallel, in training and in evaluation, so sequential steps are compared.

    Args:
        env: the environment.
        num_evaluations: number of evaluations.
        num_steps: training steps in each environment.

    Raises:
        UserError: with the lengths.
    """
    most = num_evaluations * env.episode_length
    if env.episode_length > UNCHECKED_EPISODE_LENGTH and most > MAX_EVALUATION * num_steps:
        raise UserError(
            f"inner.env: its episodes may last {env.episode_length:,} steps, and evaluation {most:,}, allowed: "
            f"{MAX_EVALUATION} times the {num_steps:,} training steps in each environment; shorter episodes (such "
            "as inner.env_settings.max_steps_in_episode) or fewer evaluations may help"
        )


def _is_count(value: Any) -> bool:
    """Return whether this is a whole number from 1 to the largest int32, possibly written as 1e3."""
    number = _as_array(value)
    return number.shape == () and number.dtype.kind in "iuf" and bool(1 <= value <= MAX_INT and value == int(value))


def _as_array(value: Any) -> np.ndarray:
    """Convert a value to an array; to an array of an object if that fails, such as for ragged lists."""
    try:
        return np.asarray(value)
    except (ValueError, TypeError):
        return np.asarray(None)


def _checked_space(space: Any, name: str) -> ActionSpace:
    if isinstance(space, Box):
        return _checked_box(space, name)
    if not isinstance(space, Discrete | MultiDiscrete):
        raise UserError(
            f"inner.env: {name} has actions in a {type(space).__name__}, allowed: a Discrete, a MultiDiscrete or a Box"
        )
    if not isinstance(space.masked, bool):
        raise UserError(f"inner.env: {name} has masked {space.masked!r}, allowed: True or False")
    if isinstance(space, Discrete):
        if not _is_count(space.num_actions):
            raise UserError(f"inner.env: {name} has num_actions {space.num_actions!r}, allowed: a whole number above 0")
        return Discrete(int(space.num_actions), space.masked)
    if not isinstance(space.nums, tuple | list) or not space.nums or not all(map(_is_count, space.nums)):
        raise UserError(f"inner.env: {name} has nums {space.nums!r}, allowed: a tuple of whole numbers above 0")
    return MultiDiscrete(tuple(map(int, space.nums)), space.masked)


def _checked_ranges(ranges: Any, size: int, name: str) -> Ranges:
    """Validate the indicators of an observation with `size` entries before the mask."""
    pairs = _as_array(ranges)
    if pairs.size == 0:
        return ()
    usable = pairs.ndim == 2 and pairs.shape[1] == 2 and pairs.dtype.kind in "iu"
    if not usable or not ((pairs[:, 0] >= 0) & (pairs[:, 0] < pairs[:, 1]) & (pairs[:, 1] <= size)).all():
        raise UserError(
            f"inner.env: {name} has indicators {ranges!r}, allowed: pairs (start, stop) with 0 <= start < stop <= "
            f"{size}, the entries of an observation before the mask"
        )
    return tuple((int(start), int(stop)) for start, stop in pairs)


def _checked_box(box: Box, name: str) -> Box:
    given = tuple(map(_as_array, box))
    if any(bound.dtype.kind not in "iuf" for bound in given):
        kinds = " and ".join(str(bound.dtype) for bound in given)
        raise UserError(f"inner.env: {name} has action bounds of type {kinds}, allowed: numbers")
    low, high = given
    if low.shape != high.shape or low.ndim != 1 or low.size == 0:
        raise UserError(
            f"inner.env: {name} has action bounds of shapes {low.shape} and {high.shape}, allowed: two vectors of "
            "equal length"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = low.astype(np.float32), high.astype(np.float32)
        usable = (low < high) & np.isfinite(high - low)
    if not usable.all():
        place = int(np.argmin(usable))
        raise UserError(
            f"inner.env: {name} has actions from {low[place]} to {high[place]} in dimension {place}, allowed: finite "
            "bounds, the lower one below the upper one and less than 3.4e38 away"
        )
    return Box(low, high)
