"""`metadisco train`: many agents at once with one objective, over seeds and a grid of settings."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metadisco.commands.display import Display
from metadisco.commands.tables import print_table, shown
from metadisco.config import Config, check_num_seeds, parse_override
from metadisco.config.grid import Point, config_at, expand, one_environment, split_objective
from metadisco.discoveries.sources import find_source
from metadisco.errors import MachineError, UserError
from metadisco.evaluation.announce import announce
from metadisco.evaluation.settings import settings_named
from metadisco.storage.outputs import check_apart, check_file, write_all, write_output
from metadisco.storage.package import AGENTS, check_package

if TYPE_CHECKING:
    from metadisco.evaluation.lives import Lives
    from metadisco.evaluation.training import Trained

FIGURES = (".png", ".svg", ".pdf")
SEEDS = ("seed", "final return", "area under curve", "gaps")
POINTS = ("final return", "± std over seeds", "area under curve", "gaps", "failed")


def train(
    objective: str,
    env: str | None,
    num_seeds: int,
    config_name: str | None,
    words: Sequence[str],
    output: Path | None,
    save: Path | None,
    figure: Path | None,
    force: bool,
    quiet: bool,
) -> int:
    """Train `num_seeds` agents per grid point; print a table, write JSON and figure; return the exit code.

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
    if figure is not None:
        _check_figure(figure, force, points, {"--output": output, "--save": save})
    configs = [_config_of(point, base, objective) for point in points]
    source = find_source(objective, split_objective(points[0].overrides)[0])

    from metadisco.evaluation.training import as_json, save_trained, train_points

    with Display(quiet) as display:
        announced = partial(announce, display.say, settings.origin, [source], configs, dict(overrides))
        trained = train_points(objective, points, configs, num_seeds, say=display.say, announced=announced)
    writes: list[Callable[[], None]] = []
    if output is not None:
        result = json.dumps(as_json(source, settings.origin, trained), allow_nan=False) + "\n"
        writes.append(partial(write_output, output, result, force))
    if save is not None:
        writes.append(partial(save_trained, save, objective, trained[0], force))
    if figure is not None:
        writes.append(lambda: _draw(figure, objective, trained, force))
    troubles = write_all(writes)
    if not quiet:
        _print(objective, trained)
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


def _check_figure(figure: Path, force: bool, points: Sequence[Point], others: Mapping[str, Path | None]) -> None:
    """Refuse a figure that could not be drawn or written once all is trained."""
    if figure.suffix not in FIGURES:
        raise UserError(f"--figure: got {str(figure)!r}, allowed: a name that ends in {', '.join(FIGURES)}")
    keys = [key for key in points[0].settings if len({str(point.settings[key]) for point in points}) > 1]
    if len(keys) != 2:
        raise UserError(f"--figure: got {len(keys)} settings with several values, allowed: 2")
    check_file(figure, "--figure", force)
    for option, other in others.items():
        if other is not None:
            check_apart(figure, "--figure", other, option)


def _draw(figure: Path, objective: str, trained: "Sequence[Trained]", force: bool) -> None:
    """Draw the grid."""
    from metadisco.plotting.grid import grid_figure
    from metadisco.plotting.style import encoded

    grid = [{"settings": each.point.settings, "final_return": each.lives.final_return} for each in trained]
    title = _title(objective, trained)
    write_output(figure, encoded(grid_figure(grid, title=title), figure.suffix), force)


def _title(objective: str, trained: "Sequence[Trained]") -> str:
    """Say what was trained where, and on how many seeds."""
    return f"{objective} on {trained[0].config.inner.env}, {len(trained[0].lives.final_return)} seeds"


def _config_of(point: Point, base: Mapping[str, Any], objective: str) -> Config:
    """Return the settings of a point, after seeing that its objective takes its constants."""
    settings, rest = split_objective(point.overrides)
    find_source(objective, settings)
    config = config_at(base, rest)
    if config.inner.envs:
        raise UserError("inner.envs: metadisco train takes one environment, as --env or inner.env")
    return config


def _print(objective: str, trained: "Sequence[Trained]") -> None:
    """Print returns: of each seed, or for a grid of each point, best first."""
    point, _, lives, _ = trained[0]
    title = _title(objective, trained)
    if point.settings:
        names = [name.removeprefix("inner.ppo.") for name in point.settings]
        best_first = sorted(trained, key=lambda each: -np.nan_to_num(_mean(each.lives.final_return), nan=-np.inf))
        lines = [[*map(str, each.point.settings.values()), *_of_point(each.lives)] for each in best_first]
        print_table(title, [*names, *POINTS], lines)
        return
    scores = zip(lives.final_return, lives.area_under_curve, lives.gaps, strict=True)
    lines = [[str(seed), shown(final), shown(area), f"{gaps:.0%}"] for seed, (final, area, gaps) in enumerate(scores)]
    means = shown(_mean(lives.final_return)), shown(_mean(lives.area_under_curve))
    print_table(title, SEEDS, lines, last=["mean", *means, f"{lives.gaps.mean():.0%}"])


def _of_point(lives: "Lives") -> list[str]:
    """Return the entries of a point under POINTS."""
    final = lives.final_return[np.isfinite(lives.final_return)]
    numbers = (_mean(final), float(final.std()) if final.size else math.nan, _mean(lives.area_under_curve))
    return [*map(shown, numbers), f"{lives.gaps.mean():.0%}", str(len(lives.final_return) - final.size)]


def _mean(values: np.ndarray) -> float:
    """Return the mean of the finite values, NaN where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else math.nan
