"""Figures of cheap talk: they hold the numbers that they are given."""

import numpy as np
import pandas as pd
import pytest
from layout import assert_well_laid_out, colour_bars_of, legend_of, panels_of

from metadisco.errors import UserError
from metadisco.evaluation.conversations import MessageMap
from metadisco.plotting import look
from metadisco.plotting.talk.control import goal_return_figure, reached_figure
from metadisco.plotting.talk.effect import effect_figure
from metadisco.plotting.talk.episodes import messages_figure, steering_figure
from metadisco.plotting.talk.interference import interference_figure
from metadisco.plotting.talk.message_map import message_map_figure, said_figure

ENV = "gymnax/CartPole-v1"
GRID = np.linspace(-1, 1, 3)
RNG = np.random.default_rng(0)
STYLES = pytest.mark.parametrize("style", [None, "paper"])


def message_map(variables):
    return MessageMap(variables, GRID, 2 * GRID, RNG.uniform(-1, 1, (2, 3, 3)), RNG.normal(0, 0.3, (50, 2)))


def series(figure_or_axes, length):
    return [np.asarray(line.get_ydata(), float) for line in figure_or_axes.lines if len(line.get_ydata()) == length]


def steps(axes):
    return np.array([patch.get_data().values for patch in axes.patches])


@STYLES
def test_a_message_is_mapped_over_named_variables_in_a_panel_for_each_channel(style):
    maps = [message_map((2, 3)), message_map((0, 1))]
    with look(style):
        figure = message_map_figure(maps, scale=2.0, env=ENV, title="The message of a_run on CartPole")
        assert_well_laid_out(figure)
    panels, (bar,) = panels_of(figure), colour_bars_of(figure)
    drawn = [axes.collections[0].get_array() for axes in panels]
    assert (np.array(drawn) == [values.T for each in maps for values in each.messages]).all()
    assert [axes.get_xlabel() for axes in panels] == ["angle", "angle", "position", "position"]
    assert (panels[0].get_ylabel(), panels[2].get_ylabel()) == ("angular velocity", "velocity")
    assert bar.get_ylim() == (-2, 2)
    assert legend_of(figure)[:2] == ["50 % of what victims see", "90 % of what victims see"]


def test_messages_of_images_are_drawn_by_how_often_they_are_said():
    said = np.array([[-1.0, 0.5], [-1.0, 0.6], [0.9, 0.55], [-1.0, 0.5]])
    figure = said_figure(said, scale=1.0, title="What a_run says")
    assert_well_laid_out(figure)
    shares = [patch.get_data().values for patch in panels_of(figure)[0].patches]
    assert [each.sum() for each in shares] == [1, 1] and shares[0][0] == 0.75


@STYLES
def test_episodes_are_drawn_as_long_as_they_are(style):
    said = [RNG.uniform(-1, 1, (length, 2)) for length in (4, 9, 6)]
    wanted, reached = ([np.full(len(each), 0.5) for each in said], [np.linspace(0, 0.4, len(each)) for each in said])
    with look(style):
        messages = messages_figure(said, [4.0, 9.0, 6.0], scale=1.0, title="The message along episodes")
        strips = steering_figure(wanted, reached, said, unit="position", scale=1.0, title="Steered episodes")
        for figure in (messages, strips):
            assert_well_laid_out(figure)
    for axes, each, name in zip(panels_of(messages), said, (4, 9, 6), strict=True):
        assert (
            (steps(axes) == each.T).all()
            and axes.get_xlim() == (0, len(each))
            and axes.get_title(loc="left").endswith(f" {name}")
        )
    for number, each in enumerate(said):
        above, below = panels_of(strips)[number], panels_of(strips)[number + len(said)]
        assert (np.array(series(above, len(each))) == [wanted[number], reached[number]]).all()
        assert (steps(below) == each.T).all()


@STYLES
def test_control_shows_what_was_wanted_and_reached_and_the_way_there(style):
    wanted, reached = np.array([-1.0, 0.0, 1.0]), np.array([-0.5, 0.1, 0.6])
    rows = [{"generation": 0, "fitness_mean": 10.0}, {"generation": 1, "fitness_mean": 20.0, "centre_fitness": 25.0}]
    with look(style):
        lasted = np.array([True, False, True])
        scatter = reached_figure(wanted, reached, lasted, unit="position", title="Wanted and reached")
        course = goal_return_figure(rows, title="Goal return", guides={"not steered": 5.0})
        for figure in (scatter, course):
            assert_well_laid_out(figure)
    _, whole, hollow = panels_of(scatter)[0].lines
    assert whole.get_xydata().tolist() == [[-1, -0.5], [1, 0.6]] and hollow.get_xydata().tolist() == [[0, 0.1]]
    population, centre, level = panels_of(course)[0].lines
    assert population.get_ydata().tolist() == [10, 20] and centre.get_xydata().tolist() == [[2, 25]]
    assert level.get_ydata()[0] == 5
    assert {text.get_text() for text in panels_of(course)[0].texts} == {"population", "centre", "not steered, 5"}


@STYLES
def test_interference_is_the_mean_over_victims_whose_gradients_are_known(style):
    share = np.array([0.0, 0.5, 1.0])
    cosines = {"with": np.array([[0.1, -0.2, -0.4], [0.3, -0.4, -0.6]]), "without": np.array([[0.2, 0.1, np.nan]])}
    with look(style):
        figure = interference_figure(share, cosines, title="Interference of gradients")
        assert_well_laid_out(figure)
    (axes,) = panels_of(figure)
    assert series(axes, 3)[-1] == pytest.approx([0.2, -0.3, -0.5])
    assert [text.get_text() for text in axes.texts] == ["with"]


@STYLES
def test_effects_are_drawn_by_aim_with_a_point_for_each_seed(style):
    rows = [
        {"num_channels": num, "scale": 6.28, "aim": aim, "seed": seed, "difference": value, "low": value - 5,
         "high": value + 5}
        for aim, sign in (("harm", -1), ("help", 1)) for num in (1, 4, 8) for seed, value in enumerate(
            (10.0 * sign * num, 12.0 * sign * num, 17.0 * sign * num))
    ]  # fmt: skip
    with look(style):
        figure = effect_figure(pd.DataFrame(rows), title="Effect over the number of channels")
        assert_well_laid_out(figure)
    (axes,) = panels_of(figure)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "4", "8"]
    assert axes.get_xlabel() == "number of channels" and legend_of(figure) == ["harm", "help"]
    medians = [line.get_ydata().tolist() for line in axes.lines if len(line.get_ydata()) == 3]
    assert medians == [[-12, -48, -96], [12, 48, 96]]


def test_effects_without_a_column_are_refused():
    with pytest.raises(UserError, match="frame: got no column low, high, num_channels or scale"):
        effect_figure(pd.DataFrame({"aim": ["harm"], "seed": [0], "difference": [1.0]}), title="")
