"""Adapter for brax (rigid-body physics). No other file depends on brax.

Brax's wrappers are not used: they discard the final observation, restart every episode of an environment in the same
state, and do not support typed keys.
"""

import contextlib
import inspect
import io
import math
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco.errors import UserError, nearest
from metadisco.inner.envs.bank import from_bank, strong
from metadisco.inner.envs.base import Box, Env, EnvState, auto_reset
from metadisco.inner.envs.settings import PLACE, check_names, count
from metadisco.types import Key

try:
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")  # about dependencies that are unmaintained or not installed
        import mujoco
        from brax import envs as brax_envs
except ImportError as error:
    raise UserError(f"brax environments need brax ({error}): pip install 'brax>=0.14.2,<0.15'") from error

LIBRARIES = ("brax", "mujoco", "mujoco-mjx")
KINDS = "a box from -1 to 1; observations are vectors"
UNAVAILABLE: dict[str, str] = {}
BACKENDS = ("spring", "positional", "generalized", "mjx")
DEFAULT_BACKEND = {"swimmer": "generalized"}  # its only backend


def names() -> list[str]:
    """Return the environments of brax."""
    return sorted(brax_envs._envs)


def make(
    name: str,
    *,
    episode_length: int = 1000,
    action_repeat: int = 1,
    num_initial_states: int | None = None,
    **arguments: Any,
) -> Env:
    """Create a brax environment.

    Actions are in the box [−1, 1]. The physics differ between backends, so returns are not comparable across them.

    Args:
        name: brax's name, optionally with a backend after a colon, such as "ant:positional". The default backend is
            spring, the fastest one; swimmer only supports generalized. (Brax itself defaults to generalized.)
        episode_length: time limit in physics steps; with action repeat an agent takes episode_length / action_repeat
            steps, rounded up.
        action_repeat: number of times each action is applied. Rewards are summed until the episode terminates. (Brax
            continues beyond that and counts the rewards.)
        num_initial_states: number of initial states, which are drawn once for all agents. None draws a new state for
            each episode, which costs a reset per step under vmap.
        **arguments: arguments of the environment's class, such as terminate_when_unhealthy.

    Raises:
        UserError: for an unknown name, backend or argument, or an invalid value.
    """
    episode_length = count("episode_length", episode_length)
    action_repeat = count("action_repeat", action_repeat)
    size = None if num_initial_states is None else count("num_initial_states", num_initial_states)
    dynamics = _make_dynamics(name, arguments)

    def fresh(key: Key) -> tuple[EnvState, Array]:
        state = dynamics.reset(key)
        return state, state.obs

    def step(key: Key, state: EnvState, action: Array) -> tuple[EnvState, Array, Array, Array]:
        del key  # brax is deterministic

        def repeat(carry: tuple[EnvState, Array], _: None) -> tuple[tuple[EnvState, Array], None]:
            state, total = carry
            after = dynamics.step(state, action)
            # The state no longer changes after the episode has ended.
            kept = jax.tree.map(lambda new, old: jnp.where(state.done > 0, old, new), after, state)
            return (kept, total + jnp.where(state.done > 0, 0.0, after.reward)), None

        if action_repeat == 1:
            state = dynamics.step(state, action)
            reward = state.reward
        else:
            (state, reward), _ = jax.lax.scan(repeat, (state, jnp.zeros(())), None, action_repeat)
        return state, state.obs, reward, state.done > 0

    return auto_reset(
        fresh if size is None else from_bank(fresh, size),
        step,
        obs_shape=dynamics.obs_shape,
        action_space=Box(*(np.full(dynamics.action_size, bound, np.float32) for bound in (-1, 1))),
        episode_length=-(-episode_length // action_repeat),
    )


def _make_dynamics(name: str, arguments: dict[str, Any]) -> Any:
    """Return the brax environment without a time limit."""
    name, _, backend = name.partition(":")
    if name not in brax_envs._envs:
        raise UserError(
            f"inner.env: brax has no environment {name!r}{nearest(name, names())} (metadisco list shows all)"
        )
    backend = backend or DEFAULT_BACKEND.get(name, BACKENDS[0])
    if backend not in BACKENDS:
        raise UserError(
            f"inner.env: brax has no backend {backend!r}{nearest(backend, BACKENDS)} ({', '.join(BACKENDS)})"
        )
    cls = brax_envs._envs[name]
    theirs = sorted(set(inspect.signature(cls).parameters) - {"backend", "kwargs"} | {"n_frames"})
    allowed = ["episode_length", "action_repeat", "num_initial_states", *theirs]
    check_names(f"brax/{name}", arguments, allowed)
    if "n_frames" in arguments:
        arguments = {**arguments, "n_frames": count("n_frames", arguments["n_frames"])}
    try:
        with _quietly():
            env = cls(backend=backend, **arguments)
    except (TypeError, ValueError, AssertionError) as error:
        raise UserError(f"{PLACE}: brax/{name} does not accept these settings: {error}") from error
    dynamics = _Dynamics(env, name)
    if arguments:
        _try(dynamics, name, arguments)
    return dynamics


def _try(dynamics: "_Dynamics", name: str, arguments: dict[str, Any]) -> None:
    """Reject arguments that brax accepts in its constructor, but fails on later."""
    for key, value in arguments.items():
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
            raise UserError(f"{PLACE}.{key}: got {value!r}, allowed: finite numbers")
    action = jnp.zeros(dynamics.action_size)
    try:
        jax.eval_shape(lambda key: dynamics.step(dynamics.reset(key), action), jax.random.key(0))
    except (TypeError, ValueError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{PLACE}: got {arguments}, which brax/{name} cannot use: {reason}") from error


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Suppress warnings that brax is no longer developed, and that its models are for an older MuJoCo.

    MuJoCo's default handler would write a file MUJOCO_LOG.TXT into the working directory.
    """
    mujoco.set_mju_user_warning(lambda message: None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        mujoco.set_mju_user_warning(None)


class _Dynamics:
    """A brax environment that supports typed keys, and whose state has the same pytree structure after a step."""

    def __init__(self, env: Any, name: str):
        self._env = env
        self.action_size = int(env.action_size)
        obs = jax.eval_shape(self.reset, jax.random.key(0)).obs
        if not hasattr(obs, "shape"):
            raise UserError(f"{PLACE}: brax/{name} observes {sorted(obs)}, allowed: one array")
        self.obs_shape = tuple(obs.shape)

    def reset(self, key: Key) -> Any:
        """Return the initial state of an episode."""
        state = self._env.reset(jax.random.key_data(key))
        return strong(state)

    def step(self, state: Any, action: Array) -> Any:
        """Return the state after a step."""
        # Brax modifies the dicts of the given state.
        after = self._env.step(state.replace(metrics=dict(state.metrics), info=dict(state.info)), action)
        return jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), after, state)
