"""results.json, tables and tidy data of a cross table."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metadisco._version import __version__
from metadisco.errors import UserError
from metadisco.evaluation.cross_table import CrossTable, Row, Rules
from metadisco.evaluation.digits import interval
from metadisco.evaluation.entrants import Entrant
from metadisco.evaluation.results import FILE, Results, figure_name
from metadisco.evaluation.statistics import Difference, Estimate
from metadisco.evaluation.tables import Table, in_markdown
from metadisco.evaluation.verdicts import verdict
from metadisco.inner.games import make_game
from metadisco.storage.files import with_nulls, write_atomically

PARTS = {"own": "reward per meta-step", "other": "reward of the opponent", "difference": "reward minus {baseline}'s"}
"""Titles of the tables of a game, by the field of `Row` that they show."""
INTERVALS = {"own": Estimate, "other": Estimate, "difference": Difference, "other_difference": Difference}
"""Fields of `Row` with an interval."""


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
    return interval(*numbers, signed=part == "difference") + (f" ({row.failed} failed)" if row.failed else "")


def _plain(table: CrossTable) -> dict[str, Any]:
    """Return all results as plain data."""
    return {
        "metadisco": __version__,
        "baseline": table.baseline,
        **table.rules._asdict(),
        "games": {game.name: {"own": game.own, "other": game.other, "gamma": game.gamma} for game in table.games},
        "players": {each.name: each.sha256 for each in table.players},
        "opponents": {each.name: each.sha256 for each in table.opponents},
        "short": {each.name: each.short for each in (*table.players, *table.opponents)},
        "rows": [
            {
                name: with_nulls(np.asarray(each, float)) if isinstance(each, tuple) else each
                for name, each in row._asdict().items()
            }
            for row in table.rows
        ],
    }


def read_results(file: Path) -> Results:
    """Read the part of a cross table that a report shows.

    Raises:
        UserError: if the file cannot be read.
    """
    table, hashes = read_cross_table(file)
    figures = [file.parent / "figures" / f"cross_table_{figure_name(game.name)}.png" for game in table.games]
    return Results(
        words=describe(table.rules),
        tables=cross_tables(table),
        figures=tuple(each for each in figures if each.is_file()),
        hashes=set(hashes.values()),
        names=hashes.keys(),
        verdicts={sha256: _in_a_sentence(table, name) for name, sha256 in hashes.items()},
    )


def _in_a_sentence(table: CrossTable, player: str) -> str:
    """Return what a player earned, and how that compares with the baseline; empty for one that only opposed others."""
    short = {each.name: each.short for each in (*table.players, *table.opponents)}
    found = []
    for row in table.rows:
        if row.player != player:
            continue
        earned = f"earns {interval(*row.own)} per meta-step against {short[row.opponent]} in {row.game}"
        if row.difference is not None:
            compared = {"better": "more than", "level": "as much as", "worse": "less than"}[
                verdict(row.difference, math.nan)
            ]
            earned += f", {compared} {short[table.baseline]} ({interval(*row.difference, signed=True)})"
        found.append(earned)
    return f"It {'; it '.join(found)}." if found else ""


def read_cross_table(file: Path) -> tuple[CrossTable, dict[str, str]]:
    """Read the cross table that `write_cross_table` wrote, without its cells.

    Returns:
        The table, whose players and opponents have names only; and the SHA-256 of each of them by name.

    Raises:
        UserError: if the file cannot be read.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        short, hashes = data["short"], {**data["opponents"], **data["players"]}
        players, opponents = (
            [Entrant(name, str(short[name]), name, None) for name in data[seat]] for seat in ("players", "opponents")
        )
        games = [
            make_game(
                {"name": name, "payoffs": {seat: game[seat] for seat in ("own", "other")}, "gamma": game["gamma"]}
            )
            for name, game in data["games"].items()
        ]
        rules = Rules(*(data[name] for name in Rules._fields))
        rows = [Row(**{**row, **{name: _interval(row, name) for name in INTERVALS}}) for row in data["rows"]]
        table = CrossTable(players, opponents, games, rules, data["baseline"], [], rows)
        cross_tables(table), describe(rules)  # that nothing is missing
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{str(file)!r} holds no cross table of this version of metadisco evaluate") from error
    return table, hashes


def _interval(row: Mapping[str, Any], name: str) -> Any:
    """Return an estimate or a difference; None where there is no comparison."""
    numbers = row[name]
    return None if numbers is None else INTERVALS[name](*(math.nan if each is None else each for each in numbers))
