"""Tables of the study of opponent shaping: players and opponents on fresh lifetimes, with published numbers."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rounding import number, rounded, seconds_of
from summary import markdown_table

from metadisco import Run, evaluate_players
from metadisco.evaluation.cross_table import CrossTable, Row
from metadisco.inner.games import make_game
from metadisco.inner.games.lifetime import Reset

LEARNERS = {"naive": "naive", "lola": "LOLA"}
MAML = "M-MAML"
REFERENCE_BASELINES: Mapping[str, Mapping[tuple[str, str], float]] = {
    "ipd": {
        ("naive", "naive"): -1.98, ("naive", "LOLA"): -1.52, ("naive", MAML): -1.28,
        ("LOLA", "naive"): -1.30, ("LOLA", "LOLA"): -1.10, ("LOLA", MAML): -1.04,
        (MAML, "naive"): -1.25, (MAML, "LOLA"): -1.16, (MAML, MAML): -1.17,
    },
    "imp": {
        ("naive", "naive"): 0.0, ("naive", "LOLA"): 0.19, ("LOLA", "naive"): -0.19, ("LOLA", "LOLA"): 0.0,
        (MAML, "naive"): 0.0, (MAML, "LOLA"): 0.19,
    },
    "chicken": {
        ("naive", "naive"): 0.0, ("LOLA", "naive"): 0.94, ("LOLA", "LOLA"): -86.5, (MAML, "naive"): 0.27,
        (MAML, "LOLA"): -0.41,
    },
    "stag_hunt": {
        ("naive", "naive"): 0.281, ("naive", "LOLA"): 0.524, ("LOLA", "naive"): 0.529, ("LOLA", "LOLA"): 0.713,
    },
}  # fmt: skip
"""Rewards of the first player against the second under the players' own reset; an independent implementation's, which
were computed with the initial policies that come with the original for M-MAML."""
REFERENCE_STATIC: Mapping[str, tuple[float, float]] = {
    "all_defect": (-1.986, -2.007), "all_cooperate": (-2.986, -0.007), "tit_for_tat": (-1.033, -1.029),
    "grim": (-1.105, -1.105), "win_stay_lose_shift": (-2.281, -0.987),
    "zero_determinant:chi=2": (-0.820, math.nan), "zero_determinant:chi=3": (-0.774, math.nan),
    "zero_determinant:chi=4": (-0.762, math.nan), "zero_determinant:chi=6": (-0.772, math.nan),
    "zero_determinant:chi=8": (-0.809, math.nan), "best_static": (-0.751, -1.78),
}  # fmt: skip
"""Rewards of a strategy and of a naive learner in the iterated prisoner's dilemma under the shaper's reset."""


class Judge(NamedTuple):
    """How players are evaluated, and where results are kept."""

    output: Path
    num_lifetimes: int
    quick: bool

    def meet(
        self,
        name: str,
        players: Sequence[Any],
        opponents: Sequence[Any],
        game: str = "ipd",
        *,
        reset: Reset = "shaper",
        horizon: int = 100,
        baseline: Any = None,
    ) -> CrossTable:
        """Let players meet opponents; finished cells in the folder of this name are not played again."""
        return evaluate_players(
            [str(each) for each in players], [str(each) for each in opponents], game, self.num_lifetimes,
            horizon=horizon, reset=reset, baseline=None if baseline is None else str(baseline),
            output=self.output / name,
        )  # fmt: skip

    @property
    def best_static(self) -> str:
        """The best memory-one strategy, evolved for each opponent; in a quick try one that takes no time."""
        return "all_defect" if self.quick else "best_static"

    @property
    def controls(self) -> list[str]:
        """Players that show the gain of adapting and reacting."""
        return [self.best_static, *([] if self.quick else ["open_loop"])]


def row_of(table: CrossTable, player: Any, opponent: Any) -> Row:
    """Return how a player did against an opponent."""
    (row,) = [row for row in table.rows if (row.player, row.opponent) == (str(player), str(opponent))]
    return row


def baselines(judge: Judge, maml: Mapping[str, Sequence[Run]]) -> str:
    """Return a table for each game of the learners among each other, with reference numbers in brackets.

    Args:
        judge: of them.
        maml: our initial policies for M-MAML, by game; all of them in the first seat, the first one in the other.
    """
    parts = []
    for game, reference in REFERENCE_BASELINES.items():
        runs = [str(run) for run in maml.get(game, ())]
        made = make_game(game)
        others = runs[:1] if made == made.swapped else []  # an initial policy belongs to a seat
        table = judge.meet(f"baselines_{game}", [*LEARNERS, *runs], [*LEARNERS, *others], game, reset="players")
        learners = {label: [name] for name, label in LEARNERS.items()}
        rows = learners | ({MAML: runs} if runs else {})
        columns = learners | ({MAML: others} if others else {})
        lines = [
            [ours, *(_cell(table, each, them, reference.get((ours, theirs))) for theirs, them in columns.items())]
            for ours, each in rows.items()
        ]
        parts.append(f"**{game}**\n\n" + markdown_table(["reward of \\ against", *columns], lines))
    return "\n".join(parts)


def _cell(table: CrossTable, players: Sequence[str], opponents: Sequence[str], reference: float | None) -> str:
    """Return a mean against the first of some opponents: with its interval, or the range where players are several."""
    rows = [row_of(table, player, opponents[0]).own for player in players]
    beside = "" if reference is None else f" ({number(reference, 2)})"
    if len(rows) == 1:
        return rounded(rows[0]) + beside
    values = [row.value for row in rows]
    return f"{number(float(np.mean(values)), 2)}, {number(min(values), 2)} to {number(max(values), 2)}{beside}"


def static_strategies(judge: Judge) -> str:
    """Return a table of memory-one strategies against the naive learner, under both resets."""
    names = [name if name != "best_static" else judge.best_static for name in REFERENCE_STATIC]
    names = list(dict.fromkeys(names))
    shaper, players = (judge.meet(f"static_{reset}", names, ["naive"], reset=reset) for reset in ("shaper", "players"))
    lines = []
    for name in names:
        row, own_reset = row_of(shaper, name, "naive"), row_of(players, name, "naive")
        own, other = REFERENCE_STATIC[name]
        lines.append([name, rounded(row.own), number(own), rounded(row.other), number(other), rounded(own_reset.own)])
    headings = ["strategy", "own", "reference", "naive learner", "reference", "own, players' reset"]
    return markdown_table(headings, lines)


def shapers(judge: Judge, name: str, runs: Mapping[str, Run], opponent: Any, game: str, reference: str) -> str:
    """Return a table of meta-policies against one opponent, with controls: rewards, gain, and time of the search.

    Args:
        judge: of them.
        name: of the folder.
        runs: what they are called, and where they were found.
        opponent: whom they meet.
        game: which is played.
        reference: a line about other work, of cells; none if empty.
    """
    control = judge.best_static
    table = judge.meet(name, [*judge.controls, *runs.values()], [opponent], game, baseline=control)
    lines = [_shaper_line(each, row_of(table, each, opponent), "") for each in judge.controls]
    lines += [
        _shaper_line(label, row_of(table, run, opponent), f"{seconds_of(run):.0f} s") for label, run in runs.items()
    ]
    headings = ["player", "own reward", "opponent's", f"minus {control}", "time"]
    return markdown_table(headings, lines) + (f"\n{reference}\n" if reference else "")


def sampled(judge: Judge, strategies: Sequence[str], runs: Mapping[str, Run], opponent: str) -> str:
    """Return a table of fixed strategies and meta-policies against a learner that samples its own experience.

    Args:
        judge: of them.
        strategies: fixed ones; differences are from the last one.
        runs: what they are called, and where they were found.
        opponent: whom they meet.
    """
    *_, baseline = strategies
    table = judge.meet("sampled", [*strategies, *runs.values()], [opponent], baseline=baseline)
    lines = [_shaper_line(each, row_of(table, each, opponent), "") for each in strategies]
    lines += [
        _shaper_line(each, row_of(table, run, opponent), f"{seconds_of(run):.0f} s") for each, run in runs.items()
    ]
    return markdown_table(["player", "own reward", "learner's", f"minus {baseline}", "time"], lines)


def _shaper_line(label: str, row: Row, time: str) -> list[str]:
    return [label, rounded(row.own), rounded(row.other), rounded(row.difference, signed=True), time]


def held_out(judge: Judge, runs: Mapping[str, Run], opponents: Iterable[str], horizon: int) -> str:
    """Return a table of meta-policies against other learners, over a longer horizon, and of the best static one."""
    table = judge.meet("held_out", [judge.best_static, *runs.values()], list(opponents))
    longer = judge.meet("held_out_horizon", [judge.best_static, *runs.values()], ["naive"], horizon=horizon)
    cases: list[tuple[str, Callable[[Any], Row]]] = [
        (each, lambda player, each=each: row_of(table, player, each)) for each in opponents
    ]
    cases.append((f"naive, {horizon} meta-steps", lambda player: row_of(longer, player, "naive")))
    lines = []
    for label, row in cases:
        found = [row(run) for run in runs.values()]
        least = min((each.difference for each in found), key=lambda each: each.mean)
        others = number(float(np.mean([each.other.value for each in found])), 2)
        lines.append(
            [label, *(rounded(each.own) for each in found), others, rounded(row(judge.best_static).own),
             rounded(least, signed=True)]
        )  # fmt: skip
    headings = ["opponent", *runs, "opponent's, mean", judge.best_static, "least gain"]
    return markdown_table(headings, lines)


def self_play(judge: Judge, groups: Mapping[str, Sequence[Run]]) -> str:
    """Return a table of meta-policies of self-play against themselves and against the naive learner.

    Args:
        judge: of them.
        groups: runs, one for each meta-seed, by how they were found.
    """
    lines = []
    for label, runs in groups.items():
        for run in runs:
            table = judge.meet(f"self_play_{Path(run).name}", [run], [run, "naive"], reset="players")
            itself, naive = row_of(table, run, run), row_of(table, run, "naive")
            lines.append(
                [label, str(run.config.seed), rounded(itself.own), rounded(itself.other), rounded(naive.own),
                 rounded(naive.other), f"{seconds_of(run):.0f} s"]
            )  # fmt: skip
    headings = [
        "search", "meta-seed", "against itself (share 0)", "the other one", "against naive (share 1)", "naive learner",
        "time",
    ]  # fmt: skip
    return markdown_table(headings, lines)


def cross(judge: Judge, players: Mapping[str, Any]) -> tuple[str, CrossTable]:
    """Return a table of players against each other, and its data."""
    names = list(players.values())
    table = judge.meet("cross", names, names, reset="players")
    lines = [
        [label, *(number(row_of(table, name, other).own.value, 2) for other in names)]
        for label, name in players.items()
    ]
    return markdown_table(["reward of \\ against", *players], lines), table
