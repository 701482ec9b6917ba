"""Participants of a cross table, by name; nothing is played yet."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from metadisco.discoveries.sources import digest_of, short_names
from metadisco.errors import UserError
from metadisco.evaluation.controls import BUDGETS, Match, Shuffled, evolved, random_policy
from metadisco.inner.games import Game
from metadisco.inner.games.players import LEARNERS, Player, make_learner
from metadisco.inner.games.players.registry import parse_learner
from metadisco.problems.players import find_meta_policy, is_learner, load_player, name_of

Seat: TypeAlias = Callable[[Match], Player]
"""Makes a player once its opponent is known."""

RANDOM, SHUFFLED, META_POLICY = "random", "shuffled:", "meta_policy"
CONTROLS = (*BUDGETS, RANDOM, f"{SHUFFLED}PATH")
"""Players that are made for each match: the best memory-one strategy and the best plan against the opponent, both
evolved; a meta-policy with random weights; and that of PATH, seeing another lifetime than its own."""


class Entrant(NamedTuple):
    """A player by name."""

    name: str
    """As it was given; a section in words."""
    short: str
    """A short name, for tables and figures."""
    spec: Any
    """As it was given."""
    identity: Any
    """Everything that its policies depend on, as plain data."""

    @property
    def sha256(self) -> str:
        """SHA-256 of its identity; of a meta-policy that of its source."""
        kind, described = self.identity if isinstance(self.identity, list) else ("", None)
        return digest_of(described if kind == META_POLICY else self.identity)


def entrants_of(specs: Sequence[Any], option: str) -> list[Entrant]:
    """Return the named participants.

    Args:
        specs: learners and strategies as `make_learner` takes them, names and paths of meta-policies, and controls.
        option: that names them, for messages.

    Raises:
        UserError: for an unknown name, one that is given twice, or none.
    """
    names = [name_of(spec) for spec in specs]
    if not names:
        raise UserError(f"{option}: got none, allowed: one or more")
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{option}: got {name!r} twice, allowed: each once")
    identities = [_identity(spec, option) for spec in specs]
    paths = [_path(spec) for spec in specs]
    short = short_names([path for path in paths if path])
    called = [
        name if path is None else name.replace(path, short[path]) for name, path in zip(names, paths, strict=True)
    ]
    return [Entrant(*each) for each in zip(names, called, specs, identities, strict=True)]


def _is_control(spec: Any) -> bool:
    return isinstance(spec, str) and (spec in (*BUDGETS, RANDOM) or spec.startswith(SHUFFLED))


def _path(spec: Any) -> str | None:
    """Return the name or path of the meta-policy that is meant, if one is."""
    if isinstance(spec, str) and spec.startswith(SHUFFLED):
        return spec.removeprefix(SHUFFLED)
    return None if _is_control(spec) or is_learner(spec) else str(spec)


def _identity(spec: Any, option: str) -> Any:
    path = _path(spec)
    if path is not None:
        allowed = () if spec != path else LEARNERS if option == "opponents" else (*LEARNERS, *CONTROLS)
        source = find_meta_policy(path, option, allowed)
        return [META_POLICY if spec == path else "shuffled", source.identity]
    return ["control", spec] if _is_control(spec) else parse_learner(spec, option)


def player_seat(entrant: Entrant, game: Game, option: str) -> Seat:
    """Return a player of a game; one that depends on its opponent is completed later.

    Args:
        entrant: who.
        game: from its seat.
        option: that names it, for messages.

    Raises:
        UserError: if it cannot play the game.
    """
    spec = entrant.spec
    if not _is_control(spec):
        player = opponent_player(entrant, game, option)
        return lambda match: player
    path = _path(spec)
    if path is not None:
        policy = load_player(path, game, option)
        return lambda match: Shuffled(policy, match.opponent, match.game)
    if spec == RANDOM:
        return lambda match: random_policy(match.game)
    return lambda match: evolved(spec, match)


def opponent_player(entrant: Entrant, game: Game, option: str) -> Player:
    """Return an opponent, which must not be a control.

    Raises:
        UserError: if it is one, or cannot play the game.
    """
    spec = entrant.spec
    if _is_control(spec):
        raise UserError(f"{option}: got the control {spec!r}, allowed: {', '.join(LEARNERS)}, or a meta-policy")
    return make_learner(spec, game, option) if is_learner(spec) else load_player(str(spec), game, option)
