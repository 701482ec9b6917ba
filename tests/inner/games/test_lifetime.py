"""Lifetimes: timing, seats, and reductions over lifetimes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from game_samples import ALL

from metadisco.inner.games import GAMES
from metadisco.inner.games.lifetime import play_lifetimes, trace_lifetimes
from metadisco.inner.games.matrix import values
from metadisco.inner.games.players import MetaPlayer, make_learner

IPD, CHICKEN = GAMES["ipd"], GAMES["chicken"]
KEY = jax.random.key(0)
STATIC = ("player", "opponent", "game", "horizon", "num_lifetimes", "reset")
PLAY = jax.jit(play_lifetimes, static_argnames=STATIC)
TRACE = jax.jit(trace_lifetimes, static_argnames=STATIC)


def seats(game, player, opponent):
    return {"player": make_learner(player, game), "opponent": make_learner(opponent, game.swapped), "game": game}


def test_the_time_line_is_that_of_the_paper():
    """One unpaid play by N(0, 1) logits; the opponent steps; the shaper sees the opponent before its step."""
    opponent = make_learner("naive", CHICKEN)
    player = MetaPlayer(
        act=lambda seen, memory: (3 * seen[:1] - 2 * seen[1:], memory + seen), initial_memory=jnp.zeros(2)
    )
    got = play_lifetimes(KEY, player, opponent, CHICKEN, horizon=3, num_lifetimes=1)

    _, key_opponent, key_random = jax.random.split(KEY, 3)
    theta = opponent.init(jax.random.split(key_opponent, 1)[0], CHICKEN)
    played = jax.random.normal(jax.random.split(key_random, 1)[0], (1,))
    rewards = []
    for step in range(4):
        pair = (played, theta)
        rewards += [values(CHICKEN, *pair)] if step else []
        theta = opponent.update(theta, theta, played, CHICKEN)
        played = 3 * jax.nn.sigmoid(pair[0]) - 2 * jax.nn.sigmoid(pair[1])
    np.testing.assert_allclose([got.own[0], got.other[0]], np.mean(rewards, 0), rtol=1e-5)


def test_under_the_reset_of_the_players_the_player_itself_plays_the_first_time():
    static = seats(CHICKEN, "all_defect", "naive")
    as_shaper, as_player = (
        play_lifetimes(KEY, **static, horizon=1, num_lifetimes=4, reset=reset) for reset in ("shaper", "players")
    )
    opponent = static["opponent"]
    theta = jax.vmap(lambda key: opponent.init(key, CHICKEN), out_axes=-1)(
        jax.random.split(jax.random.split(KEY, 3)[1], 4)
    )
    policy = jnp.full((1, 4), -100.0)
    theta = opponent.update(theta, theta, policy, CHICKEN)
    np.testing.assert_allclose(as_player.own, values(CHICKEN, policy, theta)[0], rtol=1e-5)
    assert not np.allclose(as_player.own, as_shaper.own)


def test_opponents_start_alike_whoever_plays():
    of = partial(play_lifetimes, KEY, game=CHICKEN, horizon=1, num_lifetimes=4)
    opponent = make_learner("m_maml:0", CHICKEN)
    naive = make_learner("naive", CHICKEN)
    assert np.ptp(of(make_learner("half", CHICKEN), naive).own) > 0
    assert np.ptp(of(make_learner("half", CHICKEN), opponent, reset="players").own) == 0


@pytest.mark.parametrize("name", ["odd", "chicken"])
def test_exchanging_seats_exchanges_rewards(name):
    game = ALL[name]
    certain = "static:0.2,0.9,0.4,0.7,0.1" if game.gamma else "static:0.3"
    facts = {"horizon": 2, "num_lifetimes": 3, "reset": "players"}
    maml = "m_maml:0.3,-0.2,0.5,0.1,-0.4" if game.gamma else "m_maml:0.3"
    there = PLAY(KEY, **seats(game, certain, maml), **facts)
    back = PLAY(KEY, **seats(game.swapped, maml, certain), **facts)
    np.testing.assert_allclose(there.own, back.other, rtol=1e-5)
    np.testing.assert_allclose(there.other, back.own, rtol=1e-5)
    assert not np.allclose(there.own, there.other)


def test_a_trace_shows_the_lifetimes_that_are_played():
    facts = seats(IPD, "tit_for_tat", "naive") | {"horizon": 5, "num_lifetimes": 64, "reset": "shaper"}
    outcome, trace = PLAY(KEY, **facts), TRACE(KEY, **facts)
    np.testing.assert_allclose(trace.own_reward.mean.mean(), outcome.own.mean(), rtol=1e-5)
    np.testing.assert_allclose(trace.other_reward.mean.mean(), outcome.other.mean(), rtol=1e-5)
    np.testing.assert_allclose(trace.own_policy.mean, np.tile([1.0, 1, 0, 1, 0], (5, 1)), atol=1e-6)
    np.testing.assert_allclose(trace.visits.sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(trace.visits @ np.array(IPD.own), trace.own_reward.mean, rtol=1e-4)
    assert trace.other_policy.quantiles.shape == (5, 3, 5)
    assert (np.diff(trace.other_policy.quantiles, axis=1) >= 0).all()
    assert (np.diff(trace.other_policy.quantiles[0], axis=0) > 0).all()
