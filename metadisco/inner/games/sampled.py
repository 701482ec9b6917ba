"""Matrix games played action by action, and a player's observations of them.

Axes: T steps of an episode, N environments, B lifetimes, S states of a policy.

As in PAX, the field's code for sampled games, an inner episode is one meta-step, environments begin at the start state,
and all of a lifetime share both policies. We differ: an iterated game is cut after T steps and does not end there, so
that a learner may bootstrap; PAX treats the cut as an end. Rewards are means per step, not discounted.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from metadisco.inner.games.matrix import OTHER_ORDER, SWAP, Game
from metadisco.types import Key


class Experience(NamedTuple):
    """A player's experience of one meta-step: its own states, actions and rewards, but not the other's policy."""

    state: Int[Array, "T N B"]
    """In which it acts, as a number among `game.states`, from its own viewpoint."""
    first: Bool[Array, "T N B"]
    """Whether it took the first action, C."""
    reward: Float[Array, "T N B"]
    """Reward of the action."""
    last_state: Int[Array, "N B"]
    """After the last step."""


def sample_outcomes(
    key: Key, own: Float[Array, "S B"], other: Float[Array, "S B"], game: Game, num_steps: int, num_envs: int
) -> Int[Array, "T N B"]:
    """Return the outcomes of play of two policies: 0 to 3 for CC, CD, DC, DD, this player's action named first.

    Args:
        key: consumed.
        own: logits of this player.
        other: those of the other one, in its own order.
        game: as this player sees it; in a game of one round all steps are rounds of their own.
        num_steps: T, from the start state.
        num_envs: N, played side by side.
    """
    own_probability, other_probability = jax.nn.sigmoid(own), jax.nn.sigmoid(_turned(other))
    chances = jax.random.uniform(key, (num_steps, 2, num_envs, own.shape[-1]))

    def step(state: Array, chance: Array) -> tuple[Array, Array]:
        own_second = chance[0] >= look_up(own_probability, state)
        other_second = chance[1] >= look_up(other_probability, state)
        outcome = 2 * own_second.astype(jnp.int32) + other_second.astype(jnp.int32)
        return _state_after(outcome, game), outcome

    _, outcomes = jax.lax.scan(step, jnp.zeros(chances.shape[2:], jnp.int32), chances)
    return outcomes


def experience_of(outcomes: Int[Array, "T N B"], game: Game) -> Experience:
    """Return a player's experience of outcomes in which its own action is named first.

    Args:
        outcomes: as of `sample_outcomes`.
        game: as this player sees it.
    """
    after = _state_after(outcomes, game)
    return Experience(
        state=jnp.concatenate([jnp.zeros_like(after[:1]), after[:-1]]),
        first=outcomes < 2,
        reward=look_up(jnp.asarray(game.own), outcomes),
        last_state=after[-1],
    )


def swapped(outcomes: Int[Array, "..."]) -> Int[Array, "..."]:
    """Return outcomes as the other player names them."""
    return look_up(jnp.asarray(SWAP), outcomes)


def shares(outcomes: Int[Array, "T N B"]) -> Float[Array, "4 B"]:
    """Return how often CC, CD, DC and DD were played, of all steps in all environments."""
    return jnp.stack([(outcomes == each).mean((0, 1)) for each in range(4)])


def look_up(table: Array, index: Int[Array, "... B"]) -> Array:
    """Return entries of a table of a few rows, [S] or [S, B], by row: choices by the element, far quicker than gathers.

    Args:
        table: a row for each value of the index; it may carry gradient.
        index: which row.
    """
    entry = jnp.broadcast_to(table[0], index.shape)
    for row in range(1, table.shape[0]):
        entry = jnp.where(index == row, table[row], entry)
    return entry


def _state_after(outcome: Array, game: Game) -> Array:
    """Return the number of the state after an outcome: in a game of one round always the start."""
    return jnp.zeros_like(outcome) if game.gamma is None else 1 + outcome


def _turned(other: Array) -> Array:
    """Return the other player's policy in the order of this player's states."""
    return jnp.stack([other[state] for state in OTHER_ORDER[: other.shape[0]]])
