"""Figures of opponent shaping: they hold the numbers that they are given."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from layout import assert_well_laid_out, panels_of

from metadisco.evaluation.meetings import Followed
from metadisco.inner.games import GAMES
from metadisco.inner.games.lifetime import Spread, Trace
from metadisco.inner.games.matrix import OTHER_ORDER, visits
from metadisco.plotting import look
from metadisco.plotting.shaping.answers import answers_figure
from metadisco.plotting.shaping.lifetime import cooperation_figure, rewards_figure, visits_figure
from metadisco.plotting.shaping.plane import extortion_end, feasible_corners, plane_figure
from metadisco.plotting.shaping.training import course_of, training_figure
from metadisco.plotting.shaping.words import Names, by_round

HORIZON = 6
NAMES = Names("a_run", "naive")


def spread(*shape, low=0.0, high=1.0):
    """Return numbers that differ everywhere."""
    mean = np.linspace(low, high, HORIZON * math.prod(shape)).reshape(HORIZON, *shape)
    return Spread(mean, np.stack([mean - 0.1, mean, mean + 0.1], axis=1))


def trace(game):
    states = game.num_logits
    visits = np.tile([0.1, 0.2, 0.3, 0.4], (HORIZON, 1))
    return Trace(spread(low=-2), spread(low=-3, high=-1), spread(states), spread(states, high=0.5), visits)


def lines_of(axes):
    return [np.asarray(line.get_ydata(), float) for line in axes.lines if len(line.get_ydata()) == HORIZON]


def test_shares_of_outcomes_follow_from_the_policies_of_a_panel():
    game, rng = GAMES["ipd"], np.random.default_rng(0)
    own, other = jnp.asarray(rng.normal(size=(2, 5)), jnp.float32)
    first, *after = zip(
        *(1 / (1 + np.exp(-each)) for each in (np.asarray(own), by_round(np.asarray(other)))), strict=True
    )
    outcome = lambda p, q: np.array([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)])  # noqa: E731
    transitions = np.array([outcome(*both) for both in after])
    shares = game.scale * outcome(*first) @ np.linalg.inv(np.eye(4) - game.gamma * transitions)
    assert shares == pytest.approx(np.asarray(visits(game, own, other)) * game.scale, rel=1e-4)


@pytest.mark.parametrize("style", [None, "paper"])
@pytest.mark.parametrize("name", ["ipd", "chicken"])
def test_figures_of_lifetimes_hold_what_was_traced(name, style):
    game = GAMES[name]
    given = trace(game)
    grid = np.linspace(0, 1, 3)
    answer = np.arange(18 * game.num_logits).reshape(2, game.num_logits, 3, 3) / (18 * game.num_logits)
    single = np.full((2, HORIZON, game.num_logits), 0.5)
    with look(style):
        cooperation, rewards = (
            cooperation_figure(given, single, single, game, NAMES),
            rewards_figure(given, game, NAMES, {"best": -1.5}),
        )
        visits = visits_figure(given, game, NAMES)
        plane = plane_figure(Followed(*np.full((2, 2, HORIZON), -1.0), single, single), given, game, NAMES)
        answers = answers_figure((1, HORIZON), grid, answer, np.array([[0.2, 0.3], [1.0, 0.5]]), game, NAMES)
        for figure in (cooperation, rewards, visits, plane, answers):
            assert_well_laid_out(figure)
    assert any(np.array_equal(line, given.other_reward.mean) for line in lines_of(plane.axes[0]))
    panels = panels_of(cooperation)
    for state, axes in enumerate(panels):
        own, other = lines_of(axes)
        opponents = OTHER_ORDER[state]  # what the opponent calls DC, the shaper calls CD
        assert (own == given.own_policy.mean[:, state]).all()
        assert (other == given.other_policy.mean[:, opponents]).all()
    assert {text.get_text() for text in panels[-1].texts} == {"shaper", "opponent"}
    (axes,) = panels_of(rewards)
    assert axes.get_ylabel() == "reward per round"
    assert (np.array(lines_of(axes)) == [given.own_reward.mean, given.other_reward.mean]).all()
    assert "best, −1.5" in [text.get_text() for text in axes.texts]
    for values, axes in zip(answer.reshape(-1, 3, 3), panels_of(answers), strict=True):
        assert (axes.collections[0].get_array() == values.T).all()


def test_the_payoff_plane_has_the_corners_and_extortion_of_the_game():
    ipd = GAMES["ipd"]
    assert {tuple(corner) for corner in feasible_corners(ipd)} == {(-1, -1), (-3, 0), (-2, -2), (0, -3)}
    assert len(feasible_corners(GAMES["imp"])) == 2
    assert extortion_end(ipd, math.inf) == pytest.approx((-0.5, -2))
    assert extortion_end(ipd, 3) == pytest.approx((-5 / 7, -11 / 7))  # (−2 − χ)/(1 + 2χ)
    assert extortion_end(GAMES["stag_hunt"], 3) is None


def row(generation, own, other, **more):
    return {
        "generation": generation,
        "fitness_mean": 0.0,
        "centre_fitness": own,
        "centre/opponent_reward": other,
        **more,
    }


def test_meta_seeds_are_drawn_as_their_mean_and_range():
    runs = [[row(4, -1.5, -1.0), row(9, -0.5, -2.0)], [row(4, -1.0, -1.2), row(9, -0.7, -2.2), row(14, 0.0, 0.0)]]
    course = course_of(runs)
    assert course.generation.tolist() == [5, 10]
    (axes,) = panels_of(training_figure(course, title="2 runs"))
    own, other = axes.lines
    assert own.get_ydata() == pytest.approx([-1.25, -0.6]) and other.get_ydata() == pytest.approx([-1.1, -2.1])
    low_high = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert {low_high.min(), low_high.max()} == {-1.5, -0.5}


def test_several_opponents_are_drawn_as_their_mean_and_self_play_apart():
    several = row(0, -2.0, -1.0, **{"centre_fitness/naive": -1.0, "centre_fitness/lola": -2.0})
    assert course_of([[several]]).own.tolist() == [[-1.5]]
    both = {"centre/reward_against_opponents": -0.5, "centre/reward_against_centre": -1.0}
    course = course_of([[row(0, -0.8, -2.0, **both)]])
    assert (course.own.item(), course.itself.item()) == (-0.5, -1.0)
    assert math.isnan(course_of([[{"generation": 0, "fitness_mean": None}]]).own.item())
    assert_well_laid_out(training_figure(course_of([[{"generation": 0}]]), title="nothing"))
