"""Players of repeated games against learners, from Python."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from metadisco.config import parse_config, read_yaml
from metadisco.config.code.own_code import forget_edited
from metadisco.errors import UserError, shown
from metadisco.evolution.display import Display
from metadisco.inner.games import Game, make_game
from metadisco.inner.games.lifetime import RESETS, Reset
from metadisco.storage.files import Name, check_writable, text_of

if TYPE_CHECKING:
    from metadisco.evaluation.cross_table import CrossTable

Spec: TypeAlias = Name | Mapping[str, Any]
"""A name or a path, or a section with `name` and settings."""
MAX_NUMBER = 2**24


def evaluate_players(
    players: Spec | Sequence[Spec],
    opponents: Spec | Sequence[Spec],
    games: Spec | Sequence[Spec] = ("ipd",),
    num_lifetimes: int = 4096,
    *,
    horizon: int = 100,
    reset: Reset = "shaper",
    baseline: Spec | None = None,
    seed: int = 0,
    output: Name | None = None,
    progress: bool = True,
) -> "CrossTable":
    """Let players meet opponents in repeated games, on fresh lifetimes, as `metadisco evaluate --players` does.

    Args:
        players: learners and strategies by name with settings (`naive:learning_rate=2`, `zero_determinant:chi=4`,
            `static:0,1,0,1,0`, `package.module:MyLearner`, or sections), runs and artefacts of meta-policies, and
            controls: `best_static` (the best memory-one strategy against that opponent, evolved), `open_loop` (the best
            plan that sees only the time, evolved), `random` (a meta-policy with random weights) and `shuffled:PATH`
            (a meta-policy that sees another lifetime than its own); none twice.
        opponents: likewise, without controls.
        games: `ipd`, `imp`, `chicken`, `stag_hunt`, a YAML file with `payoffs` and `gamma`, or a mapping like it; of
            different names. Players are in the first seat.
        num_lifetimes: of each cell, B; an opponent has the same starts against all players, and no search uses these.
        horizon: paid meta-steps of each, T.
        reset: who plays the unpaid first play in the players' seat: "shaper", a random policy; "players", the player.
        baseline: the player that others are compared with; the first one if left out.
        seed: of the lifetimes.
        output: a folder for results, tables, figures and finished cells. Repeat the call to resume. Nothing
            is kept if left out.
        progress: show progress, on stderr.

    Returns:
        `rows` (mean rewards per meta-step of both, and paired differences from the baseline, with 95 % intervals),
        `frame()` (the same as tidy pandas data) and `lifetimes()` (a row per lifetime).

    Raises:
        UserError: for input that cannot be used; nothing was written then.

    Example:
        found = metadisco.evaluate_players(["runs/mfos", "all_defect"], "naive", num_lifetimes=8, horizon=3)
        found.frame()[["player", "own", "other"]]
    """
    forget_edited()
    for option, number in (("num_lifetimes", num_lifetimes), ("horizon", horizon)):
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_NUMBER:
            raise UserError(f"{option}: got {shown(number)}, allowed: a whole number from 1 to {MAX_NUMBER}")
    if reset not in RESETS:
        raise UserError(f"reset: got {shown(reset)}, allowed: {' or '.join(get_args(Reset))}")
    playing = {"horizon": horizon, "num_opponents": num_lifetimes}
    sections = {"problem": {"name": "opponent_shaping"}, "inner": playing, "outer": {"num_devices": 1}, "seed": seed}
    config = parse_config(sections)
    found_games = _games(games)

    from metadisco.evaluation.cross_table import Rules, cross_table
    from metadisco.evaluation.entrants import entrants_of

    ours, theirs = (
        entrants_of(_plain(specs, seat), seat) for specs, seat in ((players, "players"), (opponents, "opponents"))
    )
    compared = ours[0].name if baseline is None else entrants_of(_plain(baseline, "baseline"), "baseline")[0].name
    if compared not in {each.name for each in ours}:
        raise UserError(f"baseline: got {compared!r}, allowed: one of {', '.join(each.name for each in ours)}")
    output = None if output is None else text_of(output, "output")
    if output is not None:
        check_writable(Path(output), "output")

    from metadisco.evaluation.cross_results import describe, write_cross_table

    rules = Rules(num_lifetimes, horizon, reset, seed)
    with Display(not progress) as display, tempfile.TemporaryDirectory() as nowhere:
        kept, counting = Path(nowhere if output is None else output), display.counting("cell")
        said = describe(rules)
        found = cross_table(
            ours, theirs, found_games, config, rules, compared, kept,
            announced=lambda: display.say(said), progress=counting,
        )  # fmt: skip
    if output is not None:
        from metadisco.plotting.cross_table import draw_cross_table

        write_cross_table(found, Path(output))
        draw_cross_table(found, Path(output))
    return found


def _plain(specs: Spec | Sequence[Spec], argument: str) -> list[Any]:
    """Return several specs, names as text; a single one is a list of one.

    Raises:
        UserError: for anything else.
    """
    if isinstance(specs, Mapping) or not isinstance(specs, Sequence) or isinstance(specs, str):
        specs = [specs]
    return [dict(each) if isinstance(each, Mapping) else text_of(each, argument) for each in specs]


def _games(specs: Spec | Sequence[Spec]) -> list[Game]:
    """Return games by name, from files, or from sections.

    Raises:
        UserError: if one is not a game, two have the same name, or none is given.
    """
    games = [make_game(_section(spec), "games") for spec in _plain(specs, "games")]
    names = [game.name for game in games]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"games: got {name!r} twice, allowed: each once")
    if not games:
        raise UserError("games: got none, allowed: one or more")
    return games


def _section(spec: Any) -> Any:
    """Return a game read from a file, named after the file if it has no name; return anything else unchanged.

    Raises:
        UserError: if the file cannot be read.
    """
    path = Path(spec) if isinstance(spec, str) else None
    if path is None or path.suffix not in (".yaml", ".yml"):
        return spec
    try:
        return {"name": path.stem, **read_yaml(path)}
    except UserError as error:
        raise UserError(f"games: {error}") from error
