"""`metadisco evaluate`: objectives compared over environments, on the same seeds."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metadisco._version import __version__
from metadisco.commands.announce import announce
from metadisco.commands.display import Display
from metadisco.config import Config, check_env_name, check_num_seeds, parse_override, to_plain
from metadisco.config.grid import config_at, one_environment, split_objective
from metadisco.discoveries.sources import Source, find_source, plain_env, short_names
from metadisco.errors import UserError
from metadisco.evaluation.settings import Settings, found_with
from metadisco.storage.files import check_writable, nulls, write_atomically

if TYPE_CHECKING:
    from metadisco.evaluation.comparison import Cell, Row


def evaluate(
    objectives: Sequence[str],
    envs: Sequence[str],
    num_seeds: int,
    output: Path,
    baseline: str | None,
    settings: Settings,
    words: Sequence[str],
    quiet: bool,
) -> int:
    """Train every objective in every environment; write and print what came out; return the exit code.

    Args:
        objectives: by name; none twice.
        envs: by full name; none twice.
        num_seeds: lives per cell.
        output: folder.
        baseline: what is compared with; the first objective where it is None.
        settings: as in a config file.
        words: settings in place of these, as KEY=VALUE.
        quiet: print nothing.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    check_num_seeds(num_seeds)
    overrides = _overrides(words)
    _check_names(objectives, envs)
    baseline = baseline or objectives[0]
    if baseline not in objectives:
        raise UserError(f"--baseline: got {baseline!r}, allowed: one of {', '.join(objectives)}")
    for env in envs:
        check_env_name(env, key="--envs")
    contenders = [find_source(name) for name in objectives]
    configs = {env: config_at(one_environment(settings.base, env), overrides) for env in envs}
    check_writable(output, "--output")
    with Display(quiet) as display:
        announced = partial(announce, display, settings.origin, contenders, list(configs.values()), overrides)
        cells, random = _train(contenders, configs, num_seeds, output, display, announced)
    from metadisco.evaluation.comparison import compare

    rows = compare(cells, baseline, random)
    result = {"metadisco": __version__, "baseline": baseline, "seeds": num_seeds, "config": settings.origin}
    _write(output, result | _as_json(contenders, configs, cells, random), cells, rows, baseline)
    if not quiet:
        _print_tables(rows, cells, baseline)
    return 0


def _overrides(words: Sequence[str]) -> dict[str, Any]:
    """Return settings by dotted key, after seeing that they may be set here."""
    constants, overrides = split_objective(dict(parse_override(word) for word in words))
    if constants:
        raise UserError(
            f"objective.{next(iter(constants))}: constants cannot be set here, where objectives are several"
        )
    for key, value in overrides.items():
        if key in ("inner.env", "inner.envs") or (isinstance(value, list) and key == "seed"):
            raise UserError(f"{key}: got {value!r}, but environments are named by --envs and seeds by --seeds")
    return overrides


def _check_names(objectives: Sequence[str], envs: Sequence[str]) -> None:
    """Refuse names that are given twice, or none."""
    for names, option in ((objectives, "--objectives"), (envs, "--envs")):
        twice = [name for name in names if list(names).count(name) > 1]
        if twice:
            raise UserError(f"{option}: got {twice[0]!r} twice, allowed: each once")
        if not names:
            raise UserError(f"{option}: got none, allowed: one or more")


