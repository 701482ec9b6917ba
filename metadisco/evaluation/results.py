"""Writes and reads the files of an evaluation: results.json, tables and learning curves."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from metadisco._version import __version__
from metadisco.config import to_plain
from metadisco.discoveries.sources import short_names
from metadisco.errors import UserError
from metadisco.evaluation.comparison import as_json, from_json, marl_eval
from metadisco.evaluation.control_rows import control_frame, control_from_json, control_json, control_tables
from metadisco.evaluation.evaluate import Comparison
from metadisco.evaluation.in_words import in_a_sentence
from metadisco.evaluation.lifetimes import Lifetimes
from metadisco.evaluation.settings import found_with
from metadisco.evaluation.tables import Table, in_markdown, latex, tables
from metadisco.storage.files import with_nulls, write_atomically

FILE = "results.json"


def write_results(comparison: Comparison, output: Path, origin: str | None) -> None:
    """Write results.json, marl_eval.json, seeds.csv, table.md and table.tex; goal_returns.csv where talkers steer.

    Args:
        comparison: results of the evaluation.
        output: the folder; created if necessary.
        origin: of the settings, as in `Settings`.
    """
    marl = marl_eval(comparison.cells)
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / FILE, json.dumps(_plain(comparison, origin), allow_nan=False) + "\n")
    write_atomically(output / "marl_eval.json", json.dumps(marl, allow_nan=False) + "\n")
    write_atomically(output / "table.md", in_markdown(tables_of(comparison)))
    write_atomically(output / "table.tex", latex(comparison.rows, comparison.baseline, comparison.num_seeds))
    write_atomically(output / "seeds.csv", comparison.seeds().to_csv(index=False))
    if comparison.control:
        write_atomically(output / "goal_returns.csv", control_frame(comparison.control).to_csv(index=False))


def tables_of(comparison: Comparison) -> list[Table]:
    """Return all tables of an evaluation."""
    return [*tables(comparison.rows, comparison.held_out, comparison.baseline), *control_tables(comparison.control)]


def _plain(comparison: Comparison, origin: str | None) -> dict[str, Any]:
    """Return the results as plain data."""
    sources, config_of = {each.name: each for each in comparison.sources}, comparison.config_of
    return {
        "metadisco": __version__,
        "baseline": comparison.baseline,
        "seeds": comparison.num_seeds,
        "config": origin,
        "objectives": {name: source.sha256 for name, source in sources.items()},
        "envs": {
            env: {"random": comparison.random[env], "inner": to_plain(config)["inner"]}
            for env, config in comparison.configs.items()
        },
        "cells": [
            {
                "objective": cell.objective,
                "env": cell.env,
                "held_out": cell.held_out,
                "found_with": found_with(sources[cell.objective], config_of(cell.objective, cell.env)),
                **_own_settings(comparison, cell.objective, cell.env),
                **lifetimes_as_json(cell.lifetimes, cell.env_steps),
            }
            for cell in comparison.cells
        ],
        "rows": as_json(comparison.rows),
        **({"control": control_json(comparison.control)} if comparison.control else {}),
    }


def _own_settings(comparison: Comparison, objective: str, env: str) -> dict[str, Any]:
    """Return the settings of an objective and its constants, where they are its own."""
    own = comparison.own.get(objective)
    return {} if own is None else {"inner": to_plain(own.configs[env])["inner"], "constants": dict(own.constants)}


def lifetimes_as_json(lifetimes: Lifetimes, env_steps: Sequence[int]) -> dict[str, Any]:
    """Return scores and curves as plain data; null for non-finite numbers."""
    return {
        "final_return": with_nulls(lifetimes.final_return),
        "area_under_curve": with_nulls(lifetimes.area_under_curve),
        "env_steps": list(env_steps),
        "curve": with_nulls(lifetimes.curve),
        "curve_filled": with_nulls(lifetimes.filled),
        "gaps": with_nulls(lifetimes.gaps),
    }


def figure_name(env: str) -> str:
    """Return the file name of the figure of an environment, without suffix."""
    return re.sub("[^A-Za-z0-9-]+", "_", env)


def _figures(envs: Sequence[str], output: Path) -> list[str]:
    """Return the names of an evaluation's figures in the order of a page: one of all learning curves where it is there.

    Earlier versions drew them only environment by environment.
    """
    together = (output / "figures" / "curves.png").is_file()
    curves = ["curves"] if together else [figure_name(env) for env in envs]
    return ["intervals", *curves, "returns", "profiles"]


class Results(NamedTuple):
    """Results of an evaluation, as read from its files."""

    words: str
    """Description of the numbers in a sentence or two."""
    tables: list[Table]
    figures: tuple[Path, ...]
    """Existing figures."""
    hashes: Collection[Any] | None
    """SHA-256 of the identities of the entrants; None for files of an earlier version."""
    names: Collection[str]
    """Their names at the time of writing."""
    verdicts: Mapping[str, str] = {}
    """A sentence about each discovery that was compared, by its SHA-256."""


def read_results(file: Path) -> Results:
    """Read the results that `write_results` wrote.

    Raises:
        UserError: if the file cannot be read.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        figures = [file.parent / "figures" / f"{name}.png" for name in _figures(data["envs"], file.parent)]
        (baseline,) = short_names([data["baseline"]]).values()
        stated, held_out, rows = data.get("objectives"), {}, from_json(data["rows"])
        for cell in data["cells"]:
            held_out[cell["objective"], cell["env"]] = cell["held_out"]
        return Results(
            words=f"{int(data['seeds'])} agents each, on common seeds that the search did not use. Differences and "
            f"probabilities of improvement are relative to {baseline}; intervals are 95 %.",
            tables=[
                *tables(rows, held_out, data["baseline"]),
                *control_tables(control_from_json(data.get("control", []))),
            ],
            figures=tuple(each for each in figures if each.is_file()),
            hashes=set(stated.values()) if isinstance(stated, dict) else None,
            names={objective for objective, _ in held_out},
            verdicts={sha256: in_a_sentence(rows, name, data["baseline"]) for name, sha256 in stated.items()}
            if isinstance(stated, dict)
            else {},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{str(file)!r} holds no results of this version of metadisco evaluate") from error
