"""Adapter for Pgx: board and card games, with legal actions. No other file imports Pgx.

Nothing is downloaded or unpickled: Pgx's baseline models are not used.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from metadisco.errors import UserError, nearest
from metadisco.inner.envs.bank import strong
from metadisco.inner.envs.base import Discrete, Env, EnvState, Interface, auto_reset
from metadisco.inner.envs.folded import Game, folded
from metadisco.inner.envs.legal_actions import ignore_mask, with_mask
from metadisco.inner.envs.opponents import OPPONENTS, Opponent, one_of, planner, random_mover
from metadisco.inner.envs.settings import PLACE, check_names, count, switch
from metadisco.types import Key

try:
    import pgx
except ImportError as error:
    raise UserError(f"pgx environments need pgx ({error}): pip install 'pgx>=2.6,<3'") from error

LIBRARIES = ("pgx",)
KINDS = "one discrete choice with legal ones marked; observations are vectors; against opponents that do not learn"
SETTINGS = ("opponent", "episode_length", "legal_actions")
MINATAR = "its licence is GPL-3, and gymnax has the same game"
UNAVAILABLE = {
    **{f"minatar-{game}": MINATAR for game in ("asterix", "breakout", "freeway", "seaquest", "space_invaders")},
    "bridge_bidding": "it needs results that are to be downloaded",
    "mahjong": "Pgx does not offer it yet",
}
LENGTHS = {
    "2048": 4000, "animal_shogi": 256, "backgammon": 2000, "chess": 512, "connect_four": 42, "gardner_chess": 256,
    "go_19x19": 722, "go_9x9": 162, "hex": 122, "kuhn_poker": 3, "leduc_holdem": 8, "othello": 130, "shogi": 512,
    "sparrow_mahjong": 200, "tic_tac_toe": 9,
}  # fmt: skip
"""By the rules the most moves of a game; a generous limit for 2048, backgammon, othello and sparrow_mahjong."""
HIDDEN = ("kuhn_poker", "leduc_holdem", "sparrow_mahjong")
"""Games with cards that opponents may not see."""
MAX_STATES = 20_000
"""Most states that an opponent may look at for one move."""


def names() -> list[str]:
    """Return the supported games of Pgx."""
    return [name for name in sorted(pgx.available_envs()) if name in LENGTHS]


def make(
    name: str,
    *,
    opponent: Any = "random",
    episode_length: int | None = None,
    legal_actions: bool = True,
    **unknown: Any,
) -> Env:
    """Create a game of Pgx as an environment of one agent, which is player 0.

    The game draws who moves first. Opponents play all other players; their moves belong to the agent's step, and a
    step pays what all of these moves pay the agent. Observations are those of the agent, flattened, then the mask.

    Args:
        name: Pgx's name, such as "connect_four".
        opponent: "random"; "one_ply", which takes an immediate win and is otherwise random; "two_ply", which also
            avoids to hand over such a win; an `Opponent`, such as `metadisco.make` loads from the path of saved agents;
            or a list of these, of which one is drawn for each episode. Of no account in games of one player.
        episode_length: time limit in decisions of the agent, which truncates; the default is beyond the longest game
            where the rules bound it.
        legal_actions: whether agents choose among legal actions alone; else an illegal action loses the game.
        **unknown: refused.

    Raises:
        UserError: for an unknown name, or a setting that does not fit the game.
    """
    if name in UNAVAILABLE:
        raise UserError(f"inner.env: pgx/{name} is not offered: {UNAVAILABLE[name]}")
    if name not in names():
        raise UserError(
            f"inner.env: pgx has no environment {name!r}{nearest(name, names())} (metadisco list shows all)"
        )
    check_names(f"pgx/{name}", unknown, SETTINGS)
    length = count("episode_length", LENGTHS[name] if episode_length is None else episode_length)
    switch("legal_actions", legal_actions)
    theirs = pgx.make(name)
    game = _game(theirs)
    state = jax.eval_shape(game.init, jax.random.key(0))
    num_actions, seen = state.legal_action_mask.shape[0], state.observation
    interface = Interface(
        obs_shape=(seen.size + num_actions,),
        action_space=Discrete(num_actions, masked=True),
        indicators=((0, seen.size),) if seen.dtype == jnp.bool_ else (),
    )
    chosen = _opponent(name, opponent, game, interface)
    facts = {**interface._asdict(), "episode_length": length}
    env = _alone(game, facts) if theirs.num_players == 1 else folded(game, chosen, **facts)
    return env if legal_actions else ignore_mask(env)


def _game(env: Any) -> Game:
    """Return the rules of a game."""

    def init(key: Key) -> Any:
        return strong(env.init(key))

    def move(key: Key, state: Any, action: Array) -> Any:
        after = env.step(state, jnp.asarray(action, jnp.int32), key)
        return jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), after, state)

    return Game(init, move, lambda state: with_mask(state.observation, state.legal_action_mask))


def _alone(game: Game, facts: dict[str, Any]) -> Env:
    """Return the environment of a game for one player."""

    def reset(key: Key) -> tuple[EnvState, Array]:
        state = game.init(key)
        return state, game.observe(state)

    def step(key: Key, state: EnvState, action: Array) -> tuple[EnvState, Array, Array, Array]:
        state = game.move(key, state, action)
        return state, game.observe(state), state.rewards[0], state.terminated

    return auto_reset(reset, step, **facts)


def _opponent(name: str, given: Any, game: Game, interface: Interface) -> Opponent:
    """Return the opponent that a setting means."""
    each = list(given) if isinstance(given, list | tuple) and not isinstance(given, Opponent) else [given]
    if not each:
        raise UserError(f"{PLACE}.opponent: got an empty list, allowed: at least one opponent")
    return one_of([_one_opponent(name, one, game, interface) for one in each])


def _one_opponent(name: str, given: Any, game: Game, interface: Interface) -> Opponent:
    if isinstance(given, Opponent):
        theirs = given.interface
        if theirs is not None and (theirs.obs_shape, theirs.action_space) != (
            interface.obs_shape,
            interface.action_space,
        ):
            raise UserError(
                f"{PLACE}.opponent: got agents with observations {theirs.obs_shape} and actions {theirs.action_space}, "
                f"allowed: {interface.obs_shape} and {interface.action_space}, as in pgx/{name}"
            )
        return given
    if given not in OPPONENTS:
        hint = nearest(given, OPPONENTS) if isinstance(given, str) else ""
        raise UserError(
            f"{PLACE}.opponent: got {given!r}, allowed: {', '.join(OPPONENTS)}, or the path of saved agents{hint}"
        )
    if given == "random":
        return random_mover()
    if name in HIDDEN:
        raise UserError(f"{PLACE}.opponent: got {given!r}, which would see hidden cards of {name}, allowed: random")
    num_actions = interface.action_space.num_actions  # type: ignore[union-attr]
    if given == "two_ply" and num_actions**2 > MAX_STATES:
        raise UserError(
            f"{PLACE}.opponent: got 'two_ply', which would look at {num_actions**2:,} states of {name} for each move, "
            f"allowed: up to {MAX_STATES:,}"
        )
    return planner(game.move, replies=given == "two_ply")
