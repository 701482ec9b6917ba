"""Players against opponents in games, on the same fresh lifetimes. Axes: B lifetimes."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jaxtyping import Float

from metadisco.config import Config
from metadisco.evaluation.controls import Match
from metadisco.evaluation.entrants import Entrant, Seat, opponent_player, player_seat
from metadisco.evaluation.lifetimes import PLAYING, seed_keys
from metadisco.evaluation.statistics import Difference, Estimate, half_width, paired_difference
from metadisco.inner.games import Game
from metadisco.inner.games.lifetime import Outcome, Reset, play_lifetimes
from metadisco.inner.games.players import Player
from metadisco.objectives.arithmetic import in_float32
from metadisco.outer.devices import start_jax
from metadisco.storage.cells import CellStore

if TYPE_CHECKING:
    import pandas

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with the number of finished cells, their total, and the last one; first with no finished cell."""


class Cell(NamedTuple):
    """One player against one opponent in one game."""

    player: str
    opponent: str
    game: str
    own: Float[np.ndarray, "B"]
    """Mean reward per meta-step of the player, in each lifetime."""
    other: Float[np.ndarray, "B"]
    """That of the opponent."""


class Row(NamedTuple):
    """How one player did against one opponent in one game; all intervals are 95 %, Student's t over lifetimes."""

    player: str
    opponent: str
    game: str
    own: Estimate
    """Mean reward per meta-step of the player."""
    other: Estimate
    """That of the opponent."""
    difference: Difference | None
    """Mean of the player's reward minus the baseline's on the same lifetimes; None for the baseline."""
    other_difference: Difference | None
    """That of the opponent's rewards."""
    failed: int
    """Lifetimes in which a reward was not finite; they are left out."""


class Rules(NamedTuple):
    """How lifetimes are played."""

    num_lifetimes: int
    horizon: int
    """Paid meta-steps of each."""
    reset: Reset
    seed: int


class CrossTable(NamedTuple):
    """Rewards of players against opponents in games."""

    players: Sequence[Entrant]
    opponents: Sequence[Entrant]
    games: Sequence[Game]
    """From the seat of the players."""
    rules: Rules
    baseline: str
    """The player that others are compared with, by name."""
    cells: Sequence[Cell]
    rows: Sequence[Row]

    def frame(self) -> "pandas.DataFrame":
        """Return a row per player, opponent and game.

        Columns: player, opponent, game; own, own_low, own_high, the mean reward per meta-step of the player with its
        95 % interval; other…, that of the opponent; difference…, own minus the baseline's on the same lifetimes, NaN
        for the baseline; other_difference…, likewise; lifetimes, failed.
        """
        import pandas as pd  # noqa: PLC0415 - takes a second

        missing = (math.nan,) * 3
        rows = []
        for row in self.rows:
            entry: dict[str, Any] = {"player": row.player, "opponent": row.opponent, "game": row.game}
            for name in ("own", "other", "difference", "other_difference"):
                entry |= zip((name, f"{name}_low", f"{name}_high"), getattr(row, name) or missing, strict=True)
            rows.append({**entry, "lifetimes": self.rules.num_lifetimes, "failed": row.failed})
        return pd.DataFrame(rows)

    def lifetimes(self) -> "pandas.DataFrame":
        """Return a row per player, opponent, game and lifetime: these four columns, own and other."""
        import pandas as pd  # noqa: PLC0415 - takes a second

        return pd.concat(
            [
                pd.DataFrame({**cell._asdict(), "lifetime": np.arange(len(cell.own))})[
                    ["player", "opponent", "game", "lifetime", "own", "other"]
                ]
                for cell in self.cells
            ],
            ignore_index=True,
        )

    def _repr_html_(self) -> str:
        """Return a table for a notebook."""
        html: str = self.frame().to_html(index=False, float_format=lambda number: f"{number:.4g}", na_rep="")
        return html


