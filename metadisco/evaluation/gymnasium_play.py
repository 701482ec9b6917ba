"""Rollouts of trained agents in Gymnasium's own environments. Only this file imports Gymnasium. Axes: E episodes."""

import contextlib
from collections.abc import Callable
from textwrap import shorten
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jax import Array

from metadisco.config.code.imports import importing
from metadisco.errors import UserError
from metadisco.inner.envs.base import ActionSpace, Box, Discrete, Interface, MultiDiscrete
from metadisco.inner.envs.legal_actions import mask_size
from metadisco.types import Key

MAX_STEPS = 100_000
"""Maximum length of an episode, far above Gymnasium's time limits; some environments have none."""
RTOL = 1e-5
"""Tolerance for equal bounds of actions, which may be stored in 32 or 64 bits."""


def play(
    name: str, interface: Interface, act: Callable[[Key, Array], Array], seed: int, num_episodes: int
) -> np.ndarray:
    """Play whole episodes in parallel environments.

    Args:
        name: name in Gymnasium, such as "CartPole-v1".
        interface: observations and actions of the training.
        act: (key, obs[E, *obs_shape]) -> actions[E, ...].
        seed: for environments and actions.
        num_episodes: E.

    Returns:
        [E] undiscounted returns.

    Raises:
        UserError: for an unknown environment, one with other observations or actions, one that does not tell legal
            actions although the agent needs them, or episodes that do not end.
    """
    with contextlib.ExitStack() as stack:
        envs = _make(name, num_episodes, stack)
        encode = _masked(name, envs[0].observation_space, interface)
        decode = _decoder(name, envs[0].action_space, interface.action_space)
        obs = np.stack([encode(*env.reset(seed=seed + index)) for index, env in enumerate(envs)])
        returns, running = np.zeros(num_episodes), list(range(num_episodes))
        key = jax.random.key(seed)
        for time in range(MAX_STEPS):
            actions = np.asarray(act(jax.random.fold_in(key, time), jnp.array(obs)))
            for index in tuple(running):
                seen, reward, terminated, truncated, info = envs[index].step(decode(actions[index]))
                obs[index] = encode(seen, info)
                returns[index] += reward
                if terminated or truncated:
                    running.remove(index)
            if not running:
                return returns
    raise UserError(
        f"gymnasium: {len(running)} of {num_episodes} episodes of {name} did not end within {MAX_STEPS:,} steps, "
        "allowed: an environment whose episodes end, such as one that is registered with max_episode_steps"
    )


def _make(name: str, number: int, stack: contextlib.ExitStack) -> list[gymnasium.Env]:
    try:
        with importing():
            envs = [gymnasium.make(name) for _ in range(number)]
    except (gymnasium.error.Error, ImportError) as error:
        raise UserError(f"gymnasium: got {name!r}, which Gymnasium cannot make: {error}") from error
    for env in envs:
        stack.callback(env.close)
    return envs


def _masked(name: str, space: spaces.Space, interface: Interface) -> Callable[[Any, dict[str, Any]], np.ndarray]:
    """Return the function that converts an observation and `info` of Gymnasium to an observation of the agent.

    Legal actions are taken from `info["action_mask"]`, where Gymnasium's own environments have them.
    """
    num_masked = mask_size(interface.action_space)
    if not num_masked:
        encode = _encoder(name, space, interface.obs_shape)
        return lambda obs, info: encode(obs)
    encode = _encoder(name, space, (interface.obs_shape[0] - num_masked,))

    def with_mask(obs: Any, info: dict[str, Any]) -> np.ndarray:
        rows = info.get("action_mask", ())
        mask = np.concatenate([np.ravel(row) for row in rows]) if len(rows) else np.zeros(0)
        if mask.size != num_masked:
            raise UserError(
                f"gymnasium: {name} has an action_mask of {mask.size} entries in info, allowed: {num_masked}, as the "
                "agents choose among legal actions only"
            )
        return np.concatenate([encode(obs), mask], dtype=np.float32)

    return with_mask


def _encoder(name: str, space: spaces.Space, obs_shape: tuple[int, ...]) -> Callable[[Any], np.ndarray]:
    """Return the function that converts an observation of Gymnasium to one of the agent.

    A discrete state becomes a one-hot vector, as in the suites here.
    """
    if isinstance(space, spaces.Discrete) and obs_shape == (int(space.n),):
        one_hot, start = np.eye(int(space.n), dtype=np.float32), int(space.start)
        return lambda obs: one_hot[int(obs) - start]
    if isinstance(space, spaces.Box | spaces.MultiBinary) and space.shape == obs_shape:
        return lambda obs: np.asarray(obs, np.float32)
    shown = space.shape if isinstance(space, spaces.Box) else _line(space)
    raise UserError(f"gymnasium: {name} has observations {shown}, allowed: {obs_shape}, as in training")


def _decoder(name: str, space: spaces.Space, expected: ActionSpace) -> Callable[[np.ndarray], Any]:
    """Return the function that converts an action of the agent to one of Gymnasium.

    Bounds have to match those of the training, since it is unknown whether to rescale or to clip actions.
    """
    if isinstance(space, spaces.Discrete) and isinstance(expected, Discrete) and space.n == expected.num_actions:
        start = int(space.start)
        return lambda action: int(action) + start
    if isinstance(space, spaces.MultiDiscrete) and _has_sizes(expected, space.nvec):
        return lambda action: action.astype(space.dtype) + space.start
    if isinstance(space, spaces.Box) and isinstance(expected, Box):
        numbers = np.issubdtype(space.dtype, np.floating) and space.shape == expected.low.shape
        if numbers and np.allclose([space.low, space.high], expected, rtol=RTOL, atol=0):
            return lambda action: np.clip(action.astype(space.dtype), space.low, space.high)
    raise UserError(f"gymnasium: {name} has actions {_line(space)}, allowed: {_line(expected)}, as in training")


def _has_sizes(space: ActionSpace, sizes: np.ndarray) -> bool:
    return isinstance(space, MultiDiscrete) and np.array_equal(space.nums, sizes)


def _line(space: Any) -> str:
    """Return a space as text on one line."""
    return shorten(str(space), 200, placeholder=" …")
