"""Opponents in board and card games: players that do not learn.

An opponent sees the state of the game and its own observation of it. Those by name look at the state; agents that were
trained see their observation alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int

from metadisco.inner.envs.base import Interface
from metadisco.types import Key

Memory: TypeAlias = Any


OPPONENTS = ("random", "one_ply", "two_ply")
"""Opponents by name."""


GameState: TypeAlias = Any
"""State of a game, a pytree with these attributes. Axes: P players, N actions.

- `current_player`, int scalar: whose turn it is.
- `rewards` [P]: rewards of the last move.
- `terminated`, boolean scalar: whether the game is over; a move then changes nothing and pays nothing.
- `legal_action_mask` [N]: which actions are legal; never none.
"""

Move: TypeAlias = Callable[[Key, GameState, Array], GameState]
"""(key, state, action) -> the state after a move of the current player."""


class Opponent(NamedTuple):
    """A player that does not learn."""

    begin: Callable[[Key], Memory]
    """(key) -> its state for one game, such as which of several agents plays."""
    act: Callable[[Key, GameState, Array, Memory], Int[Array, ""]]
    """(key, state, observation, memory) -> action; the observation ends with the mask of legal actions."""
    interface: Interface | None = None
    """Observations and actions with which it was trained; None if it looks at the state."""


def random_mover() -> Opponent:
    """Return the opponent that draws a legal action."""
    return Opponent(_nothing, lambda key, state, obs, memory: _drawn(key, state.legal_action_mask))


def planner(move: Move, *, replies: bool) -> Opponent:
    """Return the opponent that looks ahead, and draws one of the moves that are best so far.

    Without `replies` it takes the move with the largest immediate reward: it wins where it can, and is otherwise
    random. With them it also subtracts the most that the next player can win in reply, so that it does not hand over a
    win. Where it moves twice in a row, the reply is its own.

    Args:
        move: the rules.
        replies: whether to look at all answers; the cost is the square of the number of actions.
    """

    def best_reply(key: Key, state: GameState, me: Array) -> Array:
        """Return my reward by the best answer of whoever moves next; 0 where the game is over."""
        mover = state.current_player
        after = jax.vmap(move, (None, None, 0))(key, state, _all_actions(state))
        theirs = jnp.where(state.legal_action_mask, after.rewards[:, mover], -jnp.inf)
        answer = jnp.argmax(theirs)
        return jnp.where(state.terminated, 0.0, after.rewards[answer, me])

    def act(key: Key, state: GameState, obs: Array, memory: Memory) -> Array:
        key_move, key_reply, key_draw = jax.random.split(key, 3)
        me = state.current_player
        after = jax.vmap(move, (None, None, 0))(key_move, state, _all_actions(state))
        worth = after.rewards[:, me]
        if replies:
            worth += jax.vmap(best_reply, (None, 0, None))(key_reply, after, me)
        worth = jnp.where(state.legal_action_mask, worth, -jnp.inf)
        return _drawn(key_draw, worth == worth.max())

    return Opponent(_nothing, act)


def one_of(opponents: Sequence[Opponent]) -> Opponent:
    """Return the opponent that is one of several, drawn for each game."""
    if len(opponents) == 1:
        return opponents[0]

    def begin(key: Key) -> Memory:
        key_which, key_rest = jax.random.split(key)
        keys = jax.random.split(key_rest, len(opponents))
        memories = tuple(each.begin(key) for each, key in zip(opponents, keys, strict=True))
        return jax.random.randint(key_which, (), 0, len(opponents)), memories

    def act(key: Key, state: GameState, obs: Array, memory: Memory) -> Array:
        which, memories = memory
        choices = [
            lambda key, state, obs, act=each.act, own=own: act(key, state, obs, own).astype(jnp.int32)
            for each, own in zip(opponents, memories, strict=True)
        ]
        action: Array = jax.lax.switch(which, choices, key, state, obs)
        return action

    return Opponent(begin, act)


def _drawn(key: Key, allowed: Bool[Array, "N"]) -> Int[Array, ""]:
    """Draw one of the actions that are allowed."""
    return jax.random.categorical(key, jnp.where(allowed, 0.0, -jnp.inf))


def _all_actions(state: GameState) -> Int[Array, "N"]:
    return jnp.arange(state.legal_action_mask.shape[0], dtype=jnp.int32)


def _nothing(key: Key) -> tuple[()]:
    del key
    return ()