@in_float32
def cross_table(
    players: Sequence[Entrant],
    opponents: Sequence[Entrant],
    games: Sequence[Game],
    config: Config,
    rules: Rules,
    baseline: str,
    output: Path,
    *,
    announced: Callable[[], None] = lambda: None,
    progress: Progress = lambda done, total, last: None,
) -> CrossTable:
    """Let every player meet every opponent in every game, except for cells that are already stored.

    Args:
        players: in the seat from which games are seen.
        opponents: in the other one.
        games: by different names.
        config: of opponent shaping; cells also depend on its `outer` and `seed`.
        rules: of lifetimes; opponents have the same starts against every player in every game.
        baseline: name of the player that others are compared with.
        output: folder, in which `cells` stores finished cells.
        announced: called once all players and opponents have been made.
        progress: called after each cell.

    Raises:
        UserError: if a player cannot play a game; nothing was written then.
    """
    start_jax(None, config.deterministic)  # as many as a search has, which may follow; one is used
    seats = {(who.name, game.name): player_seat(who, game, "players") for game in games for who in players}
    others = {
        (who.name, game.name): opponent_player(who, game.swapped, "opponents") for game in games for who in opponents
    }
    announced()
    store = CellStore(output / "cells", config)
    total, cells = len(players) * len(opponents) * len(games), []
    progress(0, total, "")
    for game in games:
        for opponent in opponents:
            match = _match(game, opponent, others[opponent.name, game.name], rules, store)
            for player in players:
                rewards, kept = _played(player, seats[player.name, game.name], match, rules)
                cells.append(Cell(player.name, opponent.name, game.name, **rewards))
                what = f"{player.short} against {opponent.short} in {game.name}{' (kept from before)' if kept else ''}"
                progress(len(cells), total, what)
    return CrossTable(players, opponents, games, rules, baseline, cells, rows_of(cells, baseline))


def _match(game: Game, opponent: Entrant, player: Player, rules: Rules, store: CellStore) -> Match:
    payoffs = {"own": list(game.own), "other": list(game.other), "gamma": game.gamma}
    identity = {"game": payoffs, "opponent": opponent.identity, "horizon": rules.horizon, "reset": rules.reset}
    return Match(game, player, rules.horizon, rules.reset, rules.seed, identity, store)


def _played(player: Entrant, seat: Seat, match: Match, rules: Rules) -> tuple[dict[str, np.ndarray], bool]:
    """Return the rewards of both, `own` and `other`, and whether they were already stored."""
    identity = {**match.identity, "player": player.identity, "lifetimes": rules.num_lifetimes}
    kept = match.store.load(identity, Outcome._fields)
    if kept is not None:
        return kept, True
    made = seat(match)

    @jax.jit
    def play(key: jax.Array) -> Outcome:
        return play_lifetimes(
            key, made, match.opponent, match.game, rules.horizon, rules.num_lifetimes, rules.reset
        )  # fmt: skip

    rewards: dict[str, np.ndarray] = jax.device_get(play(seed_keys(rules.seed, 1, PLAYING)[0])._asdict())
    match.store.keep(identity, rewards)
    return rewards, False


def rows_of(cells: Sequence[Cell], baseline: str) -> list[Row]:
    """Return a row for each cell.

    Args:
        cells: on the same lifetimes.
        baseline: name of a player among them.
    """
    compared: Mapping[tuple[str, str], Cell] = {
        (cell.opponent, cell.game): cell for cell in cells if cell.player == baseline
    }
    rows = []
    for cell in cells:
        theirs = None if cell.player == baseline else compared[cell.opponent, cell.game]
        rows.append(
            Row(
                cell.player,
                cell.opponent,
                cell.game,
                own=_estimate(cell.own),
                other=_estimate(cell.other),
                difference=None if theirs is None else _difference(cell.own, theirs.own),
                other_difference=None if theirs is None else _difference(cell.other, theirs.other),
                failed=int((~(np.isfinite(cell.own) & np.isfinite(cell.other))).sum()),
            )
        )
    return rows


def _estimate(rewards: Float[np.ndarray, "B"]) -> Estimate:
    """Return the mean of finite rewards with its interval, NaN where there are too few."""
    finite = rewards[np.isfinite(rewards)].astype(np.float64)
    value = float(finite.mean()) if finite.size else math.nan
    half = half_width(finite) if finite.size > 1 else math.nan
    return Estimate(value, value - half, value + half)


def _difference(ours: Float[np.ndarray, "B"], theirs: Float[np.ndarray, "B"]) -> Difference | None:
    """Return the mean paired difference; None where fewer than two lifetimes did not fail."""
    if (np.isfinite(ours) & np.isfinite(theirs)).sum() < 2:
        return None
    return paired_difference(ours, theirs)
