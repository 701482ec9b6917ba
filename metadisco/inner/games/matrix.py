"""Two-player 2×2 games between memory-one policies, in the limit of infinitely many rounds: values and derivatives.

A policy is the logits of its first action (C) after each state: start, CC, CD, DC, DD, the player's own action named
first; in a one-shot game it is one logit. Every array of a policy is in the order of its own player's states. Axes: S
states of a policy (5, or 1), first; anything may follow, and whatever does is computed elementwise: thousands of
lifetimes stand in the last axis, where they are quick. Sources: Foerster et al., "Learning with Opponent-Learning
Awareness" (2018), and Lu et al., "Model-Free Opponent Shaping" (2022), for exact discounted games.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

Payoffs: TypeAlias = tuple[float, float, float, float]
Logits: TypeAlias = Float[Array, "S ..."]
Row: TypeAlias = list[Array]

SWAP = (0, 2, 1, 3)
"""Positions of one player's CC, CD, DC, DD in the order of the other."""
OTHER_ORDER = (0, 1, 3, 2, 4)
"""The same of start, CC, CD, DC, DD."""
LARGEST_LOGIT = 80.0
"""Beyond it an action is certain: exp(−θ) is still a normal number in single precision."""


@dataclass(frozen=True)
class Game:
    """A game as one of its players sees it; hashable, so that it can be a static argument of `jax.jit`."""

    name: str
    """Name of the game."""
    own: Payoffs
    """Payoffs of this player after CC, CD, DC, DD, its own action named first."""
    other: Payoffs
    """Payoffs of the other player, in the same order and from the same viewpoint."""
    gamma: float | None = None
    """Discount per round, in [0, 1); None for a game of one round."""

    @property
    def states(self) -> tuple[str, ...]:
        """States that a policy conditions on, in the order of its logits."""
        return ("start",) if self.gamma is None else ("start", "CC", "CD", "DC", "DD")

    @property
    def num_logits(self) -> int:
        """How many logits a policy has."""
        return len(self.states)

    @property
    def scale(self) -> float:
        """Factor from a value to the mean reward of a round: 1 − γ; 1 in a game of one round."""
        return 1.0 if self.gamma is None else 1.0 - self.gamma

    @property
    def swapped(self) -> "Game":
        """The same game from the other player's seat: payoffs exchanged, CD and DC too."""
        cc, cd, dc, dd = SWAP
        own, other = ((of[cc], of[cd], of[dc], of[dd]) for of in (self.other, self.own))
        return Game(self.name, own, other, self.gamma)

    def from_seat(self, seat: int) -> "Game":
        """Return the game as player 1 or player 2 of this one sees it."""
        return self if seat == 1 else self.swapped


class Gradients(NamedTuple):
    """All four gradients of the two values, each in the order of the policy by which it is taken."""

    own_by_own: Logits
    """∂V_own/∂θ_own, the gradient that naive learners follow."""
    own_by_other: Logits
    """∂V_own/∂θ_other."""
    other_by_own: Logits
    """∂V_other/∂θ_own."""
    other_by_other: Logits
    """∂V_other/∂θ_other, the gradient that the other player follows if it is naive."""


class GradientChange(NamedTuple):
    """How the gradients by this player's logits change as the other player's logits move."""

    own_by_own: Logits
    """Of ∂V_own/∂θ_own."""
    other_by_own: Logits
    """Of ∂V_other/∂θ_own."""


class _Play(NamedTuple):
    """Both policies as probabilities, all in the order of this player's states; each a list over states."""

    own: Row
    own_not: Row
    other: Row
    other_not: Row


