"""`metadisco train`: many agents at once with one objective, over seeds and a grid of settings."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metadisco._version import __version__
from metadisco.commands.announce import announce
from metadisco.commands.display import Display
from metadisco.config import Config, check_num_seeds, parse_override, to_plain
from metadisco.config.grid import Point, config_at, expand, one_environment, split_objective
from metadisco.discoveries.sources import Source, find_source
from metadisco.errors import MachineError, UserError
from metadisco.evaluation.settings import found_with, settings_named
from metadisco.storage.files import nulls
from metadisco.storage.outputs import check_apart, check_file, write_all, write_output
from metadisco.storage.package import AGENTS, check_package
from metadisco.storage.rows import format_number

if TYPE_CHECKING:
    from rich.table import Table

    from metadisco.evaluation.lives import Lives
    from metadisco.inner.policy import Policy


class Trained(NamedTuple):
    """One point of the grid, trained on all seeds."""

    point: Point
    config: Config
    lives: "Lives"
    policies: "Policy"
    """At the end; its arrays have a leading axis of seeds."""


def train(
    objective: str,
    env: str | None,
    num_seeds: int,
    config_name: str | None,
    words: Sequence[str],
    output: Path | None,
    save: Path | None,
    force: bool,
    quiet: bool,
) -> int:
    """Train `num_seeds` agents per grid point; print a table, write JSON; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
        MachineError: for what could not be written where it was to be; all else was written.
    """
    overrides = [parse_override(word) for word in words]
    settings = settings_named(config_name)
    base = one_environment(settings.base, _env_named(env, dict(overrides).get("inner.env")))
    check_num_seeds(num_seeds)
    points = expand(overrides)
    if output is not None:
        _check_inputs_stay(output, objective, config_name)
    _check_outputs(output, save, force, points)
    configs = [_config_of(point, base, objective) for point in points]
    source = find_source(objective, split_objective(points[0].overrides)[0])
    with Display(quiet) as display:
        announced = partial(announce, display, settings.origin, [source], configs, dict(overrides))
        trained = _train_points(objective, points, configs, num_seeds, display, announced)
    writes: list[Callable[[], None]] = []
    if output is not None:
        result = _as_json(source, settings.origin, trained, num_seeds)
        writes.append(partial(write_output, output, json.dumps(result, allow_nan=False) + "\n", force))
    if save is not None:
        writes.append(partial(_save, save, objective, trained[0], force))
    troubles = write_all(writes)
    if not quiet:
        _print_table(objective, trained)
    if troubles:
        raise MachineError("; ".join(troubles))
    return 0


def _env_named(env: str | None, given: Any) -> str | None:
    """Return the environment that --env or inner.env names, if one does."""
    if env is not None and given is not None:
        raise UserError(f"--env: got {env!r} beside inner.env={given}, allowed: one of the two")
    return given if isinstance(given, str) else env


def _check_inputs_stay(output: Path, objective: str, config_name: str | None) -> None:
    """Refuse to write over a file that is read."""
    for option, name in (
        ("--config", config_name),
        ("--objective", objective),
        ("--objective", objective.partition("@")[0]),
    ):
        if name and os.path.isfile(name):
            check_apart(output, "--output", Path(name), option)


def _check_outputs(output: Path | None, save: Path | None, force: bool, points: Sequence[Point]) -> None:
    """Refuse outputs that could not be written once all is trained."""
    if output is not None:
        check_file(output, "--output", force)
    if save is None:
        return
    if output is not None:
        check_apart(output, "--output", save, "--save")
    check_package(save, AGENTS, "--save", force)
    if len(points) > 1:
        raise UserError(f"--save: got a grid of {len(points)} settings, allowed: one setting")


def _config_of(point: Point, base: Mapping[str, Any], objective: str) -> Config:
    """Return the settings of a point, after seeing that its objective takes its constants."""
    settings, rest = split_objective(point.overrides)
    find_source(objective, settings)
    config = config_at(base, rest)
    if config.inner.envs:
        raise UserError("inner.envs: metadisco train takes one environment, as --env or inner.env")
    return config


def _save(path: Path, objective: str, trained: Trained, force: bool) -> None:
    from metadisco.discoveries.agents import save_agents
    from metadisco.inner import envs

    (task,) = trained.config.inner.tasks
    env = envs.make(task.env, **task.env_settings)
    save_agents(path, env, trained.config, objective, trained.lives.final_return, trained.policies, force)


def _train_points(
    objective: str,
    points: Sequence[Point],
    configs: Sequence[Config],
    num_seeds: int,
    display: Display,
    announced: Callable[[], None],
) -> list[Trained]:
    """Train all points; those that differ in traced settings alone share one compiled program."""
    from metadisco.outer.devices import start_jax

    start_jax(configs[0].outer.num_devices, configs[0].deterministic)

    from metadisco.discoveries.load import load_objective
    from metadisco.evaluation.lives import TRAINING, train_agents, untraced
    from metadisco.problems import make_task

    trained: dict[int, Trained] = {}
    groups: dict[Any, list[int]] = {}
    for index, (point, config) in enumerate(zip(points, configs, strict=True)):
        constants, _ = split_objective(point.overrides)
        groups.setdefault((repr(untraced(config)), repr(constants)), []).append(index)
    ready = []
    for indices in groups.values():  # all of them first: a wrong name must not cost the others
        constants, _ = split_objective(points[indices[0]].overrides)
        config = configs[indices[0]]
        (task,) = config.inner.tasks
        ready.append((load_objective(objective, **constants), make_task(task.env, task.env_settings, task.ppo).env))
    announced()
    for number, (indices, (loaded, env)) in enumerate(zip(groups.values(), ready, strict=True)):
        display.say(f"program {number + 1} of {len(groups)}: {len(indices)} settings × {num_seeds} seeds")
        results = train_agents(loaded, env, [configs[i] for i in indices], num_seeds, TRAINING)
        for index, (lives, policies) in zip(indices, results, strict=True):
            trained[index] = Trained(points[index], configs[index], lives, policies)
    return [trained[index] for index in range(len(points))]


def _as_json(source: Source, origin: str | None, trained: Sequence[Trained], num_seeds: int) -> dict[str, Any]:
    first = trained[0]
    head = {
        "metadisco": __version__,
        "objective": source.name,
        "env": first.config.inner.env,
        "seed": first.config.seed,
        "seeds": list(range(num_seeds)),
        "config": origin,
    }
    if not first.point.settings:
        return head | {"settings": first.point.overrides} | _result(first, source)
    return head | {"grid": [{"settings": each.point.settings} | _result(each, source) for each in trained]}


def _result(each: Trained, source: Source) -> dict[str, Any]:
    return {
        "inner": to_plain(each.config)["inner"],
        "found_with": found_with(source, each.config),
        "final_return": nulls(each.lives.final_return),
        "area_under_curve": nulls(each.lives.area_under_curve),
        "env_steps": each.config.inner.ppo.env_steps_of_updates,
        "curve": nulls(each.lives.curve),
        "curve_filled": nulls(each.lives.filled),
        "gaps": nulls(each.lives.gaps),
    }


def _print_table(objective: str, trained: Sequence[Trained]) -> None:
    """Print returns: of each seed, or for a grid of each point, best first."""
    from rich.console import Console
    from rich.table import Table

    first = trained[0]
    title = f"{objective} on {first.config.inner.env}, {len(first.lives.final_return)} seeds"
    table = Table(title=title, title_justify="left")
    if first.point.settings:
        _grid_rows(table, trained)
    else:
        _seed_rows(table, first.lives)
    Console(highlight=False).print(table)


def _seed_rows(table: "Table", lives: "Lives") -> None:
    for name in ("seed", "final return", "area under curve", "gaps"):
        table.add_column(name, justify="right")
    for seed, (*scores, gaps) in enumerate(zip(lives.final_return, lives.area_under_curve, lives.gaps, strict=True)):
        table.add_row(str(seed), *map(_shown, scores), f"{gaps:.0%}")
    table.add_section()
    means = map(_mean, (lives.final_return, lives.area_under_curve))
    table.add_row("mean", *map(_shown, means), f"{lives.gaps.mean():.0%}")


def _grid_rows(table: "Table", trained: Sequence[Trained]) -> None:
    for name in trained[0].point.settings:
        table.add_column(name.removeprefix("inner.ppo."), justify="right")
    for name in ("final return", "± std over seeds", "area under curve", "gaps", "failed"):
        table.add_column(name, justify="right")
    for each in sorted(trained, key=lambda each: -np.nan_to_num(_mean(each.lives.final_return), nan=-np.inf)):
        final = each.lives.final_return[np.isfinite(each.lives.final_return)]
        spread = float(final.std()) if final.size else math.nan
        numbers = (_mean(final), spread, _mean(each.lives.area_under_curve))
        gaps, failed = f"{each.lives.gaps.mean():.0%}", len(each.lives.final_return) - final.size
        table.add_row(*map(str, each.point.settings.values()), *map(_shown, numbers), gaps, str(failed))


def _mean(values: np.ndarray) -> float:
    """Return the mean of the finite values, NaN where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else math.nan


def _shown(value: float) -> str:
    return "-" if math.isnan(value) else format_number(value)
