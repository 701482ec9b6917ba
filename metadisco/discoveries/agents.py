"""Saves and loads trained agents, as JSON and arrays in a folder or a zip file. Axes: S agents.

`agents.json` holds environment and settings of the training, and outputs of the agents for some observations;
`arrays.npz` holds parameters and observation statistics by path, stacked over agents.
"""

import math
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco._version import __version__
from metadisco.config import Config, PPOConfig, build_settings, to_plain
from metadisco.errors import UserError
from metadisco.inner.envs.base import ActionSpace, Box, Discrete, Env, Interface, MultiDiscrete, Ranges
from metadisco.inner.envs.legal_actions import mask_size
from metadisco.inner.networks import make_agent
from metadisco.inner.normalise import init_statistics
from metadisco.inner.policy import Policy, choose, outputs
from metadisco.objectives.arithmetic import in_float32
from metadisco.storage.arrays import from_arrays, to_arrays
from metadisco.storage.files import text_of, with_nulls
from metadisco.storage.package import AGENTS, Package, find_package, read_package, write_package
from metadisco.types import Key

NUM_CHECKS = 3
TOLERANCE = 1e-4


class TrainedAgents(NamedTuple):
    """Agents that differ only in their seed, and facts about their training."""

    env: str
    """Full name of the environment."""
    env_settings: dict[str, Any]
    interface: Interface
    ppo: PPOConfig
    objective: str
    """Name of the objective at the time of training."""
    final_return: np.ndarray
    """[S] mean return of the last evaluation of the training; NaN for a failed training."""
    policies: Policy
    """Arrays with a leading axis S."""


def save_agents(
    path: Path,
    env: Env,
    config: Config,
    objective: str,
    final_return: np.ndarray,
    policies: Any,
    force: bool = False,
) -> None:
    """Write trained agents to a zip file if the name ends in .zip, else to a folder.

    Args:
        path: of the zip file or folder.
        env: environment of the training.
        config: settings of the training.
        objective: name of the objective.
        final_return: [S] returns at the end of training.
        policies: a `Policy` whose arrays have a leading axis S.
        force: whether to replace existing agents.
    """
    (task,) = config.inner.tasks
    interface = Interface(env.obs_shape, env.action_space, env.indicators)
    obs = _observations_to_check(interface)
    parameters, values = _outputs(policies, obs, interface, task.ppo)
    data = {
        "metadisco": __version__,
        "objective": objective,
        "env": task.env,
        "env_settings": task.env_settings,
        "obs_shape": list(env.obs_shape),
        "action_space": _space_as_json(env.action_space),
        **({"indicators": [list(each) for each in env.indicators]} if env.indicators else {}),
        "ppo": to_plain(task.ppo),
        "seed": config.seed,
        "final_return": with_nulls(final_return),
        "checks": {"obs": obs.tolist(), "parameters": with_nulls(parameters), "values": with_nulls(values)},
    }
    write_package(path, AGENTS, data, to_arrays(policies), force)


@in_float32
def load_agents(path: str | PathLike[str]) -> TrainedAgents:
    """Read trained agents and check that their outputs equal the stored ones.

    Args:
        path: the folder or zip file that `metadisco train --save` wrote.

    Raises:
        UserError: naming the defect.
    """
    found = find_package(text_of(path, "path"), AGENTS)
    if found is None:
        raise UserError(f"{str(path)!r} holds no trained agents: no {AGENTS.file}, and no zip file")
    package = read_package(found, AGENTS)
    data, where = package.data, str(package.path)
    interface = _interface(data, where)
    section = data.get("ppo")
    if not isinstance(section, dict):
        raise UserError(f"{where}: lacks the settings in ppo")
    ppo = build_settings(PPOConfig, section, prefix=f"{where}: ppo.")
    returns = data.get("final_return")
    if not isinstance(returns, list) or not all(each is None or _is_number(each) for each in returns) or not returns:
        raise UserError(f"{where}: final_return must be a list with a number or null for each agent")
    template = jax.eval_shape(jax.vmap(lambda key: _fresh(key, interface, ppo)), _keys(len(returns)))
    agents = TrainedAgents(
        env=_text(data, "env", where),
        env_settings=data["env_settings"] if isinstance(data.get("env_settings"), dict) else {},
        interface=interface,
        ppo=ppo,
        objective=_text(data, "objective", where),
        final_return=np.asarray(returns, np.float32),
        policies=from_arrays(package.arrays, template, where),
    )
    _check(agents, package)
    return agents


def load_policy(path: str | PathLike[str], agent: int = 0) -> Callable[..., Array]:
    """Return `act(obs, key=None)` of one trained agent, for your own rollout loop.

    `obs` are raw observations of shape [..., *obs_shape]; those of a masked environment end with the mask, and only
    legal actions are chosen. The result has one action of the environment per observation: the most likely one, or a
    sampled one if a key is given.

    Args:
        path: the folder or zip file that `metadisco train --save` wrote.
        agent: index of the agent.

    Raises:
        UserError: if there is no such agent, or the file cannot be used.
    """
    agents = load_agents(path)
    policy, network = policy_at(agents, agent), make_agent(agents.interface, agents.ppo)

    @in_float32
    @jax.jit
    def act(obs: Array, key: Key | None = None) -> Array:
        deterministic = key is None
        obs = jnp.asarray(obs, jnp.float32)
        return choose(_keys(1)[0] if key is None else key, policy, obs, network, deterministic=deterministic)

    return act


