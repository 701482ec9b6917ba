"""Adapter for gymnax 1.x: classic control, MinAtar, bsuite and misc. No other file depends on gymnax."""

import copy
import math
from typing import Any

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import environment, spaces
from gymnax.registration import registered_envs
from jax import Array

from metadisco.config.fields import MAX_FLOAT, MAX_INT
from metadisco.errors import UserError, nearest
from metadisco.inner.cpu.threefry import unrolled_key
from metadisco.inner.envs.bank import strong
from metadisco.inner.envs.base import Box, Discrete, Env, EnvState, TimeStep
from metadisco.inner.envs.corrections import CORRECTIONS
from metadisco.inner.envs.settings import check_names
from metadisco.types import Key

if not hasattr(environment.Environment, "is_truncated"):  # stable-gymnax is an older version in files of the same names
    raise UserError(
        "gymnax environments need gymnax 1.x, but another version or stable-gymnax is installed: "
        "pip uninstall stable-gymnax gymnax, then pip install 'gymnax>=1.0.1,<2'"
    )

LIBRARIES = ("gymnax",)
KINDS = "one discrete choice, always legal, or a box; observations are vectors or images"
UNAVAILABLE = {"MNISTBandit-bsuite": "it downloads its data"}


def names() -> list[str]:
    """Return the supported environments of gymnax."""
    return [name for name in registered_envs if name not in UNAVAILABLE]


def make(name: str, **params: Any) -> Env:
    """Create a gymnax environment.

    Observations are float32; a discrete observation (FrozenLake) becomes a one-hot vector. Actions in a box are not
    clipped here. Deviations of gymnax from the original environments are fixed by `corrections`.

    Args:
        name: gymnax's name, such as "CartPole-v1".
        **params: fields of its `EnvParams`, such as max_steps_in_episode.

    Raises:
        UserError: for an unknown name or parameter.
    """
    if name in UNAVAILABLE:
        raise UserError(f"inner.env: gymnax/{name} is not supported: {UNAVAILABLE[name]}")
    if name not in registered_envs:
        raise UserError(
            f"inner.env: gymnax has no environment {name!r}{nearest(name, names())} (metadisco list shows all)"
        )
    env, defaults = gymnax.make(name)
    env = _corrected(name, env)
    env_params = _replace(name, defaults, params)
    observation_space = env.observation_space(env_params)
    encode = _encoder(observation_space)

    def reset(key: Key) -> tuple[EnvState, Array]:
        obs, state = env.reset(unrolled_key(key), env_params)
        return strong(state), encode(obs)

    def step(key: Key, state: EnvState, action: Array) -> tuple[EnvState, TimeStep]:
        obs, state, reward, terminated, truncated, info = env.step(unrolled_key(key), state, action, env_params)
        return strong(state), TimeStep(
            obs=encode(obs),
            reward=jnp.asarray(reward, jnp.float32).reshape(()),
            terminated=jnp.asarray(terminated, bool).reshape(()),
            truncated=jnp.asarray(truncated, bool).reshape(()),
            final_obs=encode(info["final_observation"]),
        )

    obs_shape = jax.eval_shape(reset, jax.random.key(0))[1].shape
    action_space = _action_space(env.action_space(env_params))
    return Env(reset, step, obs_shape, action_space, int(env_params.max_steps_in_episode))


def _corrected(name: str, env: Any) -> Any:
    """Return an environment with transitions like those of the original it is named after."""
    if name not in CORRECTIONS:
        return env
    corrected = copy.copy(env)
    corrected.step_env = CORRECTIONS[name](env.step_env)
    return corrected


def _replace(name: str, defaults: Any, params: dict[str, Any]) -> Any:
    """Set parameters, each converted to the type of its default."""
    allowed = sorted(vars(defaults))
    check_names(f"gymnax/{name}", params, allowed)
    for key, value in params.items():
        _check(key, value, getattr(defaults, key))
    return defaults.replace(**{key: type(getattr(defaults, key))(value) for key, value in params.items()})


def _check(key: str, value: Any, default: Any) -> None:
    """Reject a value whose type does not match the default."""
    place = f"inner.env_settings.{key}: got {value!r}, allowed:"
    if not isinstance(default, int | float):
        raise UserError(f"{place} only the default of gymnax, which is not a single number")
    if isinstance(default, bool):
        if value not in (True, False):  # 0 and 1 as well
            raise UserError(f"{place} true or false")
        return
    whole = isinstance(default, int) or key == "max_steps_in_episode"
    kind = "a whole number" if whole else "a number"
    wrong = isinstance(value, bool) or not isinstance(value, int | float) or value != value  # noqa: PLR0124 - NaN
    if wrong or abs(value) == math.inf or (whole and value != int(value)):
        raise UserError(f"{place} {kind}")
    if abs(value) > (MAX_INT if whole else MAX_FLOAT):
        raise UserError(f"{place} {kind} that 32 bits can hold")
    if key == "max_steps_in_episode" and value < 1:
        raise UserError(f"{place} a whole number above 0")


def _encoder(space: Any) -> Any:
    """Return a function that converts an observation to a float32 array."""
    if isinstance(space, spaces.Discrete):
        return lambda obs: jax.nn.one_hot(obs, space.n, dtype=jnp.float32)
    return lambda obs: jnp.asarray(obs, jnp.float32)


def _action_space(space: Any) -> Discrete | Box:
    if isinstance(space, spaces.Discrete):
        return Discrete(int(space.n))
    bounds = (np.broadcast_to(np.asarray(bound, np.float32), space.shape) for bound in (space.low, space.high))
    return Box(*bounds)
