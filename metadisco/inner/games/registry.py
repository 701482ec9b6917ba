"""Games by name, or given by their payoffs."""

from collections.abc import Collection, Mapping
from typing import Any

from metadisco.errors import UserError, nearest, shown
from metadisco.inner.games.matrix import Game, Payoffs

GAMMA = 0.96  # Lu et al. 2022
LARGEST_GAMMA = 0.9999
"""In single precision rewards are then off by up to 0.2 % of the payoffs; by 2 % at 0.99999."""
LARGEST_PAYOFF = 1e6
"""In size. Learners of the second order multiply payoffs with each other."""

GAMES: dict[str, Game] = {
    "ipd": Game("ipd", own=(-1.0, -3.0, 0.0, -2.0), other=(-1.0, 0.0, -3.0, -2.0), gamma=GAMMA),
    "imp": Game("imp", own=(1.0, -1.0, -1.0, 1.0), other=(-1.0, 1.0, 1.0, -1.0), gamma=GAMMA),
    "chicken": Game("chicken", own=(0.0, -1.0, 1.0, -100.0), other=(0.0, 1.0, -1.0, -100.0)),
    "stag_hunt": Game("stag_hunt", own=(1.0, -2.0, 0.75, 0.25), other=(1.0, 0.75, -2.0, 0.25), gamma=GAMMA),
}
"""Iterated prisoner's dilemma, iterated matching pennies (who sees it so wins on a match), chicken (one round; C is to
swerve) and the iterated stag hunt (C is to hunt the stag)."""

KEYS = {
    "name": "Name of the game.",
    "payoffs": "Rewards of both players after CC, CD, DC and DD from the viewpoint of the first player, its own action "
    "named first: {own: [4], other: [4]}, each of at most 1e6 in size.",
    "gamma": "Discount factor per round, from 0 to 0.9999; null for a game of one round.",
}
"""Keys of a game that is given by its payoffs, with their meanings."""


def make_game(spec: Any, key: str = "problem.game") -> Game:
    """Return a game by its name, or by its payoffs.

    Args:
        spec: a name of `GAMES`, or a mapping: `payoffs` is `{own: [4], other: [4]}`, after CC, CD, DC, DD from the
            viewpoint of the first player, its own action named first, each of at most 1e6 in size; `gamma` in
            [0, 0.9999], or null (and by default) for a game of one round; `name` is its name.
        key: the setting that holds it, for messages.

    Raises:
        UserError: one sentence with the key, the given value and the allowed ones.
    """
    if isinstance(spec, str):
        if spec not in GAMES:
            raise UserError(
                f"{key}: got {spec!r}, allowed: {', '.join(GAMES)}, or a section with payoffs{nearest(spec, GAMES)}"
            )
        return GAMES[spec]
    if not isinstance(spec, Mapping):
        raise UserError(f"{key}: got {shown(spec)}, allowed: {', '.join(GAMES)}, or a section with payoffs")
    _refuse_unknown(spec, KEYS, key)
    payoffs = spec.get("payoffs")
    if not isinstance(payoffs, Mapping):
        raise UserError(f"{key}.payoffs: got {shown(payoffs)}, allowed: own and other, four numbers each")
    _refuse_unknown(payoffs, ("own", "other"), f"{key}.payoffs")
    name = spec.get("name", "own_game")
    if not isinstance(name, str) or not name:
        raise UserError(f"{key}.name: got {shown(name)}, allowed: text")
    own, other = (_four(payoffs.get(seat), f"{key}.payoffs.{seat}") for seat in ("own", "other"))
    return Game(name, own, other, _discount(spec.get("gamma"), f"{key}.gamma"))


def _refuse_unknown(section: Mapping[str, Any], allowed: Collection[str], key: str) -> None:
    for each in section:
        if each not in allowed:
            raise UserError(
                f"unknown key {f'{key}.{each}'!r}{nearest(str(each), allowed)} (allowed here: {', '.join(allowed)})"
            )


def _four(numbers: Any, key: str) -> Payoffs:
    """Return four payoffs."""
    if not isinstance(numbers, list | tuple) or len(numbers) != 4 or not all(map(_is_payoff, numbers)):
        raise UserError(
            f"{key}: got {shown(numbers)}, allowed: four numbers, after CC, CD, DC, DD, of at most {LARGEST_PAYOFF:g} "
            "in size"
        )
    cc, cd, dc, dd = map(float, numbers)
    return cc, cd, dc, dd


def _discount(gamma: Any, key: str) -> float | None:
    if gamma is None:
        return None
    if not _is_number(gamma) or not 0 <= gamma <= LARGEST_GAMMA:
        raise UserError(
            f"{key}: got {shown(gamma)}, allowed: a number from 0 to {LARGEST_GAMMA:g}, or null for one round"
        )
    return float(gamma)


def _is_payoff(value: Any) -> bool:
    return _is_number(value) and abs(value) <= LARGEST_PAYOFF  # false for NaN


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
