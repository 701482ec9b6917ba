"""Rewards of learners against one another, compared with published and recomputed numbers."""

import jax
import pytest

from metadisco.inner.games import make_game
from metadisco.inner.games.lifetime import play_lifetimes
from metadisco.inner.games.players import make_learner

pytestmark = pytest.mark.slow

PLAY = jax.jit(play_lifetimes, static_argnames=("player", "opponent", "game", "horizon", "num_lifetimes", "reset"))
NUM_LIFETIMES = 4096


@pytest.mark.parametrize(
    ("name", "own", "other", "reset", "rewards"),
    [
        # Recomputed from the original's formulas, in double precision: standard errors are 0.01 or less.
        ("ipd", "naive", "naive", "players", (-1.98, -1.98)),
        ("ipd", "lola", "naive", "players", (-1.30, -1.52)),
        ("ipd", "lola", "lola", "players", (-1.09, -1.09)),
        ("imp", "naive", "naive", "players", (0.0, 0.0)),
        ("imp", "lola", "naive", "players", (-0.19, 0.19)),
        ("imp", "lola", "lola", "players", (0.0, 0.0)),
        ("stag_hunt", "naive", "naive", "players", (0.281, 0.281)),
        ("stag_hunt", "lola", "naive", "players", (0.529, 0.524)),
        ("stag_hunt", "lola", "lola", "players", (0.713, 0.713)),
        # Measured with an implementation apart from this one.
        ("ipd", "naive", "naive", "shaper", (-1.984, -1.984)),
        ("ipd", "all_defect", "naive", "shaper", (-1.986, -2.007)),
        ("ipd", "all_cooperate", "naive", "shaper", (-2.986, -0.007)),
        ("ipd", "tit_for_tat", "naive", "shaper", (-1.033, -1.029)),
        ("ipd", "grim", "naive", "shaper", (-1.105, -1.105)),
        ("ipd", "win_stay_lose_shift", "naive", "shaper", (-2.281, -0.987)),
        ("ipd", "zero_determinant:chi=4", "naive", "shaper", (-0.762, -1.745)),
        ("ipd", "static:0,0.72,0.08,0.54,0", "naive", "shaper", (-0.751, -1.78)),
    ],
)
def test_mean_rewards_are_the_known_ones(name, own, other, reset, rewards):
    got = play(name, own, other, reset)
    assert [float(each.mean()) for each in got] == pytest.approx(rewards, abs=0.02)


@pytest.mark.parametrize(
    ("own", "other", "reward", "error"),
    [("naive", "naive", 0.0, 0.01), ("lola", "naive", 0.94, 0.01), ("lola", "lola", -86.5, 0.72)],
)
def test_mean_rewards_of_chicken_are_within_three_standard_errors(own, other, reward, error):
    """Of the difference: the known number comes from 2048 lifetimes."""
    got = play("chicken", own, other, "players").own
    ours = float(got.std()) / NUM_LIFETIMES**0.5
    assert float(got.mean()) == pytest.approx(reward, abs=3 * (ours**2 + error**2) ** 0.5)


def play(name, own, other, reset):
    game = make_game(name)
    player, opponent = make_learner(own, game), make_learner(other, game.swapped)
    return PLAY(jax.random.key(0), player, opponent, game, horizon=100, num_lifetimes=NUM_LIFETIMES, reset=reset)
