"""Values of games against hand calculations, and derivatives against finite and automatic differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from game_samples import ALL, STRATEGIES, plain_values, policies, reference_values

from metadisco.inner.games import GAMES
from metadisco.inner.games.matrix import change_of_gradients, gradient, gradients, values, visits
from metadisco.inner.games.players.base import logits_of

IPD = GAMES["ipd"]
games = pytest.mark.parametrize("game", ALL.values(), ids=ALL.keys())


@pytest.mark.parametrize(
    ("own", "other", "rewards"),
    [
        ("tit_for_tat", "tit_for_tat", (-1, -1)),
        ("all_defect", "all_defect", (-2, -2)),
        ("all_cooperate", "all_defect", (-3, 0)),
        ("tit_for_tat", "all_defect", (-2.04, -1.92)),
        ("half", "half", (-1.5, -1.5)),
        ("all_defect", "tit_for_tat", (-1.92, -2.04)),
        ("win_stay_lose_shift", "all_cooperate", (-1, -1)),
        ("grim", "all_defect", (-2.04, -1.92)),
    ],
)
def test_strategies_earn_what_they_do_in_the_prisoners_dilemma(own, other, rewards):
    got = values(IPD, logits_of(STRATEGIES[own]), logits_of(STRATEGIES[other]))
    np.testing.assert_allclose(np.array(got) * IPD.scale, rewards, atol=1e-5)


@games
def test_values_are_those_of_the_chain_in_double_precision(game):
    own, other = policies(game, 20)
    got = values(game, own, other)
    for lifetime in range(20):
        expected = reference_values(game, own[:, lifetime], other[:, lifetime])
        np.testing.assert_allclose([x[lifetime] for x in got], expected, rtol=1e-5, atol=2e-4)


def test_matching_pennies_are_zero_sum():
    game = GAMES["imp"]
    own, other = values(game, *policies(game, 20))
    np.testing.assert_allclose(own, -other, atol=1e-5)
    assert np.ptp(own) > 1


@games
def test_seats_may_be_exchanged(game):
    own, other = policies(game, 20)
    np.testing.assert_allclose(values(game, own, other), values(game.swapped, other, own)[::-1], rtol=1e-5, atol=1e-4)
    assert game.swapped.swapped == game


@pytest.mark.parametrize("name", ["ipd", "chicken", "stag_hunt"])
def test_both_seats_of_a_symmetric_game_are_alike(name):
    game = GAMES[name]
    own, other = policies(game, 20)
    assert game.swapped == game
    np.testing.assert_allclose(values(game, own, other)[0], values(game, other, own)[1], rtol=1e-5, atol=1e-4)


@games
def test_discounted_visits_sum_to_the_number_of_rounds_and_give_the_values(game):
    own, other = policies(game, 20)
    shares = visits(game, own, other)
    np.testing.assert_allclose(shares.sum(0) * game.scale, 1, rtol=1e-5)
    expected = np.array([game.own, game.other]) @ np.asarray(shares)
    np.testing.assert_allclose(values(game, own, other), expected, rtol=1e-5, atol=1e-4)


def slopes(game, own, other, player, of):
    """Return one gradient in double precision, by central differences."""
    policies_ = [np.asarray(own, np.float64), np.asarray(other, np.float64)]
    found = []
    for state in range(game.num_logits):
        ends = []
        for sign in (1, -1):
            moved = [each.copy() for each in policies_]
            moved[player][state] += sign * 1e-5
            ends.append(reference_values(game, *moved)[of])
        found.append((ends[0] - ends[1]) / 2e-5)
    return found


@games
def test_gradients_are_finite_differences_in_double_precision(game):
    own, other = policies(game)
    got = gradients(game, own, other)
    for name, player, of in (
        ("own_by_own", 0, 0),
        ("own_by_other", 1, 0),
        ("other_by_own", 0, 1),
        ("other_by_other", 1, 1),
    ):
        np.testing.assert_allclose(getattr(got, name), slopes(game, own, other, player, of), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(gradient(game, own, other), got.own_by_own)


@pytest.mark.parametrize("name", ["odd", "chicken"])
def test_changes_of_gradients_are_those_of_nested_automatic_differentiation(name):
    game = ALL[name]
    own, other = policies(game)
    direction = jnp.arange(1.0, 1 + game.num_logits)

    @jax.jit
    def nested(own, other):
        by_own = jax.jacrev(lambda x, y: jnp.stack(plain_values(game, x, y)))
        return jax.jvp(lambda moved: by_own(own, moved), (other,), (direction,))[1]

    got = change_of_gradients(game, own, other, direction)
    np.testing.assert_allclose(jnp.stack(got), nested(own, other), rtol=1e-4, atol=1e-4)


@games
def test_certain_policies_have_no_gradient_and_no_nan(game):
    certain = logits_of((1.0, 0.0, 1.0, 0.0, 1.0)[: game.num_logits])
    got = gradients(game, certain, certain)
    assert np.abs(np.stack(got)).max() < 1e-20


def test_logits_of_probabilities_keep_those_that_are_certain():
    np.testing.assert_allclose(jax.nn.sigmoid(logits_of((0.0, 0.25, 1.0))), [0, 0.25, 1], atol=1e-7)
