"""Writes the files of a judgement over PPO settings: settings.json, tables, seeds and rows."""

import json
from pathlib import Path
from typing import Any

from metadisco._version import __version__
from metadisco.config import to_plain
from metadisco.evaluation.over_settings import SettingsComparison
from metadisco.evaluation.settings_comparison import Judgement
from metadisco.evaluation.settings_tables import overall_as_json, place_as_json, row_as_json, settings_tables
from metadisco.evaluation.tables import in_markdown
from metadisco.storage.files import with_nulls, write_atomically

FILE = "settings.json"


def write_settings_results(found: SettingsComparison, output: Path, origin: str | None) -> None:
    """Write settings.json, rows.csv and, for each score, SCORE.md.

    Args:
        found: results of the judgement.
        output: the folder; created if necessary.
        origin: of the settings that the grid does not name, as in `Settings`.
    """
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / FILE, json.dumps(_plain(found, origin), allow_nan=False) + "\n")
    write_atomically(output / "rows.csv", found.rows().to_csv(index=False))
    for score, judgement in found.judgements.items():
        text = in_markdown(settings_tables(judgement, found.baseline, found.places))
        write_atomically(output / f"{score}.md", text)


def _plain(found: SettingsComparison, origin: str | None) -> dict[str, Any]:
    return {
        "metadisco": __version__,
        "baseline": found.baseline,
        "seeds": found.num_seeds,
        "config": origin,
        "objectives": {source.name: source.sha256 for source in found.sources},
        "random": dict(found.random),
        "places": [place_as_json(place) | {"inner": to_plain(place.config)["inner"]} for place in found.places],
        "cells": [
            {
                "objective": cell.entrant,
                **place_as_json(cell.place),
                "final_return": with_nulls(cell.lifetimes.final_return),
                "area_under_curve": with_nulls(cell.lifetimes.area_under_curve),
            }
            for cell in found.cells
        ],
        "judgements": {score: _judgement(each) for score, each in found.judgements.items()},
    }


def _judgement(judgement: Judgement) -> dict[str, Any]:
    return {
        "scales": [
            {"env": env, "lifetime": lifetime, **scale._asdict()} for (env, lifetime), scale in judgement.scales.items()
        ],
        "rows": [row_as_json(row) for row in judgement.rows],
        "overall": [overall_as_json(each) for each in judgement.overall],
        "control": dict(judgement.control),
    }
