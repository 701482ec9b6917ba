"""Games of several players as an environment of one agent, against opponents that do not learn.

The agent is always player 0; who moves first is drawn by the game. Let τ(0) < τ(1) < … be the moves of the agent and
r_j its reward at move j of the game. One step of the environment pays

    R_k = Σ r_j over τ(k) ≤ j < τ(k+1),

what its own move pays, and all moves of others until it is to move again. γ counts decisions of the agent. The return
without discount is its outcome of the game.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.inner.envs.base import Discrete, Env, Ranges, auto_reset
from metadisco.inner.envs.opponents import Memory, Move, Opponent
from metadisco.types import Key

AGENT = 0


class Game(NamedTuple):
    """The rules of a game, as pure functions; its states are those of `opponents.GameState`."""

    init: Callable[[Key], Any]
    """(key) -> the first state."""
    move: Move
    observe: Callable[[Any], Array]
    """state -> observation of the current player, which ends with the mask of legal actions."""


class _State(NamedTuple):
    game: Any
    memory: Memory
    """Of the opponent, for this game."""
    owed: Float[Array, ""]
    """Reward of the agent before its first move; paid with it."""


def folded(
    game: Game,
    opponent: Opponent,
    *,
    obs_shape: tuple[int, ...],
    action_space: Discrete,
    episode_length: int,
    indicators: Ranges,
) -> Env:
    """Return the environment of player 0; it is always its turn, or the game is over.

    Args:
        game: the rules.
        opponent: plays for all others.
        obs_shape: shape of an observation.
        action_space: actions of any player.
        episode_length: time limit in decisions of the agent.
        indicators: entries of the observation that are 0 or 1.
    """

    def others(key: Key, state: Any, memory: Memory) -> tuple[Any, Array]:
        """Play until it is the agent's turn or the game is over; return its rewards.

        One player can have several moves in a row. Every game ends, so that the loop has no other bound: with one, the
        agent would move for its opponent.
        """

        def go_on(carry: tuple[Key, Any, Array]) -> Array:
            _, state, _ = carry
            return (state.current_player != AGENT) & ~state.terminated

        def play(carry: tuple[Key, Any, Array]) -> tuple[Key, Any, Array]:
            key, state, total = carry
            key, key_act, key_move = jax.random.split(key, 3)
            action = opponent.act(key_act, state, game.observe(state), memory)
            state = game.move(key_move, state, action)
            return key, state, total + state.rewards[AGENT]

        _, state, total = jax.lax.while_loop(go_on, play, (key, state, jnp.zeros(())))
        return state, total

    def reset(key: Key) -> tuple[_State, Array]:
        key_game, key_opponent, key_others = jax.random.split(key, 3)
        memory = opponent.begin(key_opponent)
        state, owed = others(key_others, game.init(key_game), memory)
        return _State(state, memory, owed), game.observe(state)

    def step(key: Key, state: _State, action: Array) -> tuple[_State, Array, Array, Array]:
        key_move, key_others = jax.random.split(key)
        after = game.move(key_move, state.game, action)
        own = after.rewards[AGENT]
        after, total = others(key_others, after, state.memory)
        reward = state.owed + own + total
        return _State(after, state.memory, jnp.zeros(())), game.observe(after), reward, after.terminated

    return auto_reset(
        reset,
        step,
        obs_shape=obs_shape,
        action_space=action_space,
        episode_length=episode_length,
        indicators=indicators,
    )
