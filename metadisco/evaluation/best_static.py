"""The reward of the best memory-one strategy against the opponents of a search: the most without adaptation."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from metadisco.config import Config
from metadisco.errors import UserError
from metadisco.evaluation.cross_results import read_cross_table
from metadisco.evaluation.cross_table import CrossTable, Rules, cross_table
from metadisco.evaluation.entrants import Entrant, entrants_of
from metadisco.evaluation.results import FILE
from metadisco.inner.games.players.meta_player import MetaPlayer
from metadisco.inner.games.players.naive import Ascent
from metadisco.inner.games.players.static import Fixed
from metadisco.problems.opponent_shaping import OpponentShaping
from metadisco.problems.players import name_of

BEST_STATIC = "best_static"
NUM_LIFETIMES = 1024
"""On which a strategy that is evolved here is evaluated."""
QUICK = (Ascent, Fixed, MetaPlayer)
"""Players against whom a strategy is evolved in seconds."""
MAX_META_STEPS = 500
"""Of a lifetime, over all opponents; beyond that evolving takes too long for a figure."""


def best_static(
    problem: OpponentShaping, config: Config, evaluations: Sequence[Path], say: Callable[[str], None]
) -> float | None:
    """Return the mean reward per meta-step of the best static strategy, evolved against each opponent by itself.

    It is that of an evaluation, if there is one with the same game, opponents and rules. Otherwise it is evolved as the
    control of that name is, if that takes seconds only.

    Args:
        problem: of the search.
        config: from which it was made.
        evaluations: folders where results may be.
        say: called with a line before anything is evolved.

    Returns:
        The mean over opponents; None where it is not known.
    """
    specs = {name_of(spec): spec for spec in config.problem.get("opponents", ["naive"])}  # one may be there twice
    opponents = entrants_of([*specs.values()], "problem.opponents")
    for folder in evaluations:
        found = _kept(folder / FILE, problem, opponents)
        if found is not None:
            return found
    num_meta_steps = problem.horizon * len(opponents)
    if num_meta_steps > MAX_META_STEPS or not all(isinstance(each, QUICK) for each in problem.opponents):
        return None
    say(f"evolving the best static strategy against {', '.join(each.short for each in opponents)}")
    rules = Rules(NUM_LIFETIMES, problem.horizon, problem.reset, seed=0)
    with tempfile.TemporaryDirectory() as nowhere:
        table = cross_table(
            entrants_of([BEST_STATIC], "players"), opponents, [problem.game], config, rules, BEST_STATIC, Path(nowhere)
        )
    return _mean(table, [each.name for each in opponents], problem.game.name)


def _kept(file: Path, problem: OpponentShaping, opponents: Sequence[Entrant]) -> float | None:
    """Return the result of an evaluation, if it has the same game, opponents and rules."""
    try:
        table, hashes = read_cross_table(file)
    except UserError:
        return None
    rules, wanted = table.rules, problem.game
    games = [game for game in table.games if replace(game, name=wanted.name) == wanted]
    names = {hashes[each.name]: each.name for each in table.opponents}
    if (rules.horizon, rules.reset) != (problem.horizon, problem.reset) or not games:
        return None
    if BEST_STATIC not in hashes or not all(each.sha256 in names for each in opponents):
        return None
    return _mean(table, [names[each.sha256] for each in opponents], games[0].name)


def _mean(table: CrossTable, opponents: Sequence[str], game: str) -> float | None:
    """Return the mean reward of the best static strategy over opponents; None if it is not finite."""
    own = {row.opponent: row.own.value for row in table.rows if (row.player, row.game) == (BEST_STATIC, game)}
    mean = float(np.mean([own[name] for name in opponents]))
    return mean if np.isfinite(mean) else None
