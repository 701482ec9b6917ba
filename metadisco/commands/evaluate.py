"""`metadisco evaluate`: objectives compared over environments, on the same seeds."""

import hashlib
import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metadisco._version import __version__
from metadisco.commands.grid import config_at, one_environment, split_objective
from metadisco.config import (
    OBJECTIVE_SETTINGS,
    Config,
    build_settings,
    check_env_name,
    check_num_seeds,
    parse_override,
    read_yaml,
    to_plain,
)
from metadisco.display import Display, format_number
from metadisco.errors import UserError
from metadisco.runs import RunDirectory, find_run, write_atomically

if TYPE_CHECKING:
    from metadisco.evaluation.comparison import Cell, Row

HEADINGS = ("objective", "mean", "IQM (95 %)", "minus {baseline} (95 %)", "P(> {baseline})", "failed")
SCORE_TITLES = {"final_return": "final return", "area_under_curve": "return averaged over the life"}


class Contender(NamedTuple):
    """An objective as it was named, with what is known before it is loaded."""

    name: str
    identity: Any
    """Whatever its losses depend on, as plain data."""
    trained_on: frozenset[str] | None
    """Environments of its meta-training; None for a closed form."""


def evaluate(
    objectives: Sequence[str],
    envs: Sequence[str],
    num_seeds: int,
    output: Path,
    baseline: str | None,
    config_path: Path | None,
    words: Sequence[str],
    quiet: bool,
) -> int:
    """Train every objective in every environment; write and print what came out; return the exit code.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    check_num_seeds(num_seeds)
    settings, overrides = split_objective(dict(parse_override(word) for word in words))
    if settings:
        raise UserError(f"objective.{next(iter(settings))}: constants cannot be set here, where objectives are several")
    for key, value in overrides.items():
        if key in ("inner.env", "inner.envs") or (isinstance(value, list) and key == "seed"):
            raise UserError(f"{key}: got {value!r}, but environments are named by --envs and seeds by --seeds")
    for names, option in ((objectives, "--objectives"), (envs, "--envs")):
        twice = [name for name in names if list(names).count(name) > 1]
        if twice:
            raise UserError(f"{option}: got {twice[0]!r} twice, allowed: each once")
    baseline = baseline or objectives[0]
    if baseline not in objectives:
        raise UserError(f"--baseline: got {baseline!r}, allowed: one of {', '.join(objectives)}")
    for env in envs:
        check_env_name(env, key="--envs")
    contenders = [_contender(name) for name in objectives]
    base = read_yaml(config_path) if config_path else {}
    configs = {env: config_at(one_environment(base, env), overrides) for env in envs}
    _check_output(output)
    with Display(quiet) as display:
        cells, random = _train(contenders, configs, num_seeds, output, display)
    from metadisco.evaluation.comparison import compare

    rows = compare(cells, baseline, random)
    _write(output, cells, rows, random, configs, baseline, num_seeds)
    if not quiet:
        _print_tables(rows, cells, baseline)
    return 0


def _contender(name: str) -> Contender:
    """Identify an objective without loading it."""
    if name in OBJECTIVE_SETTINGS:
        return Contender(name, [name, to_plain(build_settings(OBJECTIVE_SETTINGS[name], {}))], None)
    path, generation = find_run(name)
    run = RunDirectory(path)
    kept = run.centre_generations()
    if not kept or (generation is not None and generation not in kept):
        from metadisco.export.load import load_centre

        load_centre(name)  # refuses in a sentence of its own
    file = run.centre_path(kept[-1] if generation is None else generation)
    config = run.config()
    identity = [to_plain(config)["parametrisation"], hashlib.sha256(file.read_bytes()).hexdigest()]
    return Contender(name, identity, frozenset(_plain_env(task.env) for task in config.inner.tasks))


def _plain_env(env: str) -> str:
    """Return the name of an environment without a backend."""
    return env.partition(":")[0] if "/" in env else env


def _check_output(output: Path) -> None:
    """Refuse a folder that could not be written, before anything is trained for it."""
    there = next(path for path in (output.absolute(), *output.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise UserError(f"--output: {str(there)!r} is no directory that can be written to")


def _train(
    contenders: Sequence[Contender], configs: dict[str, Config], num_seeds: int, output: Path, display: Display
) -> tuple[list["Cell"], dict[str, float]]:
    """Train what is not kept from before; return all cells, and the return of random actions in each environment."""
    first = next(iter(configs.values()))
    from metadisco.outer.devices import start_jax

    start_jax(first.outer.num_devices, first.deterministic)

    from metadisco.evaluation.comparison import Cell
    from metadisco.evaluation.lives import live, seed_keys, train_lives
    from metadisco.evaluation.reference import random_return
    from metadisco.evaluation.store import CellStore
    from metadisco.export.load import load_objective
    from metadisco.inner import envs

    loaded = {each.name: load_objective(each.name) for each in contenders}
    made = {name: envs.make(name, **config.inner.env_settings) for name, config in configs.items()}
    store = CellStore(output / "cells")
    cells, random = [], {}
    display.start(0, len(contenders) * len(configs), "cell")
    for name, config in configs.items():
        env = made[name]
        keys = seed_keys(config.seed, num_seeds)
        random[name] = float(np.mean(live(lambda key, env=env: random_return(key, env), config.outer, keys)))
        for each in contenders:
            facts = {"objective": each.identity, "env": name, "seeds": num_seeds, "seed": config.seed}
            identity = facts | {"inner": to_plain(config)["inner"], "metadisco": __version__}
            lives = store.load(identity)
            kept = lives is not None
            if lives is None:
                (lives,) = train_lives(loaded[each.name], env, [config], num_seeds)
                store.keep(identity, lives)
            held_out = None if each.trained_on is None else _plain_env(name) not in each.trained_on
            ppo = config.inner.ppo
            steps = [(update + 1) * ppo.batch_size for update in range(ppo.num_updates)]
            cells.append(Cell(each.name, name, held_out, lives, steps))
            display.advance(len(cells), f"{each.name} on {name}{' (kept from before)' if kept else ''}")
    return cells, random


def _write(
    output: Path,
    cells: Sequence["Cell"],
    rows: Sequence["Row"],
    random: dict[str, float],
    configs: dict[str, Config],
    baseline: str,
    num_seeds: int,
) -> None:
    import jax
    import jax.numpy as jnp

    from metadisco.evaluation.comparison import as_json, marl_eval
    from metadisco.inner.fitness import fill_gaps
    from metadisco.plotting import learning_curves_figure

    result = {
        "metadisco": __version__,
        "baseline": baseline,
        "seeds": num_seeds,
        "envs": {
            name: {"random": random[name], "inner": to_plain(config)["inner"]} for name, config in configs.items()
        },
        "cells": [
            {
                "objective": cell.objective,
                "env": cell.env,
                "held_out": cell.held_out,
                "final_return": _nulls(cell.lives.final_return),
                "area_under_curve": _nulls(cell.lives.area_under_curve),
                "env_steps": list(cell.env_steps),
                "curve": _nulls(cell.lives.curve),
            }
            for cell in cells
        ],
        "rows": as_json(rows),
    }
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / "results.json", json.dumps(result, allow_nan=False) + "\n")
    write_atomically(output / "marl_eval.json", json.dumps(marl_eval(cells), allow_nan=False) + "\n")
    write_atomically(output / "table.md", _markdown(rows, cells, baseline))
    (output / "figures").mkdir(exist_ok=True)
    for env in configs:
        curves = {
            cell.objective: (cell.env_steps, np.asarray(jax.vmap(fill_gaps)(jnp.asarray(cell.lives.curve))))
            for cell in cells
            if cell.env == env
        }
        figure = learning_curves_figure(curves, title=f"{env}, {num_seeds} seeds")
        for kind in ("png", "svg"):
            figure.savefig(output / "figures" / f"{re.sub('[^A-Za-z0-9-]+', '_', env)}.{kind}", dpi=150)


def _nulls(array: np.ndarray) -> list[Any]:
    """Return nested lists with null for what JSON cannot hold."""
    plain = array.astype(object)
    plain[~np.isfinite(array)] = None
    return list(plain.tolist())


def _tables(
    rows: Sequence["Row"], cells: Sequence["Cell"], baseline: str
) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return title, headings and lines of each table: one per environment and score, and one over all."""
    held_out = {(cell.objective, cell.env): cell.held_out for cell in cells}
    headings = [heading.format(baseline=baseline) for heading in HEADINGS]
    tables = []
    for env, score in dict.fromkeys((row.env, row.score) for row in rows):
        where = env or f"all environments, random actions = 0, {baseline} = 1"
        lines = []
        for row in rows:
            if (row.env, row.score) != (env, score):
                continue
            part = held_out.get((row.objective, row.env or ""))
            note = {True: " (held out)", False: " (meta-trained here)", None: ""}[part]
            value, low, high = row.interquartile_mean
            chance = row.probability_of_improvement
            lines.append(
                [
                    row.objective + note,
                    format_number(row.mean),
                    f"{format_number(value)} [{format_number(low)}, {format_number(high)}]",
                    _difference(row),
                    "" if chance is None else f"{chance:.2f}",
                    str(row.failed or ""),
                ]
            )
        tables.append((f"{where}: {SCORE_TITLES[score]}", headings, lines))
    return tables


def _difference(row: "Row") -> str:
    if row.difference is None:
        return ""
    value, low, high = row.difference
    sign = "+" if value >= 0 and not math.isnan(value) else ""
    return f"{sign}{format_number(value)} [{format_number(low)}, {format_number(high)}]"


def _markdown(rows: Sequence["Row"], cells: Sequence["Cell"], baseline: str) -> str:
    parts = []
    for title, headings, lines in _tables(rows, cells, baseline):
        body = [headings, ["---"] + ["---:"] * (len(headings) - 1), *lines]
        parts.append(f"**{title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in body) + "\n")
    return "\n".join(parts)


def _print_tables(rows: Sequence["Row"], cells: Sequence["Cell"], baseline: str) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for title, headings, lines in _tables(rows, cells, baseline):
        table: Table = Table(title=title, title_justify="left")
        for number, heading in enumerate(headings):
            table.add_column(heading, justify="right" if number else "left")
        for line in lines:
            table.add_row(*line)
        console.print(table)
