"""Our strategies as memory-one players of the Axelrod library, round by round, earn the rewards of our closed form."""

from itertools import combinations_with_replacement

import jax
import numpy as np
import pytest

from metadisco.inner.games import GAMES
from metadisco.inner.games.matrix import values
from metadisco.inner.games.players import make_learner

axelrod = pytest.importorskip("axelrod")

pytestmark = pytest.mark.export

IPD = GAMES["ipd"]
NAMES = ("all_defect", "tit_for_tat", "win_stay_lose_shift", "static:1,0.9,0.3,0.6,0.2", "zero_determinant:chi=3")
NUM_MATCHES = 1500


def logits_of(name):
    return make_learner(name, IPD).init(jax.random.key(0), IPD)


def player_of(name):
    """Return the same strategy as one of Axelrod's; its first action is certain."""
    start, *after = (float(p) for p in jax.nn.sigmoid(logits_of(name)))
    assert start in (0, 1)
    return axelrod.MemoryOnePlayer(four_vector=after, initial=axelrod.Action.C if start else axelrod.Action.D)


@pytest.mark.parametrize(("own", "other"), [*combinations_with_replacement(NAMES, 2)])
def test_payoffs_are_those_of_axelrod_within_sampling_error(own, other):
    """A match that ends after each round with probability 1 − γ pays the discounted value in expectation."""
    reward, sucker, temptation, punishment = IPD.own
    game = axelrod.Game(r=reward, s=sucker, t=temptation, p=punishment)
    match = axelrod.Match((player_of(own), player_of(other)), prob_end=IPD.scale, game=game, seed=1)
    scores = []
    for _ in range(NUM_MATCHES):
        match.play()
        scores.append(match.final_score())
    means, errors = np.mean(scores, 0), np.std(scores, 0) / np.sqrt(NUM_MATCHES)
    expected = np.array(values(IPD, logits_of(own), logits_of(other)))
    assert (np.abs(means - expected) <= 4 * errors + 1e-3).all(), (means, expected, errors)
