"""Adapter for Jumanji: puzzles, packing and routing, with legal actions. No other file imports Jumanji.

Jumanji's auto-reset loses the final observation, and most of its time limits count as terminations; neither is used.
"""

import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco.errors import UserError, nearest
from metadisco.inner.envs.bank import from_bank, strong
from metadisco.inner.envs.base import ActionSpace, Box, Discrete, Env, EnvState, MultiDiscrete, auto_reset
from metadisco.inner.envs.encodings import encode, flattened, indicators
from metadisco.inner.envs.jumanji_tasks import GENERATOR_DEFAULTS, TASKS, Facts
from metadisco.inner.envs.legal_actions import ignore_mask, with_mask
from metadisco.inner.envs.settings import PLACE, check_names, count, number_like, one_of, switch
from metadisco.types import Key

try:
    from jumanji import registration, specs
except ImportError as error:
    raise UserError(f"jumanji environments need jumanji ({error}): pip install 'jumanji>=1.1.2,<2'") from error

LIBRARIES = ("jumanji",)
KINDS = "one or several discrete choices, legal ones marked in most; SearchAndRescue: a box; observations are vectors"
UNAVAILABLE = {"Sokoban-v0": "it downloads its levels"}
OURS = ("episode_length", "num_initial_states", "encoding", "legal_actions", "generator")
ENCODINGS = ("learner", "raw")
NEVER = 2**30
"""A time limit out of reach, at which no shape depends on it."""
DEFAULT = "default"


def names() -> list[str]:
    """Return the supported environments of Jumanji."""
    return [name for name in sorted(registration.registered_environments()) if name in TASKS]


def make(
    name: str,
    *,
    episode_length: int | None = None,
    num_initial_states: int | str | None = DEFAULT,
    encoding: str = "learner",
    legal_actions: bool = True,
    generator: dict[str, Any] | None = None,
    **arguments: Any,
) -> Env:
    """Create an environment of Jumanji.

    Several agents are one agent with several choices. Rewards of several agents are summed.

    Args:
        name: Jumanji's name, such as "Snake-v1".
        episode_length: time limit in steps, which truncates; by default Jumanji's, which it takes for a termination.
        num_initial_states: number of initial states, which are drawn once for all agents; None draws a new state for
            each episode. By default 1024 where a reset costs far more than a step, else None.
        encoding: "learner" for categories as one-hot codes, positions and scaled quantities, without what is of no
            use; "raw" for all fields as they are, but for the mask.
        legal_actions: whether agents choose among legal actions alone; else the mask is ordinary input.
        generator: arguments of the default generator of instances, such as {"num_rows": 5, "num_cols": 5}; those left
            out keep the values of the default.
        **arguments: arguments of the environment's class that are numbers, such as num_rows.

    Raises:
        UserError: for an unknown name or argument, or an invalid value.
    """
    if name in UNAVAILABLE:
        raise UserError(f"inner.env: jumanji/{name} is not offered: {UNAVAILABLE[name]}")
    if name not in TASKS or name not in registration.registered_environments():
        raise UserError(
            f"inner.env: jumanji has no environment {name!r}{nearest(name, names())} (metadisco list shows all)"
        )
    facts = TASKS[name]
    raw = one_of("encoding", encoding, ENCODINGS) == "raw"
    switch("legal_actions", legal_actions)
    size = facts.bank if num_initial_states == DEFAULT else num_initial_states
    length = None if episode_length is None else count("episode_length", episode_length)
    theirs, length = _make(name, facts, length, generator, arguments)
    dynamics = _Dynamics(theirs, facts, raw=raw)
    _try(dynamics, name, generator or arguments)
    reset = dynamics.reset if size is None else from_bank(dynamics.reset, count("num_initial_states", size), _renew)
    env = auto_reset(
        reset,
        dynamics.step,
        obs_shape=jax.eval_shape(dynamics.reset, jax.random.key(0))[1].shape,
        action_space=dynamics.action_space,
        episode_length=length,
        indicators=dynamics.indicators,
    )
    return env if legal_actions else ignore_mask(env)


def _renew(key: Key, state: EnvState) -> EnvState:
    """Return a state of the bank with a key of its own; every state of Jumanji has a field `key`."""
    return state.replace(key=key)


def _make(
    name: str, facts: Facts, length: int | None, generator: dict[str, Any] | None, arguments: dict[str, Any]
) -> tuple[Any, int]:
    """Return the environment without a time limit of its own, if possible, and the time limit."""
    default = registration.make(name)
    own = _own_arguments(default)
    check_names(f"jumanji/{name}", arguments, (*OURS, *own))
    given = {key: number_like(key, value, own[key]) for key, value in arguments.items()}
    if generator:
        given["generator"] = _make_generator(default, name, generator, length)
    first = _construct(name, given)
    length = facts.length(first) if length is None else length
    if facts.clock == "none":
        return first, length
    return _construct(name, {**given, "time_limit": NEVER if facts.clock == "off" else length}), length


def _construct(name: str, arguments: dict[str, Any]) -> Any:
    try:
        return registration.make(name, **arguments)
    except (TypeError, ValueError, AssertionError, ArithmeticError, IndexError) as error:
        raise UserError(f"{PLACE}: jumanji/{name} does not accept these settings: {_line(error)}") from error


def _own_arguments(env: Any) -> dict[str, Any]:
    """Return the defaults of those arguments of the class that are numbers, without the time limit."""
    parameters = inspect.signature(type(env)).parameters.values()
    return {each.name: each.default for each in parameters if _is_number(each.default) and each.name != "time_limit"}


