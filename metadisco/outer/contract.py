"""Validation of a meta-problem before anything is compiled. Axes: K tasks, L evaluations."""

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from metadisco.errors import UserError, shown
from metadisco.types import Evaluation, Key, MetaParams, MetaProblem, TaskLike

MAX_ENV_STEPS = 2**53
"""Maximum of environment steps per evaluation; a float cannot count further."""
OPTIONAL = ("evaluate_against", "baseline", "draws", "rehearsal")


def check_problem(problem: MetaProblem) -> int:
    """Check the attributes that a problem must have; return the environment steps of one evaluation.

    Raises:
        UserError: for missing or invalid attributes.
    """
    tasks, env_steps = (getattr(problem, name, None) for name in ("tasks", "env_steps"))
    if not isinstance(env_steps, int) or isinstance(env_steps, bool) or not 0 <= env_steps <= MAX_ENV_STEPS:
        raise UserError(
            f"env_steps of the meta-problem: got {shown(env_steps)}, allowed: a whole number from 0 to {MAX_ENV_STEPS}"
        )
    if not isinstance(tasks, Sequence) or not tasks or not all(isinstance(task, TaskLike) for task in tasks):
        raise UserError(f"tasks of the meta-problem: got {shown(tasks)}, allowed: a TaskInfo for each task")
    names = [task.name for task in tasks]
    if not all(isinstance(name, str) and name.isprintable() for name in names) or len(set(names)) < len(names):
        raise UserError(f"tasks: got the names {shown(names)}, allowed: distinct names of printable text")
    for task in tasks:
        scale = (task.zero, task.one)
        if not all(isinstance(each, Real) and math.isfinite(each) for each in scale) or task.zero == task.one:
            raise UserError(f"tasks: {task.name} has zero and one {shown(scale)}, allowed: two different numbers")
    for name in OPTIONAL:
        if not callable(getattr(problem, name, None) or problem.init):
            raise UserError(f"{name} of the meta-problem: got {shown(getattr(problem, name))}, allowed: a method")
    return env_steps


def _is_real(array: Any) -> bool:
    return bool(np.issubdtype(array.dtype, np.number) or array.dtype == bool) and not jnp.iscomplexobj(array)


def check_evaluation(evaluation: Any, problem: MetaProblem, num_evaluations: int) -> None:
    """Reject a meta-problem whose `evaluate` does not return a valid `Evaluation`, before it is compiled.

    Raises:
        UserError: if the fitness is not one number per task, or a metric is not a number.
    """
    if not isinstance(evaluation, Evaluation):
        raise UserError(f"evaluate of the meta-problem: got {type(evaluation).__name__}, allowed: an Evaluation")
    shape, num_tasks = tuple(getattr(evaluation.fitness, "shape", ())), len(problem.tasks)
    if shape != (num_evaluations, num_tasks) or not _is_real(evaluation.fitness):
        raise UserError(
            f"fitness of the meta-problem: got {evaluation.fitness.dtype} of shape {shape[1:]} for each evaluation, "
            f"allowed: ({num_tasks},), one real number for each of its tasks"
        )
    if not isinstance(evaluation.metrics, dict):
        raise UserError(f"metrics of the meta-problem: got {shown(evaluation.metrics)}, allowed: a dict")
    for name in getattr(problem, "over_all", {}).values():
        if name not in evaluation.metrics:
            raise UserError(f"over_all of the meta-problem: got {shown(name)}, allowed: a name of its metrics")
    for name, metric in evaluation.metrics.items():
        shape = tuple(getattr(metric, "shape", ()))
        if not (isinstance(name, str) and name.isprintable() and shape == (num_evaluations,) and _is_real(metric)):
            raise UserError(
                f"metrics of the meta-problem: got {shown(name)} of shape {shape[1:]} for each evaluation, allowed: "
                "real scalars by name"
            )


def member_evaluation(problem: MetaProblem) -> tuple[Callable[..., Evaluation], int]:
    """Return the function that evaluates one member, and the number of its leading arguments shared by all members.

    In self-play the shared arguments are the search centre and the generation; else there are none.
    """
    against = getattr(problem, "evaluate_against", None)
    if against is None:
        return problem.evaluate, 0

    def evaluate(centre: MetaParams, generation: Array, key: Key, meta_params: MetaParams) -> Evaluation:
        result: Evaluation = against(key, meta_params, centre, generation)
        return result

    return evaluate, 2
