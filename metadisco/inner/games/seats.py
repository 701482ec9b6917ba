"""Two players of a game, exact or sampled. Axes: B lifetimes, S states of a policy.

The game is sampled if a player learns from its own experience (`SampledPlayer`); otherwise values are exact.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import Array
from jaxtyping import Float

from metadisco.errors import UserError
from metadisco.inner.games.matrix import Game, values, visits
from metadisco.inner.games.players.base import Player, SampledPlayer, random_logits
from metadisco.inner.games.sampled import Experience, experience_of, sample_outcomes, shares, swapped
from metadisco.types import Key


class Table(NamedTuple):
    """Both players before a play, all lifetimes: leaves [..., B]."""

    player: Any
    """States of the player."""
    opponent: Any
    """Those of the opponent."""
    own: Float[Array, "S B"]
    """Policies that the player's seat plays next."""
    other: Float[Array, "S B"]
    """Those of the opponent's."""


class Play(NamedTuple):
    """Rewards and outcomes of a play."""

    own: Float[Array, "B"]
    """Reward of the player."""
    other: Float[Array, "B"]
    """That of the opponent."""
    visits: Float[Array, "4 B"]
    """Shares of CC, CD, DC, DD, the player's action named first: discounted in an exact game, of steps in a sampled
    one."""


class Seats(NamedTuple):
    """Two players at an exact game; the functions act on all lifetimes together."""

    player: Player
    opponent: Player
    game: Game

    def begin(self, key: Key, num_lifetimes: int, is_random: bool) -> Table:
        """Return the state before the unpaid play, which the player's seat may play with N(0, 1) logits instead."""

        def in_each(key: Key, draw: Callable[[Key], Any]) -> Any:
            return jax.vmap(draw, out_axes=-1)(jax.random.split(key, num_lifetimes))

        key_player, key_opponent, key_random = jax.random.split(key, 3)
        table = about_to_play(
            self,
            in_each(key_player, lambda each: self.player.init(each, self.game)),
            in_each(key_opponent, lambda each: self.opponent.init(each, self.game.swapped)),
        )
        if is_random:
            return table._replace(own=in_each(key_random, lambda each: random_logits(each, self.game)))
        return table

    def play(self, table: Table) -> tuple[Table, Play]:
        """Return the state after the next play, which updates both players simultaneously, and its rewards."""
        own, other = values(self.game, table.own, table.other)
        scale = self.game.scale
        paid = Play(scale * own, scale * other, scale * visits(self.game, table.own, table.other))
        after = about_to_play(
            self,
            self.player.update(table.player, table.own, table.other, self.game),
            self.opponent.update(table.opponent, table.other, table.own, self.game.swapped),
        )
        return after, paid


class SampledTable(NamedTuple):
    """State before a play of a sampled game."""

    key: Key
    """Of all plays to come."""
    table: Table
    """Both players."""

    @property
    def own(self) -> Float[Array, "S B"]:
        """Policies that the player's seat plays next."""
        return self.table.own

    @property
    def other(self) -> Float[Array, "S B"]:
        """Those of the opponent's."""
        return self.table.other


class SampledSeats(NamedTuple):
    """Two players at a sampled game."""

    seats: Seats
    num_steps: int
    num_envs: int

    def begin(self, key: Key, num_lifetimes: int, is_random: bool) -> SampledTable:
        """Return the state before the unpaid play."""
        key_begin, key_plays = jax.random.split(key)
        return SampledTable(key=key_plays, table=self.seats.begin(key_begin, num_lifetimes, is_random))

    def play(self, before: SampledTable) -> tuple[SampledTable, Play]:
        """Return the state after the next play, and mean rewards of its steps."""
        key_plays, key_actions, key_player, key_opponent = jax.random.split(before.key, 4)
        (player, opponent, game), table = self.seats, before.table
        outcomes = sample_outcomes(key_actions, table.own, table.other, game, self.num_steps, self.num_envs)
        seen, seen_by_other = experience_of(outcomes, game), experience_of(swapped(outcomes), game.swapped)
        after = about_to_play(
            self.seats,
            _updated(key_player, player, table.player, (table.own, table.other), game, seen),
            _updated(key_opponent, opponent, table.opponent, (table.other, table.own), game.swapped, seen_by_other),
        )
        paid = Play(seen.reward.mean((0, 1)), seen_by_other.reward.mean((0, 1)), shares(outcomes))
        return SampledTable(key=key_plays, table=after), paid


def about_to_play(seats: Seats, player: Any, opponent: Any) -> Table:
    """Return the state before a play, from the states of both players."""
    own, other = seats.player.logits(player), seats.opponent.logits(opponent)
    return Table(player=player, opponent=opponent, own=own, other=other)


def _updated(
    key: Key, player: Player, state: Any, policies: tuple[Array, Array], game: Game, experience: Experience
) -> Any:
    """Return a player's state after a sampled play: who learns from experience sees that, and others both policies."""
    if isinstance(player, SampledPlayer):
        return player.learn(key, state, experience, game)
    return player.update(state, *policies, game)


def take_seats(player: Player, opponent: Player, game: Game) -> Seats | SampledSeats:
    """Return two players at a game, which is sampled where one of them needs it.

    Raises:
        UserError: if both need it, in sizes that differ.
    """
    seats = Seats(player, opponent, game)
    sizes = {(each.num_steps, each.num_envs) for each in (player, opponent) if isinstance(each, SampledPlayer)}
    if not sizes:
        return seats
    if len(sizes) > 1:
        shown = " and ".join(map(str, sorted(sizes)))
        raise UserError(f"num_steps, num_envs: got {shown} of two players, allowed: the same of both")
    return SampledSeats(seats, *sizes.pop())