def values(game: Game, own: Logits, other: Logits) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Return the expected discounted payoffs (V_own, V_other) of two policies, by logits.

    Multiplied by `game.scale` they are mean rewards of a round.
    """
    weights = _visits(game, _play(own, other))
    return _dot(weights, game.own), _dot(weights, game.other)


def visits(game: Game, own: Logits, other: Logits) -> Float[Array, "4 ..."]:
    """Return how often CC, CD, DC and DD are played, a round at t counting γᵗ: the four sum to 1/(1 − γ)."""
    return jnp.stack(_visits(game, _play(own, other)))


def gradient(game: Game, own: Logits, other: Logits) -> Logits:
    """Return ∂V_own/∂θ_own, in closed form."""
    play = _play(own, other)
    values_after, weights = _solved(game, play, (game.own,))
    return _by_own(game, play, values_after[0], weights)


def gradients(game: Game, own: Logits, other: Logits) -> Gradients:
    """Return the gradients of both values by both policies, in closed form."""
    play = _play(own, other)
    (own_after, other_after), weights = _solved(game, play, (game.own, game.other))
    return Gradients(
        own_by_own=_by_own(game, play, own_after, weights),
        own_by_other=_by_other(game, play, own_after, weights),
        other_by_own=_by_own(game, play, other_after, weights),
        other_by_other=_by_other(game, play, other_after, weights),
    )


def change_of_gradients(game: Game, own: Logits, other: Logits, direction: Logits) -> GradientChange:
    """Return how both gradients by this player's logits change as θ_other moves along `direction`, in closed form.

    With dP the change of the transitions P, du that of the visits u, and dv that of the values v of outcomes:
    (I − γP)ᵀ du = dp₀ + γ dPᵀ u, and (I − γP) dv = γ dP v.

    Args:
        game: as this player sees it.
        own: logits of this player.
        other: logits of the other one, in its own order.
        direction: as `other`.
    """
    play = _play(own, other)
    turned = [direction[state] for state in OTHER_ORDER[: game.num_logits]]
    change = [q * not_q * d for q, not_q, d in zip(play.other, play.other_not, turned, strict=True)]
    moved = [_moved(play, state, change[state]) for state in range(game.num_logits)]
    afters, weights = _solved(game, play, (game.own, game.other))
    zero = jnp.zeros_like(weights[0])
    if game.gamma is None:
        dw, dafters = [zero], [[zero] * 4, [zero] * 4]
    else:
        system, gamma = _Elimination(game.gamma, play), game.gamma
        inflow = [sum((w * row[j] for w, row in zip(weights, moved, strict=True)), zero) for j in range(4)]
        dw = [zero, *(gamma * du for du in system.solve_transposed(inflow))]
        dafters = [system.solve([gamma * _inner(row, after) for row in moved[1:]]) for after in afters]
    changes = (_change(play, after, dafter, weights, dw, change) for after, dafter in zip(afters, dafters, strict=True))
    return GradientChange(*changes)


def _moved(play: _Play, state: int, change: Array) -> Row:
    """Return the change of the probabilities of CC, CD, DC, DD after a state as the other player's q there changes."""
    p, not_p = play.own[state], play.own_not[state]
    return [p * change, -p * change, not_p * change, -not_p * change]


def _change(play: _Play, after: Row, dafter: Row, weights: Row, dw: Row, change: Row) -> Array:
    """Return the change of `_by_own`: the product rule over weights, q and values."""
    cc_over_dc, cd_over_dd = after[0] - after[2], after[1] - after[3]
    d_cc_over_dc, d_cd_over_dd = dafter[0] - dafter[2], dafter[1] - dafter[3]
    slopes = []
    for s, (q, not_q) in enumerate(zip(play.other, play.other_not, strict=True)):
        by_weight = dw[s] * (q * cc_over_dc + not_q * cd_over_dd)
        by_play = change[s] * (cc_over_dc - cd_over_dd) + q * d_cc_over_dc + not_q * d_cd_over_dd
        slopes.append(play.own[s] * play.own_not[s] * (by_weight + weights[s] * by_play))
    return jnp.stack(slopes)


def _play(own: Array, other: Array) -> _Play:
    """Return probabilities by logits."""
    mine = [_probability(own[state]) for state in range(own.shape[0])]
    yours = [_probability(other[state]) for state in OTHER_ORDER[: other.shape[0]]]
    return _Play(
        own=[p for p, _ in mine],
        own_not=[not_p for _, not_p in mine],
        other=[q for q, _ in yours],
        other_not=[not_q for _, not_q in yours],
    )


def _probability(logit: Array) -> tuple[Array, Array]:
    """Return σ(θ) and σ(−θ), each to full relative precision, at the cost of one exponential."""
    odds_against = jnp.exp(-jnp.clip(logit, -LARGEST_LOGIT, LARGEST_LOGIT))
    probability = 1.0 / (1.0 + odds_against)
    return probability, odds_against * probability


def _outcomes(play: _Play, state: int) -> Row:
    """Return the probabilities of CC, CD, DC, DD in the round after a state."""
    p, not_p, q, not_q = play.own[state], play.own_not[state], play.other[state], play.other_not[state]
    return [p * q, p * not_q, not_p * q, not_p * not_q]


