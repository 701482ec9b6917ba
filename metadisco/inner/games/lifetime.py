"""Lifetimes: two players meet for many plays of a game, and each learns after every play.

Axes: B lifetimes, T meta-steps, S states of a policy, Q quantiles.
"""

from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.inner.games.matrix import Game
from metadisco.inner.games.players.base import Player
from metadisco.inner.games.seats import take_seats
from metadisco.types import Key

Reset: TypeAlias = Literal["shaper", "players"]
"""Who plays the first, unpaid play in the seat of the player: `shaper`, N(0, 1) logits whatever the player is, as where
M-FOS is trained; `players`, the player itself, as in M-FOS's table of baselines."""

RESETS: tuple[Reset, ...] = get_args(Reset)


class Outcome(NamedTuple):
    """Mean rewards of lifetimes."""

    own: Float[Array, "B"]
    """Mean reward of the player over the meta-steps of a lifetime."""
    other: Float[Array, "B"]
    """The same of the opponent."""


class Spread(NamedTuple):
    """A number of every lifetime at each meta-step, over lifetimes."""

    mean: Float[Array, "T ..."]
    """Mean over lifetimes."""
    quantiles: Float[Array, "T Q ..."]
    """Quantiles over lifetimes, those that were asked for."""


class Trace(NamedTuple):
    """The course of lifetimes, meta-step by meta-step."""

    own_reward: Spread
    """Of the player, [T] and [T, Q]."""
    other_reward: Spread
    """Of the opponent."""
    own_policy: Spread
    """Probabilities of C of the player, in the order of its own states, [T, S] and [T, Q, S]."""
    other_policy: Spread
    """Those of the opponent, in the order of *its* own states."""
    visits: Float[Array, "T 4"]
    """Shares of CC, CD, DC, DD, the player's action named first, mean over lifetimes; they sum to 1. Discounted in an
    exact game, of all steps in a sampled one."""


def play_lifetimes(
    key: Key,
    player: Player,
    opponent: Player,
    game: Game,
    horizon: int,
    num_lifetimes: int,
    reset: Reset = "shaper",
) -> Outcome:
    """Let a player meet many opponents, each in a separate lifetime.

    One play is unpaid: both are updated by it. Then there are `horizon` meta-steps: both policies play, both are paid
    `game.scale` times their value, and both are updated simultaneously from the same pair of policies. If a player is a
    `SampledPlayer`, a play is sampled action by action: both are paid their mean reward per step, and such a player
    learns from its own states, actions and rewards.

    Args:
        key: determines the starts; consumed. The same key gives opponents the same starts against any player.
        player: in the seat from which `game` is seen.
        opponent: in the other one; it sees `game.swapped`.
        game: that is played.
        horizon: paid meta-steps, T.
        num_lifetimes: B.
        reset: who plays the unpaid play.
    """
    seats = take_seats(player, opponent, game)

    def step(carry: tuple[Any, Outcome], paid: Array) -> tuple[tuple[Any, Outcome], None]:
        table, total = carry
        after, play = seats.play(table)
        total = Outcome(own=total.own + paid * play.own, other=total.other + paid * play.other)
        return (after, total), None

    zeros = Outcome(own=jnp.zeros(num_lifetimes), other=jnp.zeros(num_lifetimes))
    paid = jnp.ones(1 + horizon).at[0].set(0.0)  # the unpaid play is a step like any other: half as much to compile
    (_, total), _ = jax.lax.scan(step, (seats.begin(key, num_lifetimes, reset == "shaper"), zeros), paid)
    return Outcome(own=total.own / horizon, other=total.other / horizon)


def trace_lifetimes(
    key: Key,
    player: Player,
    opponent: Player,
    game: Game,
    horizon: int,
    num_lifetimes: int,
    reset: Reset = "shaper",
    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9),
) -> Trace:
    """Return statistics over the lifetimes of `play_lifetimes` at every meta-step, reduced during the scan.

    Args: as there, and
        quantiles: which ones to return beside means, each in [0, 1].
    """
    seats = take_seats(player, opponent, game)

    def spread(numbers: Array) -> Spread:
        return Spread(mean=numbers.mean(-1), quantiles=jnp.quantile(numbers, jnp.asarray(quantiles), axis=-1))

    def step(table: Any, _: None) -> tuple[Any, Trace]:
        after, play = seats.play(table)
        row = Trace(
            own_reward=spread(play.own),
            other_reward=spread(play.other),
            own_policy=spread(jax.nn.sigmoid(table.own)),
            other_policy=spread(jax.nn.sigmoid(table.other)),
            visits=play.visits.mean(-1),
        )
        return after, row

    _, rows = jax.lax.scan(step, seats.begin(key, num_lifetimes, reset == "shaper"), None, length=1 + horizon)
    paid: Trace = jax.tree.map(lambda leaf: leaf[1:], rows)
    return paid
