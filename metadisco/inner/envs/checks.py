"""What an environment says of itself, checked where it is made: else it would show as NaN, or after all training."""

from typing import Any

import numpy as np

from metadisco.config.fields import MAX_INT
from metadisco.errors import UserError
from metadisco.inner.envs.base import Box, Discrete, Env

FREE_EPISODE = 100_000
"""Steps of an episode that are always allowed."""
MAX_EVALUATION = 10
"""Times the steps of training that evaluation may take where episodes are longer; steps one after the other."""


def checked(env: Env, name: str) -> Env:
    """Return an environment with its facts in the form that the contract demands, such as bounds in float32.

    Args:
        env: as its maker returned it.
        name: its own, for messages.

    Raises:
        UserError: for facts with which nothing can be trained.
    """
    shape, length = env.obs_shape, env.episode_length
    if not isinstance(shape, tuple | list) or not all(_is_count(size) for size in shape):
        raise UserError(f"inner.env: {name} has obs_shape {shape!r}, allowed: a tuple of whole numbers above 0")
    if not _is_count(length):
        raise UserError(f"inner.env: {name} has episode_length {length!r}, allowed: a whole number from 1 to {MAX_INT}")
    space = env.action_space
    if isinstance(space, Discrete):
        if not _is_count(space.num_actions):
            raise UserError(f"inner.env: {name} has num_actions {space.num_actions!r}, allowed: a whole number above 0")
        space = Discrete(int(space.num_actions))
    elif isinstance(space, Box):
        space = _checked_box(space, name)
    else:
        raise UserError(f"inner.env: {name} has actions in a {type(space).__name__}, allowed: a Discrete or a Box")
    return env._replace(obs_shape=tuple(map(int, shape)), action_space=space, episode_length=int(length))


def check_episode_length(env: Env, num_evaluations: int, num_steps: int) -> None:
    """Refuse episodes so long that playing whole ones would take for ever beside training.

    Environments step side by side, in training as in evaluation, so that steps one after the other are compared.

    Args:
        env: the environment.
        num_evaluations: how often whole episodes are played.
        num_steps: of training, in each of its environments.

    Raises:
        UserError: naming the lengths.
    """
    most = num_evaluations * env.episode_length
    if env.episode_length > FREE_EPISODE and most > MAX_EVALUATION * num_steps:
        raise UserError(
            f"inner.env: its episodes may last {env.episode_length:,} steps, and evaluation {most:,}, allowed: "
            f"{MAX_EVALUATION} times the {num_steps:,} steps of training in each environment; shorter episodes (such "
            "as inner.env_settings.max_steps_in_episode) or fewer evaluations may help"
        )


def _is_count(value: Any) -> bool:
    """Whether this is a whole number from 1 to what the device counts to, perhaps written as 1e3."""
    number = _as_array(value)
    return number.shape == () and number.dtype.kind in "iuf" and bool(1 <= value <= MAX_INT and value == int(value))


def _as_array(value: Any) -> np.ndarray:
    """Return what was given as an array; one of an object where it is none, such as ragged lists."""
    try:
        return np.asarray(value)
    except (ValueError, TypeError):
        return np.asarray(None)


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
