"""Facts about messages in artefacts, and inputs for checking them.

Axes: Q observations, D numbers of each, N channels, G features of a goal.
"""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metadisco.config import to_plain
from metadisco.discoveries.checks import Family, Found
from metadisco.discoveries.environments import make as make_env
from metadisco.errors import UserError
from metadisco.inner.envs.goals import GOALS, make_goal
from metadisco.types import MessageFunctions

MAGNITUDES = (0.0, 0.05, 0.2, 0.5, 1.0, 3.0)
"""Of the checked observations, in units of input_scale; large ones alone could leave each channel at its bounds."""
CALL = {
    "message": "an observation of the plain environment -> the numbers that are appended to it",
    "observation": "raw, not normalised, flattened with its last axis fastest; divided by input_scale first",
    "learner": "sees the flattened observation and then the message; at the end of an episode, the final observation "
    "and its message",
}
STEER = "(observation, features of the goal) -> what is appended instead for the trained learner, which is not told"


def facts(found: Found) -> dict[str, Any]:
    """Return facts about a message and the learners that it was evolved against, and how to call it."""
    problem, parametrisation = found.problem, found.parametrisation
    input_scale = getattr(parametrisation, "input_scale", None)
    said = {
        "aim": problem.aim,
        "num_channels": getattr(parametrisation, "num_channels", None),
        "scale": getattr(parametrisation, "scale", None),
        "input_scale": list(input_scale) if isinstance(input_scale, tuple) else input_scale,
        "obs_shape": list(_obs_shape(found)),
        "learners": [
            {"env": task.env, "env_settings": dict(task.env_settings), "ppo": to_plain(task.ppo)}
            for task in found.inner.tasks
        ],
        "objective": {"name": problem.objective, "settings": dict(problem.objective_settings)},
        "fitness": found.inner.fitness,
        "goal": _goal(found) if problem.aim == "control" else None,
    }
    return {"message": said, "call": {**CALL, "steer": STEER} if problem.aim == "control" else CALL}


def _goal(found: Found) -> dict[str, Any]:
    """Return a goal in words, with the number of its features."""
    name, env = found.problem.goal, found.inner.tasks[0].env
    goal = make_goal(env, name)
    words = inspect.getdoc(GOALS[env]) if name is None else None
    return {
        "name": name or f"that of {env}",
        "words": None if words is None else " ".join(words.split()),
        "num_features": goal.num_features,
        "num_episodes": found.problem.num_episodes,
    }


def _obs_shape(found: Found) -> tuple[int, ...]:
    """Return the shape of the observations; flat if environments have different ones.

    Raises:
        UserError: if the message was made for observations of another size.
    """
    shapes = {task.env: make_env(task.env, **task.env_settings).obs_shape for task in found.inner.tasks}
    size = getattr(found.parametrisation, "obs_size", None)
    for env, shape in shapes.items():
        if size not in (None, int(np.prod(shape))):
            raise UserError(f"obs_size: got {size}, allowed: {int(np.prod(shape))} in {env}")
    distinct = set(shapes.values())
    first = next(iter(shapes.values()))
    return first if len(distinct) == 1 else (int(np.prod(first)),)


def _inputs(found: Found) -> dict[str, np.ndarray]:
    """Return observations of several magnitudes, and goals where there are any.

    Environments are made only for a parametrisation that does not know the size of their observations.
    """
    rng, parametrisation = np.random.default_rng(0), found.parametrisation
    size = getattr(parametrisation, "obs_size", None)
    shape = _obs_shape(found) if size is None else (size,)
    magnitudes = np.asarray(MAGNITUDES).reshape(-1, *[1] * len(shape))
    scale = np.asarray(getattr(parametrisation, "input_scale", None) or 1.0)
    inputs = {"observations": (magnitudes * scale * rng.normal(size=(len(MAGNITUDES), *shape))).round(3) + 0.0}
    if found.problem.aim == "control":
        num_features = getattr(parametrisation, "num_goal_features", None)
        if num_features is None:
            num_features = _goal(found)["num_features"]
        inputs["goals"] = rng.uniform(-1, 1, (len(MAGNITUDES), num_features)).round(2)
    return inputs


def _outputs(found: Found, bound: MessageFunctions, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the message of each observation, and the one that steers."""
    say: Callable[..., Any] = bound.message
    observations = jnp.asarray(inputs["observations"], jnp.float32)
    given = {"messages": np.asarray(jax.jit(jax.vmap(say))(observations))}
    if found.problem.aim != "control":
        return given
    if bound.steer is None:
        raise UserError("parametrisation: binds to no steer function, allowed: one where problem.aim is control")
    goals = jnp.asarray(inputs["goals"], jnp.float32)
    return {**given, "steers": np.asarray(jax.jit(jax.vmap(bound.steer))(observations, goals))}


FAMILY = Family(facts, _inputs, _outputs)
