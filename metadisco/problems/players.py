"""Players of repeated games by name: learners, strategies, and meta-policies from earlier searches."""

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from metadisco.discoveries.meta_problems import load_meta_params
from metadisco.discoveries.names import check_pinned
from metadisco.discoveries.sources import Source, find_discovery, short_names
from metadisco.errors import UnknownNameError, UserError, nearest, shown
from metadisco.inner.games import Game, make_game
from metadisco.inner.games.players import LEARNERS, Player, make_learner
from metadisco.inner.games.players.meta_player import MetaPlayer
from metadisco.objectives.arithmetic import in_float32
from metadisco.parametrisations import make_parametrisation
from metadisco.storage.files import text_of
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
    if is_learner(spec):
        return make_learner(spec, game, key)
    check_pinned(key, spec)
    return load_player(spec, game, key)


def is_learner(spec: Any) -> bool:
    """Return whether this is a learner's name, or a section; a path has no colon, or more before it than a name."""
    if not isinstance(spec, str):
        return True
    name, colon, _ = spec.partition(":")
    return name in LEARNERS or bool(colon)


def load_player(name: str, game: Game, key: str) -> Player:
    """Return a meta-policy from an earlier search, as a player.

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
    return as_player(_bound(source))


def load_meta_policy(name: str | os.PathLike[str]) -> MetaPolicy:
    """Return a meta-policy of opponent shaping.

    Args:
        name: a published discovery; or the path of a run: its newest centre, or with `RUN@640` the one after 640
            generations. Or the path of an artefact.

    Returns:
        `initial_memory()`, and `act(meta_state, memory) -> (logits, memory)`: probabilities [2N] of the first action
        under both policies just played, its own before the other player's, and logits [N] of its next policy, in the
        order start, CC, CD, DC, DD, own action first; N is 5, or 1 in a game of one round.

    Raises:
        UserError: if it does not exist, is of another kind, or cannot be used.

    Example:
        import jax

        policy = metadisco.load_meta_policy("runs/mfos")
        logits, memory = policy.act(jax.numpy.full(10, 0.5), policy.initial_memory())
    """
    source = find_meta_policy(text_of(name), "meta-policy", others=())
    bound = _bound(source)
    if not isinstance(bound, MetaPolicy):
        kind = (source.section or {}).get("name")
        raise UserError(f"meta-policy: got {source.name!r}, which {kind} defines, allowed: a policy that sees policies")
    return bound


@in_float32
def _bound(source: Source) -> Any:
    """Return the meta-policy that meta-parameters define."""
    assert source.section is not None
    return make_parametrisation(source.section).bind(load_meta_params(source.name))


def find_meta_policy(name: str, key: str, others: Collection[str] = tuple(LEARNERS)) -> Source:
    """Return the discovery that a name of a meta-policy refers to.

    Args:
        name: of a run, artefact or published discovery.
        key: the setting that holds it, for messages.
        others: other names that are allowed.

    Raises:
        UserError: if it does not exist, or is not a meta-policy.
    """
    try:
        source = find_discovery(name)
    except UnknownNameError as error:
        places = "the path of a meta-policy's run or artefact, or a published one"
        allowed = f"{', '.join(others)}, package.module:MyLearner, or {places}" if others else places
        raise UserError(f"{key}: got {shown(name)}, allowed: {allowed}{nearest(name, others)}") from error
    except UserError as error:
        raise UserError(f"{key}: {error}") from error
    if source.problem["name"] != PROBLEM:
        raise UserError(f"{key}: got {name!r}, found by {source.problem['name']}, allowed: a meta-policy")
    return source


def game_of(source: Source) -> Game:
    """Return the game that a meta-policy was evolved for, from its seat."""
    return make_game(source.problem.get("game", "ipd")).from_seat(source.problem.get("seat", 1))


def as_player(bound: Any) -> Player:
    """Return a player from a bound parametrisation: a meta-policy is wrapped, a player is returned as it is."""
    if isinstance(bound, MetaPolicy):
        return MetaPlayer(bound.act, bound.initial_memory())
    player: Player = bound
    return player


def names_of(specs: Sequence[Any]) -> list[str]:
    """Return distinct names of players for rows and tables."""
    names = [name_of(spec) for spec in specs]
    short = short_names([name for name, spec in zip(names, specs, strict=True) if not is_learner(spec)])
    names = [short.get(name, name) for name in names]
    return [name if names.count(name) == 1 else f"{name}#{number}" for number, name in enumerate(names, 1)]


def name_of(spec: Any) -> str:
    """Return a player in words: its name or path, and the settings of a section."""
    if not isinstance(spec, Mapping):
        return str(spec)
    settings = ",".join(f"{key}={value}" for key, value in spec.items() if key != "name")
    return f"{spec.get('name')}:{settings}" if settings else str(spec.get("name"))
