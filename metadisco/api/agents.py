"""Agents trained with any objective, from Python."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metadisco.api.inputs import Overrides, overrides_of, path_of
from metadisco.api.written import Made
from metadisco.config import Config, check_num_seeds
from metadisco.config.code.own_code import forget_edited
from metadisco.config.grid import Point, config_at, expand, one_environment, split_objective
from metadisco.discoveries.sources import find_source
from metadisco.errors import UserError
from metadisco.evaluation.announce import announce
from metadisco.evaluation.settings import settings_named
from metadisco.evolution.display import Display
from metadisco.storage.files import Name, text_of
from metadisco.storage.outputs import check_apart, check_file, write_all, write_output
from metadisco.storage.package import AGENTS, check_package

if TYPE_CHECKING:
    from metadisco.evaluation.training import Trained

FIGURES = (".png", ".svg", ".pdf")


def train_agents(
    objective: Name,
    env: str | None = None,
    num_seeds: int = 1,
    *,
    config: Name | None = None,
    overrides: Overrides = None,
    output: Name | None = None,
    save: Name | None = None,
    force: bool = False,
    progress: bool = True,
) -> "list[Trained]":
    """Train agents with one objective, with the numbers of `metadisco train`.

    Args:
        objective: a closed form, a published discovery, or the path of a run, artefact or distilled forms.
        env: suite/name, such as "gymnax/CartPole-v1"; that of the settings if left out.
        num_seeds: agents per setting, S.
        config: a YAML file, or the name or path of a discovery, for the settings it was found with; CleanRL's settings
            for CartPole if left out.
        overrides: settings by dotted key, and constants as `objective.clip_eps`; a list where one value is meant is a
            grid.
        output: a JSON file for curves and returns; none if left out.
        save: a folder or zip file for the trained agents, of one setting; they are not kept if left out.
        force: overwrite existing files at output and save.
        progress: show settings and progress, on stderr.

    Returns:
        For each setting of the grid (a single one if no override is a list) `point` (its overrides), `config`,
        `lifetimes` (`final_return` [S], `curve` [S, U], with U updates: undiscounted returns) and `policies`.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
        MachineError: if an output could not be written; all others were written.

    Example:
        (trained,) = metadisco.train_agents("ppo", num_seeds=4, config="runs/first", save="agents")
        trained.lifetimes.final_return.mean()
    """
    forget_edited()
    path, agents = path_of(output), path_of(save)
    name = text_of(config, "config") if config is not None else None
    made = train_and_write(
        text_of(objective, "objective"), env, num_seeds, name, overrides, path, agents, force, progress
    )
    return made.checked()


def train_and_write(
    objective: str,
    env: str | None,
    num_seeds: int,
    config_name: str | None,
    given: Overrides,
    output: Path | None,
    save: Path | None,
    force: bool,
    progress: bool,
    figure: Path | None = None,
) -> "Made[list[Trained]]":
    """Train agents as `train_agents` does; a failed write does not affect the other outputs."""
    overrides = overrides_of(given)
    settings = settings_named(config_name)
    base = one_environment(settings.base, _env_named(env, overrides.get("inner.env")))
    check_num_seeds(num_seeds)
    points = expand(list(overrides.items()))
    if output is not None:
        _check_inputs_stay(output, objective, config_name)
    _check_outputs(output, save, force, points)
    if figure is not None:
        _check_figure(figure, force, points, {"output": output, "save": save})
    configs = [_config_of(point, base, objective) for point in points]
    source = find_source(objective, split_objective(points[0].overrides)[0])

    from metadisco.evaluation.training import as_json, save_trained, train_points

    with Display(not progress) as display:
        announced = partial(announce, display.say, settings.origin, [source], configs, overrides)
        trained = train_points(
            objective, points, configs, num_seeds, announced=announced, progress=display.counting("training")
        )
    writes: list[Callable[[], None]] = []
    if output is not None:
        result = json.dumps(as_json(source, settings.origin, trained), allow_nan=False) + "\n"
        writes.append(partial(write_output, output, result, force))
    if save is not None:
        writes.append(partial(save_trained, save, objective, trained[0], force))
    if figure is not None:
        writes.append(partial(_draw, figure, objective, trained, force))
    return Made(trained, write_all(writes))


def _env_named(env: str | None, given: Any) -> str | None:
    """Return the environment that `env` or inner.env names, if one does."""
    if env is not None and given is not None:
        raise UserError(f"env: got {env!r} beside inner.env={given}, allowed: one of the two")
    return given if isinstance(given, str) else env


def _check_inputs_stay(output: Path, objective: str, config_name: str | None) -> None:
    """Refuse to write over a file that is read."""
    for option, name in (
        ("config", config_name),
        ("objective", objective),
        ("objective", objective.partition("@")[0]),
    ):
        if name and os.path.isfile(name):
            check_apart(output, "output", Path(name), f"`{option}`")


def _check_outputs(output: Path | None, save: Path | None, force: bool, points: Sequence[Point]) -> None:
    """Refuse, before training, outputs that could not be written."""
    if output is not None:
        check_file(output, "output", force)
    if save is None:
        return
    if output is not None:
        check_apart(output, "output", save, "`save`")
    check_package(save, AGENTS, "save", force)
    if len(points) > 1:
        raise UserError(f"save: got a grid of {len(points)} settings, allowed: one setting")


def _config_of(point: Point, base: Mapping[str, Any], objective: str) -> Config:
    """Return the settings of a point, after checking that its objective accepts its constants."""
    settings, rest = split_objective(point.overrides)
    find_source(objective, settings)
    config = config_at(base, rest)
    if config.inner.envs:
        raise UserError("inner.envs: one environment is trained in, as `env` or inner.env")
    return config


def _check_figure(figure: Path, force: bool, points: Sequence[Point], others: Mapping[str, Path | None]) -> None:
    """Refuse, before training, a figure that could not be drawn or written."""
    if figure.suffix not in FIGURES:
        raise UserError(f"figure: got {str(figure)!r}, allowed: a name that ends in {', '.join(FIGURES)}")
    keys = [key for key in points[0].settings if len({str(point.settings[key]) for point in points}) > 1]
    if len(keys) != 2:
        raise UserError(f"figure: got {len(keys)} settings with several values, allowed: 2")
    check_file(figure, "figure", force)
    for option, other in others.items():
        if other is not None:
            check_apart(figure, "figure", other, f"`{option}`")


def _draw(figure: Path, objective: str, trained: "Sequence[Trained]", force: bool) -> None:
    """Draw the grid."""
    from metadisco.plotting.grid import grid_figure
    from metadisco.plotting.style import encoded

    grid = [{"settings": each.point.settings, "final_return": each.lifetimes.final_return} for each in trained]
    title = title_of(objective, trained)
    write_output(figure, encoded(grid_figure(grid, title=title), figure.suffix), force)


def title_of(objective: str, trained: "Sequence[Trained]") -> str:
    """Return a title with the objective, the environment and the number of seeds."""
    return f"{objective} on {trained[0].config.inner.env}, {len(trained[0].lifetimes.final_return)} seeds"