def _make_generator(env: Any, name: str, settings: Any, length: int | None) -> Any:
    """Return the default generator of instances with some of its arguments replaced."""
    default: Any = getattr(env, "generator", None) or getattr(env, "_generator", None)
    kept = {} if default is None else _kept(default)
    numbers = {key: value for key, value in kept.items() if _is_number(value)}
    if not isinstance(settings, dict):
        raise UserError(f"{PLACE}.generator: got {settings!r}, allowed: settings by name")
    check_names(f"the generator of jumanji/{name}", settings, tuple(numbers), ".generator")
    given = {key: number_like(f"generator.{key}", value, numbers[key]) for key, value in settings.items()}
    if "max_step" in kept:  # MMST's, which has to be the time limit
        kept["max_step"] = env.time_limit if length is None else length
    try:
        return type(default)(**{**kept, **given})
    except (TypeError, ValueError, AssertionError, ArithmeticError, IndexError) as error:
        raise UserError(f"{PLACE}.generator: jumanji/{name} does not accept {settings}: {_line(error)}") from error


def _kept(generator: Any) -> dict[str, Any]:
    """Return the arguments with which a generator was made, from its attributes or else the defaults."""
    values = {}
    for name, parameter in inspect.signature(type(generator)).parameters.items():
        value = getattr(
            generator, name, getattr(generator, f"_{name}", GENERATOR_DEFAULTS.get(name, parameter.default))
        )
        values[name] = value.item() if hasattr(value, "item") and np.size(value) == 1 else value
    values = {name: value for name, value in values.items() if value is not inspect.Parameter.empty}
    if "max_step" in inspect.signature(type(generator)).parameters:
        values["max_step"] = None
    return values


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)  # or a bool


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _try(dynamics: "_Dynamics", name: str, settings: dict[str, Any]) -> None:
    """Reject settings that Jumanji accepts in its constructor, but fails on later."""
    if not settings:
        return
    action = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), dynamics.action)
    try:
        jax.eval_shape(lambda key: dynamics.step(key, dynamics.reset(key)[0], action), jax.random.key(0))
    except (TypeError, ValueError, AssertionError, ArithmeticError, IndexError) as error:
        raise UserError(f"{PLACE}: got {settings}, which jumanji/{name} cannot use: {_line(error)}") from error


class _Dynamics:
    """An environment of Jumanji with one agent, one observation and one reward."""

    def __init__(self, env: Any, facts: Facts, *, raw: bool):
        self._env, self._facts, self._raw = env, facts, raw
        observation = jax.eval_shape(env.reset, jax.random.key(0))[1].observation
        self._has_mask = hasattr(observation, "action_mask")
        self._parts = facts.parts(env)
        self.indicators = () if raw else indicators(self._parts, observation)
        self.action_space, self._decode = _actions(env.action_spec, self._has_mask, rows=facts.rows)
        self.action = _shape_of(self.action_space)

    def reset(self, key: Key) -> tuple[EnvState, Array]:
        with _quietly():
            state, time_step = self._env.reset(key)
        return strong(state), self._observe(time_step.observation)

    def step(self, key: Key, state: EnvState, action: Array) -> tuple[EnvState, Array, Array, Array]:
        del key  # randomness is in the state
        copy = jax.tree.map(lambda leaf: leaf, state)  # PacMan writes into the state that it is given
        with _quietly():
            after, time_step = self._env.step(copy, self._decode(action))
        after = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), after, state)
        if self._facts.over is None:
            terminated = (time_step.step_type == 2) & (jnp.max(time_step.discount) == 0)
        else:
            terminated = self._facts.over(after)
        return after, self._observe(time_step.observation), _sum(time_step.reward), terminated

    def _observe(self, observation: Any) -> Array:
        seen = flattened(observation, "action_mask") if self._raw else encode(self._parts, observation)
        return with_mask(seen, observation.action_mask) if self._has_mask else seen


def _shape_of(space: ActionSpace) -> jax.ShapeDtypeStruct:
    """Return shape and dtype of an action."""
    if isinstance(space, Discrete):
        return jax.ShapeDtypeStruct((), jnp.int32)
    if isinstance(space, MultiDiscrete):
        return jax.ShapeDtypeStruct((len(space.nums),), jnp.int32)
    return jax.ShapeDtypeStruct(space.low.shape, jnp.float32)


def _quietly() -> warnings.catch_warnings:
    """Suppress a warning of JAX about how BinPack assigns to an array."""
    return warnings.catch_warnings(action="ignore", category=FutureWarning)


def _sum(reward: Array) -> Array:
    return jnp.sum(jnp.asarray(reward, jnp.float32))


def _actions(spec: Any, has_mask: bool, *, rows: bool) -> tuple[ActionSpace, Callable[[Array], Array]]:
    """Return the action space, and the function that converts its actions to those of Jumanji.

    Combined choices are numbered in C order, as the flattened mask is.
    """
    if isinstance(spec, specs.DiscreteArray):
        return Discrete(int(spec.num_values), has_mask), lambda action: action.astype(spec.dtype)
    if jnp.issubdtype(spec.dtype, jnp.floating):
        bounds = (np.broadcast_to(np.asarray(bound, np.float32), spec.shape) for bound in (spec.minimum, spec.maximum))
        return Box(*(bound.ravel() for bound in bounds)), lambda action: action.reshape(spec.shape)
    if isinstance(spec, specs.MultiDiscreteArray):
        nums = tuple(int(num) for num in np.ravel(spec.num_values))
    else:  # MultiCVRP, whose maximum is one too many
        nums = (int(np.max(spec.maximum)),) * math.prod(spec.shape)
    if rows:
        return MultiDiscrete(nums, has_mask), lambda action: action.astype(spec.dtype)
    return Discrete(math.prod(nums), has_mask), lambda action: jnp.stack(jnp.unravel_index(action, nums)).astype(
        spec.dtype
    )
