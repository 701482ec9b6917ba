"""Lifetimes: two players meet for many plays of a game, and each learns after every play.

Axes: B lifetimes, T meta-steps, S states of a policy, Q quantiles.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from metadisco.inner.games.matrix import Game, values, visits
from metadisco.inner.games.players.base import Player, random_logits
from metadisco.types import Key

Reset: TypeAlias = Literal["shaper", "players"]
"""Who plays the first, unpaid play in the seat of the player: `shaper`, N(0, 1) logits whatever the player is, as where
M-FOS is trained; `players`, the player itself, as in M-FOS's table of baselines."""

RESETS: tuple[Reset, ...] = get_args(Reset)


class Outcome(NamedTuple):
    """How lifetimes went."""

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
    """How lifetimes went, meta-step by meta-step."""

    own_reward: Spread
    """Of the player, [T] and [T, Q]."""
    other_reward: Spread
    """Of the opponent."""
    own_policy: Spread
    """Probabilities of C of the player, in the order of its own states, [T, S] and [T, Q, S]."""
    other_policy: Spread
    """Those of the opponent, in the order of *its* own states."""
    visits: Float[Array, "T 4"]
    """Discounted shares of CC, CD, DC, DD, the player's action named first, mean over lifetimes; they sum to 1."""


class _Table(NamedTuple):
    """Both players before a play, all lifetimes: leaves [..., B]."""

    player: Any
    """States of the player."""
    opponent: Any
    """Those of the opponent."""
    own: Float[Array, "S B"]
    """Policies that the player's seat plays next."""
    other: Float[Array, "S B"]
    """Those of the opponent's."""


def play_lifetimes(
    key: Key,
    player: Player,
    opponent: Player,
    game: Game,
    horizon: int,
    num_lifetimes: int,
    reset: Reset = "shaper",
) -> Outcome:
    """Let a player meet many opponents, each in a lifetime of its own.

    One play is unpaid: both are updated by it. Then there are `horizon` meta-steps: both policies play, both are paid
    `game.scale` times their value, and both are updated at once by the same pair of policies.

    Args:
        key: gives lifetimes their starts; consumed. The same key gives opponents the same starts, whoever plays.
        player: in the seat from which `game` is seen.
        opponent: in the other one; it sees `game.swapped`.
        game: what is played.
        horizon: paid meta-steps, T.
        num_lifetimes: B.
        reset: who plays the unpaid play.
    """
    seats = _Seats(player, opponent, game)

    def step(carry: tuple[_Table, Outcome], paid: Array) -> tuple[tuple[_Table, Outcome], None]:
        table, total = carry
        rewards = seats.rewards(table)
        total = Outcome(own=total.own + paid * rewards.own, other=total.other + paid * rewards.other)
        return (seats.play(table), total), None

    zeros = Outcome(own=jnp.zeros(num_lifetimes), other=jnp.zeros(num_lifetimes))
    paid = jnp.ones(1 + horizon).at[0].set(0.0)  # the unpaid play is a step like any other: half as much to compile
    (_, total), _ = jax.lax.scan(step, (seats.begin(key, num_lifetimes, reset), zeros), paid)
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
    """Return what the lifetimes of `play_lifetimes` look like at every meta-step, reduced over them as they go.

    Args: as there, and
        quantiles: which ones to return beside means, each in [0, 1].
    """
    seats = _Seats(player, opponent, game)

    def spread(numbers: Array) -> Spread:
        return Spread(mean=numbers.mean(-1), quantiles=jnp.quantile(numbers, jnp.asarray(quantiles), axis=-1))

    def step(table: _Table, _: None) -> tuple[_Table, Trace]:
        rewards = seats.rewards(table)
        shares = game.scale * visits(game, table.own, table.other)
        row = Trace(
            own_reward=spread(rewards.own),
            other_reward=spread(rewards.other),
            own_policy=spread(jax.nn.sigmoid(table.own)),
            other_policy=spread(jax.nn.sigmoid(table.other)),
            visits=shares.mean(-1),
        )
        return seats.play(table), row

    _, rows = jax.lax.scan(step, seats.begin(key, num_lifetimes, reset), None, length=1 + horizon)
    paid: Trace = jax.tree.map(lambda leaf: leaf[1:], rows)
    return paid


class _Seats(NamedTuple):
    """Who plays what; the functions are of all lifetimes at once."""

    player: Player
    opponent: Player
    game: Game

    def begin(self, key: Key, num_lifetimes: int, reset: Reset) -> _Table:
        """Return what stands before the unpaid play."""

        def in_each(key: Key, draw: Callable[[Key], Any]) -> Any:
            return jax.vmap(draw, out_axes=-1)(jax.random.split(key, num_lifetimes))

        key_player, key_opponent, key_random = jax.random.split(key, 3)
        table = self._about_to_play(
            in_each(key_player, lambda each: self.player.init(each, self.game)),
            in_each(key_opponent, lambda each: self.opponent.init(each, self.game.swapped)),
        )
        if reset == "shaper":
            return table._replace(own=in_each(key_random, lambda each: random_logits(each, self.game)))
        return table

    def rewards(self, table: _Table) -> Outcome:
        """Return what the next play pays."""
        own, other = values(self.game, table.own, table.other)
        return Outcome(own=self.game.scale * own, other=self.game.scale * other)

    def play(self, table: _Table) -> _Table:
        """Return what stands after the next play, by which both players were updated at once."""
        return self._about_to_play(
            self.player.update(table.player, table.own, table.other, self.game),
            self.opponent.update(table.opponent, table.other, table.own, self.game.swapped),
        )

    def _about_to_play(self, player: Any, opponent: Any) -> _Table:
        own, other = self.player.logits(player), self.opponent.logits(opponent)
        return _Table(player=player, opponent=opponent, own=own, other=other)
