"""What a meta-problem promises the outer loop, checked before anything is compiled. Axes: K tasks, L evaluations."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array

from metadisco.errors import UserError, shown
from metadisco.types import Evaluation, Key, MetaParams, MetaProblem, TaskLike


def check_problem(problem: MetaProblem) -> int:
    """Return the environment steps of one evaluation, after seeing that a problem says what the protocol demands.

    Raises:
        UserError: for tasks or steps that are not there, or are no such thing.
    """
    tasks, env_steps = (getattr(problem, name, None) for name in ("tasks", "env_steps"))
    if not isinstance(env_steps, int) or isinstance(env_steps, bool) or env_steps < 0:
        raise UserError(f"env_steps of the meta-problem: got {shown(env_steps)}, allowed: a whole number from 0 on")
    if not isinstance(tasks, Sequence) or not tasks or not all(isinstance(task, TaskLike) for task in tasks):
        raise UserError(f"tasks of the meta-problem: got {shown(tasks)}, allowed: a TaskInfo for each task")
    if len({task.name for task in tasks}) < len(tasks):
        raise UserError(f"tasks: got the names {[task.name for task in tasks]}, allowed: names that differ")
    for task in tasks:
        if task.zero == task.one:
            raise UserError(f"tasks: {task.name} has {task.zero} for 0 and for 1, allowed: two numbers that differ")
    return env_steps


def check_evaluation(evaluation: Any, problem: MetaProblem, num_lives: int) -> None:
    """Refuse a meta-problem whose evaluation is not what the protocol says, before it is compiled.

    Raises:
        UserError: for a fitness that is not a number for each task, or a metric that is no number.
    """
    if not isinstance(evaluation, Evaluation):
        raise UserError(f"evaluate of the meta-problem: got {type(evaluation).__name__}, allowed: an Evaluation")
    shape, num_tasks = tuple(getattr(evaluation.fitness, "shape", ())), len(problem.tasks)
    if shape != (num_lives, num_tasks):
        raise UserError(
            f"fitness of the meta-problem: got shape {shape[1:]} for each evaluation, allowed: ({num_tasks},), "
            "one number for each of its tasks"
        )
    for name, metric in evaluation.metrics.items():
        shape = tuple(getattr(metric, "shape", ()))
        if not isinstance(name, str) or shape != (num_lives,) or jnp.iscomplexobj(metric):
            raise UserError(
                f"metrics of the meta-problem: got {shown(name)} of shape {shape[1:]} for each evaluation, allowed: "
                "real scalars by name"
            )


def judging(problem: MetaProblem) -> tuple[Callable[..., Evaluation], int]:
    """Return the function that judges one member, and how many arguments before its key are the same for all.

    In self-play these are the centre and the generation.
    """
    against = getattr(problem, "evaluate_against", None)
    if against is None:
        return problem.evaluate, 0

    def judge(centre: MetaParams, generation: Array, key: Key, meta_params: MetaParams) -> Evaluation:
        result: Evaluation = against(key, meta_params, centre, generation)
        return result

    return judge, 2
