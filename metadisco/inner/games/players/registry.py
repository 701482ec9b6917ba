"""Players by name, with their settings."""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

import jax
import jax.numpy as jnp

from metadisco.config import build_settings
from metadisco.config.code.imports import load_object
from metadisco.errors import UserError, nearest, shown
from metadisco.inner.games.matrix import Game
from metadisco.inner.games.players.base import ByLifetime, Player, SampledPlayer
from metadisco.inner.games.sampled import experience_of

HERE = "metadisco.inner.games.players"
LEARNERS: dict[str, str] = {
    "naive": f"{HERE}.naive:Naive",
    "lola": f"{HERE}.lola:LOLA",
    "look_ahead": f"{HERE}.lola:LookAhead",
    "m_maml": f"{HERE}.naive:MMAML",
    "best_response": f"{HERE}.best_response:BestResponse",
    "tabular_ppo": f"{HERE}.tabular_ppo:TabularPPO",
    "static": f"{HERE}.static:Static",
    "all_defect": f"{HERE}.static:AllDefect",
    "all_cooperate": f"{HERE}.static:AllCooperate",
    "half": f"{HERE}.static:Half",
    "tit_for_tat": f"{HERE}.static:TitForTat",
    "grim": f"{HERE}.static:Grim",
    "win_stay_lose_shift": f"{HERE}.static:WinStayLoseShift",
    "zero_determinant": f"{HERE}.zero_determinant:ZeroDeterminant",
}
"""Built-in players by the name that they have in a config, each as the module and class of its settings."""

NUMBERS = {"static": "probabilities", "m_maml": "initial_logits"}
"""The setting that is meant where numbers alone follow a name, as in `static:0,1,0,1,0`."""


def make_learner(spec: Any, game: Game, key: str = "problem.opponents") -> Player:
    """Return a player that can play a game.

    Args:
        spec: a name of `LEARNERS`, or `package.module:MyLearner` of a user-defined class, written for
            one lifetime; or a mapping of `name` and
            settings; or, for a built-in one, both in a word (see `parse_learner`).
        game: as this player sees it.
        key: the setting that holds it, for messages.

    Raises:
        UserError: one sentence with the key, the given value and the allowed ones.
    """
    section = parse_learner(spec, key)
    name = section["name"]
    given = {setting: value for setting, value in section.items() if setting != "name"}
    if name in LEARNERS:
        player: Player = build_settings(resolve_name(LEARNERS[name]), given, prefix=f"{key}.")
    else:
        one = load_object(name, key=key, arguments=given)
        for method in ("init", "logits", "update"):
            if not callable(getattr(one, method, None)):
                raise UserError(f"{key}: {name} has no method {method!r}, which a player needs")
        player = ByLifetime(one)
    check_player(player, game, key)
    return player


def parse_learner(spec: Any, key: str = "problem.opponents") -> dict[str, Any]:
    """Return a player as a section: `name`, and the settings that are given.

    In a word they follow the name after a colon: `lola:learning_rate=0.5,form=first_paper`; `zero_determinant:chi=4`;
    of `static` and `m_maml` numbers alone, `static:0,1,0,1,0`.

    Raises:
        UserError: for an unknown name, or words that are neither settings nor numbers.
    """
    section = {"name": spec} if isinstance(spec, str) else spec
    if not isinstance(section, Mapping) or not isinstance(section.get("name"), str):
        raise UserError(f"{key}: got {shown(spec)}, allowed: a name, or a section with name and settings")
    name, _, words = section["name"].partition(":")
    if name not in LEARNERS:
        if words and "=" not in words:
            return dict(section)
        raise UserError(
            f"{key}: got {shown(name)}, allowed: {', '.join(LEARNERS)} or package.module:MyLearner"
            f"{nearest(name, LEARNERS)}"
        )
    given = [pair for pair in section.items() if pair[0] != "name"] + (_settings(name, words, key) if words else [])
    settings = dict(given)
    if len(settings) < len(given):
        raise UserError(f"{key}: got a setting of {shown(spec)} twice, allowed: each once")
    return {"name": name, **settings}


def _settings(name: str, words: str, key: str) -> list[tuple[str, Any]]:
    """Return the settings that are written in a word."""
    parts = words.split(",")
    if name in NUMBERS and "=" not in words:
        numbers = [_value(part) for part in parts]
        if all(isinstance(number, float) for number in numbers):
            return [(NUMBERS[name], numbers)]
    elif all("=" in part for part in parts):
        return [(setting.strip(), _value(text)) for setting, _, text in (part.partition("=") for part in parts)]
    numbers_too = ", or numbers" if name in NUMBERS else ""
    raise UserError(f"{key}: got {f'{name}:{words}'!r}, allowed: {name}:SETTING=VALUE[,SETTING=VALUE …]{numbers_too}")


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip()


def check_player(player: Player, game: Game, key: str) -> None:
    """Refuse a player that cannot play a game: nothing is computed, only shapes.

    Raises:
        UserError: saying why.
    """
    shape = (game.num_logits, 2)  # of the policies of two lifetimes

    def begin(keys: Any) -> tuple[Any, Any]:
        state = jax.vmap(lambda each: player.init(each, game), out_axes=-1)(keys)
        return state, player.logits(state)

    def play(state: Any, own: Any) -> tuple[Any, Any]:
        if isinstance(player, SampledPlayer):
            outcomes = jnp.zeros((player.num_steps, player.num_envs, 2), jnp.int32)
            after = player.learn(jax.random.key(0), state, experience_of(outcomes, game), game)
        else:
            after = player.update(state, own, jnp.zeros(shape), game)
        return after, player.logits(after)

    try:
        before = jax.eval_shape(begin, jax.random.split(jax.random.key(0), 2))
        _check_policies(before[1], shape, key, game)
        after = jax.eval_shape(play, *before)
    except UserError as error:
        text = str(error)
        raise UserError(text if text.startswith(f"{key}:") else f"{key}.{text}") from None
    except (TypeError, ValueError) as error:  # shapes that do not fit, in user-defined code
        raise UserError(f"{key}: the player cannot play {game.name}: {shown(error)}") from error
    if jax.tree.map(_kind, before) != jax.tree.map(_kind, after):
        raise UserError(f"{key}: got a state of other shapes or types after an update of a player, allowed: the same")


def _check_policies(logits: Any, shape: tuple[int, int], key: str, game: Game) -> None:
    got, wanted = jax.tree.map(_kind, logits), _kind(jax.ShapeDtypeStruct(shape, jnp.float32))
    if got != wanted:
        raise UserError(f"{key}: got policies {got} of a player in two lifetimes of {game.name}, allowed: {wanted}")


def _kind(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"