def _visits(game: Game, play: _Play) -> Row:
    """Return u = (I − γP)^{−T} p₀."""
    first = _outcomes(play, 0)
    if game.gamma is None:
        return first
    return _Elimination(game.gamma, play).solve_transposed(first)


def _solved(game: Game, play: _Play, payoffs: tuple[Payoffs, ...]) -> tuple[list[Row], Row]:
    """Return the values of all four outcomes, a list for each payoffs, and how often each state is decided in.

    Values are v = (I − γP)^{−1} r. The start is decided in once, state s γu_s times.
    """
    if game.gamma is None:
        return [[jnp.asarray(r, play.own[0].dtype) for r in each] for each in payoffs], [jnp.ones_like(play.own[0])]
    system = _Elimination(game.gamma, play)
    after = [system.solve([jnp.full_like(play.own[0], r) for r in each]) for each in payoffs]
    weights = [game.gamma * u for u in system.solve_transposed(_outcomes(play, 0))]
    return after, [jnp.ones_like(weights[0]), *weights]


def _by_own(game: Game, play: _Play, after: Row, weights: Row) -> Array:
    """Return the gradient of a value by this player's logits; `after` are the values of CC, CD, DC, DD."""
    cc_over_dc, cd_over_dd = after[0] - after[2], after[1] - after[3]
    slopes = [
        weights[s] * play.own[s] * play.own_not[s] * (play.other[s] * cc_over_dc + play.other_not[s] * cd_over_dd)
        for s in range(game.num_logits)
    ]
    return jnp.stack(slopes)


def _by_other(game: Game, play: _Play, after: Row, weights: Row) -> Array:
    """Return the gradient of a value by the other player's logits, in the order of its own states."""
    cc_over_cd, dc_over_dd = after[0] - after[1], after[2] - after[3]
    slopes = [
        weights[s] * play.other[s] * play.other_not[s] * (play.own[s] * cc_over_cd + play.own_not[s] * dc_over_dd)
        for s in range(game.num_logits)
    ]
    return jnp.stack([slopes[s] for s in OTHER_ORDER[: game.num_logits]])


class _Elimination:
    """A = I − γP factorised as LU, unrolled over its four rows.

    A is strictly diagonally dominant by rows, with margin 1 − γ, so that no row need be exchanged. LAPACK, called for
    one matrix after another, is many times slower on CPU than this on thousands at once.
    """

    def __init__(self, gamma: float, play: _Play):
        rows = [[-gamma * outcome for outcome in _outcomes(play, state)] for state in range(1, 5)]
        for i in range(4):
            rows[i][i] = 1.0 + rows[i][i]
        self._inverse_pivots: Row = []
        for i in range(4):
            self._inverse_pivots.append(1.0 / rows[i][i])
            for j in range(i + 1, 4):
                rows[j][i] = rows[j][i] * self._inverse_pivots[i]
                for k in range(i + 1, 4):
                    rows[j][k] = rows[j][k] - rows[j][i] * rows[i][k]
        self._rows = rows  # U on and above the diagonal, L below it

    def solve(self, right: Row) -> Row:
        """Return A^{−1} b."""
        x = list(right)
        for i in range(4):
            for j in range(i):
                x[i] = x[i] - self._rows[i][j] * x[j]
        for i in reversed(range(4)):
            for j in range(i + 1, 4):
                x[i] = x[i] - self._rows[i][j] * x[j]
            x[i] = x[i] * self._inverse_pivots[i]
        return x

    def solve_transposed(self, right: Row) -> Row:
        """Return A^{−T} b."""
        x = list(right)
        for i in range(4):
            for j in range(i):
                x[i] = x[i] - self._rows[j][i] * x[j]
            x[i] = x[i] * self._inverse_pivots[i]
        for i in reversed(range(4)):
            for j in range(i + 1, 4):
                x[i] = x[i] - self._rows[j][i] * x[j]
        return x


def _dot(weights: Row, payoffs: Payoffs) -> Array:
    return _inner(weights, [jnp.asarray(payoff, weights[0].dtype) for payoff in payoffs])


def _inner(left: Row, right: Row) -> Array:
    total = left[0] * right[0]
    for a, b in zip(left[1:], right[1:], strict=True):
        total = total + a * b
    return total
