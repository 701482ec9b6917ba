"""Games by name and by their payoffs."""

import pytest

from metadisco.errors import UserError
from metadisco.inner.games import GAMES, Game, make_game

PAYOFFS = {"own": [-1, -3, 0, -2], "other": [-1, 0, -3, -2]}


def test_a_game_may_be_given_by_its_payoffs():
    given = make_game({"name": "ipd", "payoffs": PAYOFFS, "gamma": 0.96})
    assert given == GAMES["ipd"]
    assert hash(given) == hash(GAMES["ipd"])
    assert make_game({"payoffs": PAYOFFS}) == Game("own_game", given.own, given.other, gamma=None)


def test_policies_have_a_logit_for_each_state():
    assert GAMES["ipd"].states == ("start", "CC", "CD", "DC", "DD")
    assert GAMES["chicken"].states == ("start",)
    assert (GAMES["ipd"].scale, GAMES["chicken"].scale) == (pytest.approx(0.04), 1)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("idp", "problem.game: got 'idp', allowed: ipd, .*; did you mean 'ipd'?"),
        (3, "problem.game: got 3, allowed: ipd, imp, chicken, stag_hunt, or a section with payoffs"),
        ({"gamma": 0.9}, "problem.game.payoffs: got None, allowed: own and other, four numbers each"),
        ({"payoffs": {"own": [1, 2, 3], "other": [1, 2, 3, 4]}}, "payoffs.own: got .*, allowed: four numbers"),
        ({"payoffs": {"own": [1, 2, 3, 4]}}, "payoffs.other: got None, allowed: four numbers, after CC, CD, DC, DD"),
        ({"payoffs": PAYOFFS | {"mine": 3}}, "unknown key 'problem.game.payoffs.mine' .*allowed here: own, other"),
        ({"payoffs": PAYOFFS, "gamme": 0.9}, "unknown key 'problem.game.gamme'; did you mean 'gamma'?"),
        ({"payoffs": PAYOFFS, "gamma": 1}, "gamma: got 1, allowed: a number from 0 to 0.9999, or null"),
        ({"payoffs": PAYOFFS, "gamma": -0.1}, "gamma: got -0.1"),
        ({"payoffs": PAYOFFS, "gamma": float("nan")}, "gamma: got nan"),
        ({"payoffs": PAYOFFS, "gamma": 1 - 1e-7}, "gamma: got 0.9999999"),  # NaN in single precision
        ({"payoffs": PAYOFFS, "gamma": 10**400}, "gamma: got 1000"),
        ({"payoffs": {**PAYOFFS, "own": [1, 2, 3, 10**400]}}, "own: got .*, allowed: four numbers.* of at most 1e.06"),
        ({"payoffs": {**PAYOFFS, "own": [1, 2, 3, float("nan")]}}, "own: got .*, allowed: four numbers"),
        ({"payoffs": PAYOFFS, "name": ""}, "name: got '', allowed: text"),
    ],
)
def test_games_that_cannot_be_are_refused_in_one_sentence(spec, sentence):
    with pytest.raises(UserError, match=sentence.replace("?", r"\?")):
        make_game(spec)