def policy_at(agents: TrainedAgents, agent: int) -> Policy:
    """Return the policy of one agent.

    Raises:
        UserError: if there is no agent with this index.
    """
    num_agents = len(agents.final_return)
    if not 0 <= agent < num_agents:
        raise UserError(f"agent: got {agent}, allowed: 0 to {num_agents - 1}")
    policy: Policy = jax.tree.map(lambda leaf: leaf[agent], agents.policies)
    return policy


def _keys(number: int) -> Key:
    return jax.random.split(jax.random.key(0), number)


def _fresh(key: Key, interface: Interface, ppo: PPOConfig) -> Policy:
    return Policy(make_agent(interface, ppo).init(key), init_statistics(interface.obs_shape))


def _outputs(policies: Any, obs: np.ndarray, interface: Interface, ppo: PPOConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return distribution parameters [S, N, D] and values [S, N] of all agents."""
    network = make_agent(interface, ppo)
    of_one = jax.jit(jax.vmap(lambda policy: outputs(policy, jnp.asarray(obs), network)))
    with jax.default_matmul_precision("float32"):  # recent GPUs would round more
        parameters, values = jax.device_get(of_one(jax.tree.map(jnp.asarray, policies)))
    return parameters, values


def _check(agents: TrainedAgents, package: Package) -> None:
    """Refuse agents whose outputs differ from the stored ones."""
    checks, where = package.data.get("checks"), str(package.path)
    try:
        obs = np.asarray(checks["obs"], np.float32)  # type: ignore[index]
        expected = [np.asarray(checks[name], np.float32) for name in ("parameters", "values")]  # type: ignore[index]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{where}: its observations and outputs to check are incomplete") from error
    if not len(obs) or obs.shape[1:] != agents.interface.obs_shape:
        raise UserError(f"{where}: its observations to check have another shape than the environment's")
    for found, stored in zip(_outputs(agents.policies, obs, agents.interface, agents.ppo), expected, strict=True):
        same = found.shape == stored.shape and bool(
            np.all(
                (np.abs(found - stored) <= TOLERANCE * np.maximum(1, np.abs(stored)))
                | (~np.isfinite(found) & np.isnan(stored))
            )
        )
        if not same:
            raise UserError(f"{where}: the outputs of its agents differ from those stored with them")


def _observations_to_check(interface: Interface) -> np.ndarray:
    """Return random observations [NUM_CHECKS, *obs_shape]; a mask is any pattern of 0 and 1."""
    obs = np.random.default_rng(0).normal(size=(NUM_CHECKS, *interface.obs_shape)).astype(np.float32)
    num_masked = mask_size(interface.action_space)
    if num_masked:
        obs[:, -num_masked:] = obs[:, -num_masked:] > 0
    return obs


def _space_as_json(space: ActionSpace) -> dict[str, Any]:
    if isinstance(space, Box):
        return {"low": space.low.tolist(), "high": space.high.tolist()}
    size = {"num_actions": space.num_actions} if isinstance(space, Discrete) else {"nums": list(space.nums)}
    return {**size, "masked": True} if space.masked else size


def _interface(data: dict[str, Any], where: str) -> Interface:
    """Return the shapes of observations and actions."""
    shape, space = data.get("obs_shape"), data.get("action_space")
    if not isinstance(shape, list) or not all(_is_size(size) for size in shape):
        raise UserError(f"{where}: obs_shape must be a list of whole numbers above 0")
    interface = Interface(tuple(shape), _space_from_json(space, where))
    num_masked = mask_size(interface.action_space)
    if num_masked and (len(shape) != 1 or shape[0] <= num_masked):
        raise UserError(f"{where}: obs_shape must have one axis that is longer than the mask of its action_space")
    return interface._replace(indicators=_indicators(data, math.prod(shape) - num_masked, where))


def _space_from_json(space: Any, where: str) -> ActionSpace:
    if isinstance(space, dict) and isinstance(space.get("masked", False), bool):
        masked, nums = space.get("masked", False), space.get("nums")
        if _is_size(space.get("num_actions")):
            return Discrete(space["num_actions"], masked)
        if isinstance(nums, list) and nums and all(map(_is_size, nums)):
            return MultiDiscrete(tuple(nums), masked)
        if all(isinstance(space.get(name), list) and all(map(_is_number, space[name])) for name in ("low", "high")):
            box = Box(*(np.asarray(space[name], np.float32) for name in ("low", "high")))
            if box.low.shape == box.high.shape and box.low.size:
                return box
    raise UserError(f"{where}: action_space must have num_actions, nums, or low and high")


def _indicators(data: dict[str, Any], size: int, where: str) -> Ranges:
    """Return the ranges of entries that are 0 or 1; `size` entries precede the mask."""
    ranges = data.get("indicators", [])
    pairs = isinstance(ranges, list) and all(isinstance(each, list) and len(each) == 2 for each in ranges)
    if not pairs or not all(type(index) is int for each in ranges for index in each):
        raise UserError(f"{where}: indicators must be a list of pairs of whole numbers")
    if not all(0 <= start < stop <= size for start, stop in ranges):
        raise UserError(f"{where}: indicators must be ranges of the {size} entries before the mask")
    return tuple((start, stop) for start, stop in ranges)


MAX_SIZE = 2**24


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_SIZE


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(data: dict[str, Any], key: str, where: str) -> str:
    if not isinstance(data.get(key), str):
        raise UserError(f"{where}: lacks {key}")
    text: str = data[key]
    return text
