"""results.json, tables and tidy data of a cross table."""

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metadisco._version import __version__
from metadisco.evaluation.cross_table import CrossTable, Row, Rules
from metadisco.evaluation.entrants import Entrant
from metadisco.evaluation.results import FILE
from metadisco.evaluation.tables import Table, in_markdown, with_interval
from metadisco.storage.files import with_nulls, write_atomically

PARTS = {"own": "reward per meta-step", "other": "reward of the opponent", "difference": "reward minus {baseline}'s"}
"""Titles of the tables of a game, by the field of `Row` that they show."""


def write_cross_table(table: CrossTable, output: Path) -> None:
    """Write results.json, table.md and cross_table.csv into a folder, which is created if necessary."""
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / FILE, json.dumps(_plain(table), allow_nan=False) + "\n")
    write_atomically(output / "table.md", f"{describe(table.rules)}\n\n{in_markdown(cross_tables(table))}")
    write_atomically(output / "cross_table.csv", table.frame().to_csv(index=False))


def describe(rules: Rules) -> str:
    """Return in a sentence how lifetimes are played."""
    first = {"shaper": "a random policy in the player's place", "players": "the players themselves"}[rules.reset]
    return (
        f"Players in seat 1, opponents in seat 2; {rules.num_lifetimes:,} lifetimes of {rules.horizon} meta-steps, "
        f"after an unpaid play of {first} (reset: {rules.reset}); seed {rules.seed}; 95 % intervals."
    )


def cross_tables(table: CrossTable) -> list[Table]:
    """Return tables for each game, players down and opponents along; the third only where there is a comparison."""
    short = {each.name: each.short for each in (*table.players, *table.opponents)}
    cells = {(row.game, row.player, row.opponent): row for row in table.rows}
    headings = ["player", *(each.short for each in table.opponents)]
    tables = []
    for game in table.games:
        for part, words in PARTS.items():
            players = [each for each in table.players if part != "difference" or each.name != table.baseline]
            lines = [
                [each.short, *(_entry(cells[game.name, each.name, other.name], part) for other in table.opponents)]
                for each in players
            ]
            if lines:
                tables.append(Table(f"{game.name}: {words.format(baseline=short[table.baseline])}", headings, lines))
    return tables


def _entry(row: Row, part: str) -> str:
    numbers = getattr(row, part)
    if numbers is None:
        return ""
    text = with_interval(*numbers)
    sign = "+" if part == "difference" and numbers[0] >= 0 and not math.isnan(numbers[0]) else ""
    return f"{sign}{text}" + (f" ({row.failed} failed)" if row.failed else "")


def _plain(table: CrossTable) -> dict[str, Any]:
    """Return all results as plain data."""
    return {
        "metadisco": __version__,
        "baseline": table.baseline,
        **table.rules._asdict(),
        "games": {game.name: {"own": game.own, "other": game.other, "gamma": game.gamma} for game in table.games},
        "players": _hashes(table.players),
        "opponents": _hashes(table.opponents),
        "rows": [
            {
                name: with_nulls(np.asarray(each, float)) if isinstance(each, tuple) else each
                for name, each in row._asdict().items()
            }
            for row in table.rows
        ],
    }


def _hashes(entrants: Sequence[Entrant]) -> dict[str, str]:
    """Return digests that distinguish players of the same name."""
    return {
        each.name: hashlib.sha256(json.dumps(each.identity, sort_keys=True).encode()).hexdigest() for each in entrants
    }


def _numbers(value: Any) -> Any:
    """Return an estimate as a list with null for unknown values; return anything else unchanged."""
    return with_nulls(np.asarray(value, float)) if isinstance(value, tuple) else value
