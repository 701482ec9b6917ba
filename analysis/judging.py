"""Objectives judged over a grid of PPO settings, as the sections of a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from summary import markdown_table

import metadisco
from metadisco import SettingsComparison
from metadisco.evaluation.settings_tables import settings_tables
from metadisco.evaluation.tables import in_markdown

SCORE = "area_under_curve"


def judged(
    objectives: Sequence[str],
    envs: Sequence[str],
    grid: Path | Mapping[str, Any],
    seed: int,
    num_seeds: int,
    output: Path,
) -> str:
    """Judge objectives over a grid; return tables over all cells and over those of each environment.

    Args:
        objectives: names; PPO, the baseline, is trained in any case.
        envs: full names.
        grid: what `metadisco evaluate --settings` takes.
        seed: of the agents; no search may have used it.
        num_seeds: agents per cell.
        output: folder of results and finished cells.
    """
    found = metadisco.evaluate_settings(objectives, envs, grid, num_seeds, overrides={"seed": seed}, output=output)
    tables = settings_tables(found.judgements[SCORE], found.baseline, found.places, cells=False)
    return f"{counts(found)}\n{in_markdown(tables)}"


def counts(found: SettingsComparison) -> str:
    """Return a table of cells better, level and worse by environment."""
    overall = found.judgements[SCORE].overall
    envs = list(dict.fromkeys(each.env for each in overall if each.env is not None))
    by = {(each.entrant, each.env): f"{each.better}/{each.level}/{each.worse}" for each in overall}
    lines = [
        [Path(entrant).name, *(by[entrant, env] for env in envs)]
        for entrant in dict.fromkeys(each.entrant for each in overall)
    ]
    return markdown_table(["better/level/worse", *(env.rpartition("/")[2] for env in envs)], lines)
