"""Agents trained with one objective, over seeds and a grid of settings. Axes: S seeds."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from metadisco._version import __version__
from metadisco.config import Config, to_plain
from metadisco.config.grid import Point, split_objective
from metadisco.discoveries.agents import save_agents
from metadisco.discoveries.environments import make as make_env
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.sources import Source
from metadisco.evaluation.evaluate import Progress
from metadisco.evaluation.lifetimes import TRAINING, Lifetimes, train_agents
from metadisco.evaluation.programs import by_program
from metadisco.evaluation.results import lifetimes_as_json
from metadisco.evaluation.settings import found_with
from metadisco.inner.policy import Policy
from metadisco.outer.devices import start_jax
from metadisco.problems import make_task


class Trained(NamedTuple):
    """One point of the grid, trained on all seeds."""

    point: Point
    config: Config
    lifetimes: Lifetimes
    policies: Policy
    """Final policies; arrays have a leading axis S."""


def train_points(
    objective: str,
    points: Sequence[Point],
    configs: Sequence[Config],
    num_seeds: int,
    *,
    announced: Callable[[], None] = lambda: None,
    progress: Progress = lambda done, total, last: None,
) -> list[Trained]:
    """Train agents at all points of a grid; points that differ only in traced settings share one compiled program.

    Args:
        objective: name of the objective; points may set its constants.
        points: of the grid.
        configs: settings of each point, with one environment.
        num_seeds: S, the same seeds at all points.
        announced: called once the objective and all environments are loaded.
        progress: called with the number of finished programs, before the first one and after each.

    Raises:
        UserError: if the objective or an environment cannot be used; nothing is trained then.
    """
    start_jax(configs[0].outer.num_devices, configs[0].deterministic)
    constants = [split_objective(point.overrides)[0] for point in points]
    groups = by_program(configs, constants)
    ready = []
    for first, *_ in groups:  # before any training, so that a wrong name costs nothing
        (task,) = configs[first].inner.tasks
        loaded = load_objective(objective, **constants[first])
        ready.append((loaded, make_task(task.env, task.env_settings, task.ppo).env))
    announced()
    trained: dict[int, Trained] = {}
    progress(0, len(groups), _size(groups[0], num_seeds))
    for number, (indices, (loaded, env)) in enumerate(zip(groups, ready, strict=True)):
        results = train_agents(loaded, env, [configs[index] for index in indices], num_seeds, TRAINING)
        for index, (lifetimes, policies) in zip(indices, results, strict=True):
            trained[index] = Trained(points[index], configs[index], lifetimes, policies)
        progress(number + 1, len(groups), _size(indices, num_seeds))
    return [trained[index] for index in range(len(points))]


def _size(indices: Sequence[int], num_seeds: int) -> str:
    """Return the size of a program in words."""
    settings = f"{len(indices)} settings × " if len(indices) > 1 else ""
    return f"{settings}{num_seeds} agent{'' if num_seeds == 1 else 's'}"


def save_trained(path: Path, objective: str, trained: Trained, force: bool) -> None:
    """Write the agents of a point as a package."""
    (task,) = trained.config.inner.tasks
    env = make_env(task.env, **task.env_settings)
    save_agents(path, env, trained.config, objective, trained.lifetimes.final_return, trained.policies, force)


def as_json(source: Source, origin: str | None, trained: Sequence[Trained]) -> dict[str, Any]:
    """Return the results as plain data.

    Args:
        source: the objective.
        origin: of the settings, as in `Settings`.
        trained: all points.
    """
    first = trained[0]
    head = {
        "metadisco": __version__,
        "objective": source.name,
        "env": first.config.inner.env,
        "seed": first.config.seed,
        "seeds": list(range(len(first.lifetimes.final_return))),
        "config": origin,
    }
    if not first.point.settings:
        return head | {"settings": first.point.overrides} | _result(first, source)
    return head | {"grid": [{"settings": each.point.settings} | _result(each, source) for each in trained]}


def _result(each: Trained, source: Source) -> dict[str, Any]:
    return {
        "inner": to_plain(each.config)["inner"],
        "found_with": found_with(source, each.config),
        **lifetimes_as_json(each.lifetimes, each.config.inner.ppo.env_steps_of_updates),
    }
