"""results.json, tables and curves of an evaluation: written, and read again."""

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from metadisco._version import __version__
from metadisco.config import to_plain
from metadisco.discoveries.sources import short_names
from metadisco.errors import UserError
from metadisco.evaluation.comparison import as_json, from_json, marl_eval
from metadisco.evaluation.evaluate import Comparison
from metadisco.evaluation.lives import Lives
from metadisco.evaluation.settings import found_with
from metadisco.evaluation.tables import Table, latex, markdown, tables
from metadisco.storage.files import nulls, write_atomically

FILE = "results.json"


def write_results(comparison: Comparison, output: Path, origin: str | None) -> None:
    """Write results.json, marl_eval.json, seeds.csv, table.md and table.tex.

    Args:
        comparison: what was found.
        output: the folder; made if need be.
        origin: of the settings, as in `Settings`.
    """
    marl = marl_eval(comparison.cells)
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / FILE, json.dumps(_plain(comparison, origin), allow_nan=False) + "\n")
    write_atomically(output / "marl_eval.json", json.dumps(marl, allow_nan=False) + "\n")
    write_atomically(output / "table.md", markdown(comparison.rows, comparison.held_out, comparison.baseline))
    write_atomically(output / "table.tex", latex(comparison.rows, comparison.baseline, comparison.num_seeds))
    write_atomically(output / "seeds.csv", comparison.seeds().to_csv(index=False))


def _plain(comparison: Comparison, origin: str | None) -> dict[str, Any]:
    """Return all that was found as plain data."""
    sources, configs = {each.name: each for each in comparison.sources}, comparison.configs
    return {
        "metadisco": __version__,
        "baseline": comparison.baseline,
        "seeds": comparison.num_seeds,
        "config": origin,
        "objectives": {name: source.sha256 for name, source in sources.items()},
        "envs": {
            env: {"random": comparison.random[env], "inner": to_plain(config)["inner"]}
            for env, config in configs.items()
        },
        "cells": [
            {
                "objective": cell.objective,
                "env": cell.env,
                "held_out": cell.held_out,
                "found_with": found_with(sources[cell.objective], configs[cell.env]),
                **lives_as_json(cell.lives, cell.env_steps),
            }
            for cell in comparison.cells
        ],
        "rows": as_json(comparison.rows),
    }


def lives_as_json(lives: Lives, env_steps: Sequence[int]) -> dict[str, Any]:
    """Return how agents fared as plain data; null for what is not finite."""
    return {
        "final_return": nulls(lives.final_return),
        "area_under_curve": nulls(lives.area_under_curve),
        "env_steps": list(env_steps),
        "curve": nulls(lives.curve),
        "curve_filled": nulls(lives.filled),
        "gaps": nulls(lives.gaps),
    }


def figure_name(env: str) -> str:
    """Return what the figure of an environment is called, without suffix."""
    return re.sub("[^A-Za-z0-9-]+", "_", env)


def _figures(envs: Sequence[str], output: Path) -> list[str]:
    """Return the names of an evaluation's figures in the order of a page: one of all learning curves where it is there.

    Earlier versions drew them only environment by environment.
    """
    together = (output / "figures" / "curves.png").is_file()
    curves = ["curves"] if together else [figure_name(env) for env in envs]
    return ["intervals", *curves, "returns", "profiles"]


class Results(NamedTuple):
    """An evaluation that was read."""

    seeds: int
    baseline: str
    """What to call it."""
    tables: list[Table]
    figures: tuple[Path, ...]
    """Those that are there."""
    hashes: Collection[Any] | None
    """What tells its objectives from others; None where an earlier version wrote it."""
    names: Collection[str]
    """Of its objectives when it was written."""


def read_results(file: Path) -> Results:
    """Read what `write_results` wrote.

    Raises:
        UserError: if it cannot be shown.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        figures = [file.parent / "figures" / f"{name}.png" for name in _figures(data["envs"], file.parent)]
        (baseline,) = short_names([data["baseline"]]).values()
        stated, held_out = data.get("objectives"), {}
        for cell in data["cells"]:
            held_out[cell["objective"], cell["env"]] = cell["held_out"]
        return Results(
            seeds=int(data["seeds"]),
            baseline=baseline,
            tables=tables(from_json(data["rows"]), held_out, data["baseline"]),
            figures=tuple(each for each in figures if each.is_file()),
            hashes=set(stated.values()) if isinstance(stated, dict) else None,
            names={objective for objective, _ in held_out},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{str(file)!r} holds no results of this version of metadisco evaluate") from error
