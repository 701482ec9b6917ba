"""Players of repeated games by name: learners, strategies, and meta-policies that were found before."""

from collections.abc import Mapping, Sequence
from typing import Any

from metadisco.discoveries.any_problem import load_meta_params
from metadisco.discoveries.names import check_pinned
from metadisco.discoveries.sources import Source, find_discovery, short_names
from metadisco.errors import UserError
from metadisco.inner.games import Game, make_game
from metadisco.inner.games.players import LEARNERS, Player, make_learner
from metadisco.inner.games.players.meta_player import MetaPlayer
from metadisco.parametrisations import make_parametrisation
from metadisco.types import MetaPolicy

PROBLEM = "opponent_shaping"


def make_player(spec: Any, game: Game, key: str) -> Player:
    """Return a player that can play a game.

    Args:
        spec: a learner or strategy as `make_learner` takes it, or the name or path of a meta-policy.
        game: as this player sees it.
        key: the setting that holds the spec, for messages.

    Raises:
        UserError: for an unknown name, or a player of another game.
    """
    if _is_learner(spec):
        return make_learner(spec, game, key)
    check_pinned(key, spec)
    return load_player(spec, game, key)


def _is_learner(spec: Any) -> bool:
    """Whether this is the name of a learner, or a section; a path has no colon, or more before it than a name."""
    if not isinstance(spec, str):
        return True
    name, colon, _ = spec.partition(":")
    return name in LEARNERS or bool(colon)


def load_player(name: str, game: Game, key: str) -> Player:
    """Return a meta-policy that was found before, as a player.

    Args:
        name: of a run, artefact or published discovery.
        game: as this player sees it.
        key: the setting that holds the name, for messages.

    Raises:
        UserError: if it is no meta-policy, or was evolved for another game.
    """
    source = find_meta_policy(name, key)
    theirs = game_of(source)
    if (theirs.own, theirs.other, theirs.num_logits) != (game.own, game.other, game.num_logits):
        raise UserError(f"{key}: {name} was evolved for {theirs.name}, allowed: players of {game.name}, in this seat")
    assert source.section is not None
    return as_player(make_parametrisation(source.section).bind(load_meta_params(name)))


def find_meta_policy(name: str, key: str) -> Source:
    """Return what a name of a meta-policy means.

    Raises:
        UserError: if there is no such thing, or it is something else.
    """
    try:
        source = find_discovery(name)
    except UserError as error:
        raise UserError(f"{key}: {error}; learners: {', '.join(LEARNERS)}") from error
    if source.problem["name"] != PROBLEM:
        raise UserError(f"{key}: got {name!r}, found by {source.problem['name']}, allowed: a meta-policy")
    return source


def game_of(source: Source) -> Game:
    """Return the game that a meta-policy was evolved for, from its seat."""
    game = make_game(source.problem.get("game", "ipd"))
    return game if source.problem.get("seat", 1) == 1 else game.swapped


def as_player(bound: Any) -> Player:
    """Return what a parametrisation binds to as a player."""
    if isinstance(bound, MetaPolicy):
        return MetaPlayer(bound.act, bound.initial_memory())
    player: Player = bound
    return player


def names_of(specs: Sequence[Any]) -> list[str]:
    """Return what to call players in rows and tables, each in its own way."""
    names = [_name(spec) for spec in specs]
    short = short_names([name for name, spec in zip(names, specs, strict=True) if not _is_learner(spec)])
    names = [short.get(name, name) for name in names]
    return [name if names.count(name) == 1 else f"{name}#{number}" for number, name in enumerate(names, 1)]


def _name(spec: Any) -> str:
    if not isinstance(spec, Mapping):
        return str(spec)
    settings = ",".join(f"{key}={value}" for key, value in spec.items() if key != "name")
    return f"{spec.get('name')}:{settings}" if settings else str(spec.get("name"))
