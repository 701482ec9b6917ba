"""Playing trained agents in Gymnasium's own environments. The only file that knows Gymnasium. Axes: E episodes."""

from collections.abc import Callable

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco.errors import UserError
from metadisco.inner.envs.base import Discrete, Interface
from metadisco.types import Key


def play(
    name: str, interface: Interface, act: Callable[[Key, Array], Array], seed: int, num_episodes: int
) -> np.ndarray:
    """Play whole episodes side by side, each in an environment of its own.

    Args:
        name: Gymnasium's, such as "CartPole-v1".
        interface: what the agent was trained for.
        act: (key, obs[E, *obs_shape]) -> actions[E, ...].
        seed: of environments and actions.
        num_episodes: E.

    Returns:
        [E] undiscounted returns.

    Raises:
        UserError: for an unknown environment, or one with other observations or actions.
    """
    try:
        envs = [gymnasium.make(name) for _ in range(num_episodes)]
    except (gymnasium.error.Error, ImportError) as error:
        raise UserError(f"--gymnasium: got {name!r}, which Gymnasium cannot make: {error}") from error
    _check_spaces(name, envs[0], interface)
    obs = np.stack([env.reset(seed=seed + index)[0] for index, env in enumerate(envs)])
    returns, live = np.zeros(num_episodes), list(range(num_episodes))
    key, time = jax.random.key(seed), 0
    discrete = isinstance(interface.action_space, Discrete)
    while live:
        actions = np.asarray(act(jax.random.fold_in(key, time), jnp.asarray(obs, jnp.float32)))
        for index in live:
            action = int(actions[index]) if discrete else actions[index]
            obs[index], reward, terminated, truncated, _ = envs[index].step(action)
            returns[index] += reward
            if terminated or truncated:
                live = [each for each in live if each != index]
        time += 1
    for env in envs:
        env.close()
    return returns


def _check_spaces(name: str, env: gymnasium.Env, interface: Interface) -> None:
    shape, space = env.observation_space.shape, env.action_space
    if shape != interface.obs_shape:
        raise UserError(f"--gymnasium: {name} has observations {shape}, allowed: {interface.obs_shape}, as in training")
    expected = interface.action_space
    if isinstance(expected, Discrete):
        fits = isinstance(space, gymnasium.spaces.Discrete) and int(space.n) == expected.num_actions
    else:
        fits = isinstance(space, gymnasium.spaces.Box) and space.shape == expected.low.shape
    if not fits:
        raise UserError(f"--gymnasium: {name} has actions {space}, allowed: {expected}, as in training")