def _train(
    contenders: Sequence[Source],
    configs: dict[str, Config],
    num_seeds: int,
    output: Path,
    display: Display,
    announced: Callable[[], None],
) -> tuple[list["Cell"], dict[str, float]]:
    """Train what is not kept from before; return all cells, and the return of random actions in each environment."""
    first = next(iter(configs.values()))
    from metadisco.outer.devices import start_jax

    start_jax(first.outer.num_devices, first.deterministic)

    from metadisco.discoveries.load import load_objective
    from metadisco.evaluation.comparison import Cell
    from metadisco.evaluation.lives import RANDOM, Lives, live, seed_keys, train_lives
    from metadisco.evaluation.reference import random_return
    from metadisco.problems import make_task
    from metadisco.storage.cells import CellStore

    loaded = {each.name: load_objective(each.name) for each in contenders}
    made = {name: make_task(name, config.inner.env_settings, config.inner.ppo).env for name, config in configs.items()}
    cells, random = [], {}
    announced()
    display.start(0, len(contenders) * len(configs), "cell")
    for name, config in configs.items():
        env = made[name]
        store, facts = CellStore(output / "cells", config), {"env": name, "seeds": num_seeds}
        kept = store.load(facts, ("random",))
        if kept is None:
            keys = seed_keys(config.seed, num_seeds, RANDOM)
            kept = {"random": np.asarray(live(lambda key, env=env: random_return(key, env), config.outer, keys))}
            store.keep(facts, kept)
        random[name] = float(kept["random"].mean())
        for each in contenders:
            kept = store.load(facts | {"objective": each.identity}, Lives._fields)
            if kept is None:
                (lives,) = train_lives(loaded[each.name], env, [config], num_seeds)
                store.keep(facts | {"objective": each.identity}, lives._asdict())
            else:
                lives = Lives(**kept)
            held_out = None if each.trained_on is None else plain_env(name) not in each.trained_on
            cells.append(Cell(each.name, name, held_out, lives, config.inner.ppo.env_steps_of_updates))
            display.advance(len(cells), f"{each.name} on {name}{' (kept from before)' if kept else ''}")
    return cells, random


def _as_json(
    contenders: Sequence[Source], configs: Mapping[str, Config], cells: Sequence["Cell"], random: Mapping[str, float]
) -> dict[str, Any]:
    """Return environments and cells as plain data."""
    sources = {each.name: each for each in contenders}
    return {
        "objectives": {name: source.sha256 for name, source in sources.items()},
        "envs": {
            name: {"random": random[name], "inner": to_plain(config)["inner"]} for name, config in configs.items()
        },
        "cells": [
            {
                "objective": cell.objective,
                "env": cell.env,
                "held_out": cell.held_out,
                "found_with": found_with(sources[cell.objective], configs[cell.env]),
                "final_return": nulls(cell.lives.final_return),
                "area_under_curve": nulls(cell.lives.area_under_curve),
                "env_steps": list(cell.env_steps),
                "curve": nulls(cell.lives.curve),
                "curve_filled": nulls(cell.lives.filled),
                "gaps": nulls(cell.lives.gaps),
            }
            for cell in cells
        ],
    }


def _write(
    output: Path, result: Mapping[str, Any], cells: Sequence["Cell"], rows: Sequence["Row"], baseline: str
) -> None:
    """Write what came out, as JSON and tables, and draw it."""
    from metadisco.evaluation.comparison import as_json, marl_eval
    from metadisco.evaluation.tables import markdown
    from metadisco.plotting import learning_curves_figure, save

    result = {**result, "rows": as_json(rows)}
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / "results.json", json.dumps(result, allow_nan=False) + "\n")
    write_atomically(output / "marl_eval.json", json.dumps(marl_eval(cells), allow_nan=False) + "\n")
    write_atomically(output / "table.md", markdown(rows, _held_out(cells), baseline))
    short = short_names(cell.objective for cell in cells)
    for env in result["envs"]:
        curves = {short[cell.objective]: (cell.env_steps, cell.lives.filled) for cell in cells if cell.env == env}
        figure = learning_curves_figure(curves, title=f"{env}, {result['seeds']} seeds")
        save(figure, output / "figures" / figure_name(env))


def figure_name(env: str) -> str:
    """Return what the figure of an environment is called, without suffix."""
    return re.sub("[^A-Za-z0-9-]+", "_", env)


def _held_out(cells: Sequence["Cell"]) -> dict[tuple[str, str], bool | None]:
    return {(cell.objective, cell.env): cell.held_out for cell in cells}


def _print_tables(rows: Sequence["Row"], cells: Sequence["Cell"], baseline: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from metadisco.evaluation.tables import tables

    console = Console(highlight=False, markup=False)
    for title, headings, lines in tables(rows, _held_out(cells), baseline):
        table: Table = Table(title=title, title_justify="left")
        for number, heading in enumerate(headings):
            table.add_column(heading, justify="right" if number else "left")
        for line in lines:
            table.add_row(*line)
        console.print(table)
