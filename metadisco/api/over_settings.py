"""Objectives judged over PPO settings, from Python."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metadisco.api.comparing import check_names, checked_settings
from metadisco.api.inputs import Overrides, plain, settings_of, texts_of
from metadisco.config import check_env_name, check_num_seeds, read_yaml
from metadisco.config.code.own_code import forget_edited
from metadisco.config.settings_grid import settings_grid
from metadisco.discoveries.sources import find_source
from metadisco.errors import UserError
from metadisco.evaluation.settings import settings_named
from metadisco.evolution.display import Display
from metadisco.storage.files import Name, check_writable, text_of

if TYPE_CHECKING:
    from metadisco.evaluation.over_settings import SettingsComparison

PPO = "ppo"


def evaluate_settings(
    objectives: Name | Sequence[Name],
    envs: str | Sequence[str],
    settings: Name | Mapping[str, Any],
    num_seeds: int = 16,
    *,
    baseline: Name | None = None,
    config: Name | None = None,
    overrides: Overrides = None,
    output: Name | None = None,
    progress: bool = True,
) -> "SettingsComparison":
    """Judge objectives over settings of PPO, environments and lifetimes, as `metadisco evaluate --settings` does.

    Args:
        objectives: names as for `train_agents`; none twice.
        envs: suite/name of each; none twice.
        settings: a YAML file, or a mapping like it. Its sections are `settings`, a list of points: `cleanrl`,
            `purejaxrl` and `sb3` by name, others by a `name`, their keys and, perhaps, `from` one of these names, or a
            `grid` of lists by key; `lifetimes` in environment steps; `envs`, settings of an environment at every point;
            `scale`, where it is not to be measured; and `control`, factors of the learning rate.
        num_seeds: agents per objective, environment, setting and lifetime; at least 4.
        baseline: the objective that others are compared with; PPO if left out. It is trained in any case.
        config: a YAML file, or the name or path of a discovery, for settings that the points leave open; CleanRL's for
            CartPole if left out.
        overrides: settings of all trainings by dotted key.
        output: a folder for results, tables, figures and finished trainings. Repeat the call to resume. Nothing
            is kept if left out.
        progress: show what is trained and how far it is, on stderr.

    Returns:
        A `SettingsComparison`: `summary()` (numbers of cells that are worse, level and better, and normalised
        differences over cells) and `rows()` (cell by cell) are pandas DataFrames; returns are undiscounted.

    Raises:
        UserError: for input that cannot be used; nothing was trained then.

    Example:
        grid = {"settings": ["cleanrl", "sb3"], "lifetimes": [32_768]}
        found = metadisco.evaluate_settings(["dpo", "runs/first"], "gymnax/CartPole-v1", grid)
        found.summary()[["objective", "score", "num_cells", "worse", "better"]]
    """
    forget_edited()
    base = settings_named(None if config is None else text_of(config, "config"))
    grid = settings_grid(plain(settings) if isinstance(settings, Mapping) else _read(settings))
    names, places = texts_of(objectives, "objectives"), texts_of(envs, "envs")
    check_num_seeds(num_seeds)
    given = checked_settings(settings_of(overrides, ", where objectives are several"))
    check_names({"objectives": names, "envs": places})
    compared = PPO if baseline is None else text_of(baseline, "baseline")
    for env in places:
        check_env_name(env, key="envs")
    sources = [find_source(name) for name in [compared, *(name for name in names if name != compared)]]
    if output is not None:
        check_writable(Path(output), "output")

    from metadisco.evaluation.over_settings import evaluate_over
    from metadisco.evaluation.settings_comparison import MIN_SEEDS
    from metadisco.evaluation.settings_results import write_settings_results

    if num_seeds < MIN_SEEDS:
        raise UserError(f"num_seeds: got {num_seeds}, allowed beside `settings`: at least {MIN_SEEDS}")
    if len(sources) == 1 and not grid.control:
        raise UserError(f"objectives: got only the baseline {compared}, allowed: another one, or a control")
    with Display(not progress) as display, tempfile.TemporaryDirectory() as nowhere:
        kept, counting = Path(nowhere if output is None else output), display.counting("cell")
        announced = _announcing(display.say, num_seeds)
        found = evaluate_over(
            sources, places, grid, base.base, given, num_seeds, kept, announced=announced, progress=counting
        )
    if output is not None:
        from metadisco.plotting.over_settings import draw_settings

        write_settings_results(found, Path(output), base.origin)
        draw_settings(found, Path(output))
    return found


def _read(file: Name) -> dict[str, Any]:
    path = Path(text_of(file, "settings"))
    try:
        return read_yaml(path)
    except UserError as error:
        raise UserError(f"settings: {error}") from error


def _announcing(say: Callable[[str], None], num_seeds: int) -> Callable[[Sequence[Any], int], None]:
    """Return a function that says what is trained, given the places and the number of cells in each."""

    def announced(places: Sequence[Any], number: int) -> None:
        distinct = [place.config.inner.ppo.executed_env_steps for place in places if place.same_as is None]
        steps = sum(distinct) * number * num_seeds
        say(f"{len(distinct)} places × {number} cells × {num_seeds} seeds: at most {steps:.3g} environment steps")
        for place in places:
            if place.same_as is not None:
                say(f"{place.setting} on {place.env}: the same as {place.same_as}, and counted once")

    return announced
