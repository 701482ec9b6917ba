"""Adapter for Craftax, with symbolic observations. No other file imports Craftax, which is an extra of this package."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from metadisco.errors import UserError, nearest
from metadisco.inner.envs.bank import from_bank, strong
from metadisco.inner.envs.base import Discrete, Env, EnvState, auto_reset
from metadisco.inner.envs.settings import check_names, count, number_like
from metadisco.types import Key

try:
    from craftax.craftax.envs import craftax_symbolic_env as full
    from craftax.craftax_classic.envs import craftax_symbolic_env as classic
except ImportError as error:
    raise UserError(f"craftax environments need craftax ({error}): pip install 'craftax>=1.6.1,<2'") from error

LIBRARIES = ("craftax",)
KINDS = "one discrete choice, always legal; observations are vectors"
ENVIRONMENTS = {
    "Craftax-Classic-Symbolic-v1": (classic, classic.CraftaxClassicSymbolicEnvNoAutoReset, 1024),
    "Craftax-Symbolic-v1": (full, full.CraftaxSymbolicEnvNoAutoReset, 128),
}
"""By name: module, class, and number of initial states."""
PIXELS = "it observes images, for which there is no network here"
UNAVAILABLE = {"Craftax-Classic-Pixels-v1": PIXELS, "Craftax-Pixels-v1": PIXELS}
NEVER = 2**30
"""A time limit out of reach; Craftax takes its own for a termination."""
DEFAULT = "default"


def names() -> list[str]:
    """Return the supported environments of Craftax."""
    return list(ENVIRONMENTS)


def make(
    name: str, *, episode_length: int | None = None, num_initial_states: int | str | None = DEFAULT, **params: Any
) -> Env:
    """Create an environment of Craftax.

    Args:
        name: Craftax's name, such as "Craftax-Classic-Symbolic-v1".
        episode_length: time limit in steps, which truncates; by default Craftax's, which it takes for a termination.
        num_initial_states: number of worlds, which are drawn once for all agents: 1024 of the classic game, 128 of the
            other one, whose states are larger. None draws a new world for each episode, which under vmap takes about
            ten times as long as a step, in every step.
        **params: fields of its `EnvParams` that are numbers, such as day_length.

    Raises:
        UserError: for an unknown name or parameter, or an invalid value.
    """
    if name in UNAVAILABLE:
        raise UserError(f"inner.env: craftax/{name} is not offered: {UNAVAILABLE[name]}")
    if name not in ENVIRONMENTS:
        raise UserError(
            f"inner.env: craftax has no environment {name!r}{nearest(name, names())} (metadisco list shows all)"
        )
    module, cls, bank = ENVIRONMENTS[name]
    size = bank if num_initial_states == DEFAULT else num_initial_states
    env = cls()
    defaults = env.default_params
    numbers = {
        key: value for key, value in vars(defaults).items() if isinstance(value, int | float) and key != "max_timesteps"
    }
    check_names(f"craftax/{name}", params, ("episode_length", "num_initial_states", *numbers))
    length = defaults.max_timesteps if episode_length is None else count("episode_length", episode_length)
    given = {key: number_like(key, value, numbers[key]) for key, value in params.items()}
    env_params = defaults.replace(**given, max_timesteps=NEVER)

    def fresh(key: Key) -> tuple[EnvState, Array]:
        obs, state = env.reset_env(key, env_params)
        return strong(state), jnp.asarray(obs, jnp.float32)

    def step(key: Key, state: EnvState, action: Array) -> tuple[EnvState, Array, Array, Array]:
        obs, after, reward, done, _ = env.step_env(key, state, action, env_params)
        after = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), after, state)
        return after, jnp.asarray(obs, jnp.float32), jnp.asarray(reward, jnp.float32), jnp.asarray(done, bool)

    return auto_reset(
        fresh if size is None else from_bank(fresh, count("num_initial_states", size)),
        step,
        obs_shape=env.observation_space(env_params).shape,
        action_space=Discrete(env.num_actions),
        episode_length=length,
        indicators=(
            (0, math.prod(module.get_map_obs_shape())),
        ),  # one-hot codes of blocks and items, and where mobs are
    )
