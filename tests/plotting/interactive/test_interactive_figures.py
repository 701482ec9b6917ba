"""Interactive figures: what sliders and buttons move, and how much a page holds. No browser draws them here."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

import metadisco
from metadisco import UserError
from metadisco.distillation.surfaces import DriftSurface, ValueLossCurve, ValueLossSurface
from metadisco.evaluation.histograms import ADVANTAGE_EDGES, LOG_RATIO_EDGES
from metadisco.evaluation.meetings import Followed
from metadisco.inner.games import make_game
from metadisco.inner.games.lifetime import Spread, Trace
from metadisco.plotting.interactive.drift import DRIFT, GRADIENT, drift_slices_slider_figure, drift_surfaces_figure
from metadisco.plotting.interactive.look import rounded
from metadisco.plotting.interactive.page import embedded, library
from metadisco.plotting.interactive.run import course_figure
from metadisco.plotting.interactive.shaping import meta_episode_figure, payoff_plane_figure
from metadisco.plotting.interactive.tuning import parallel_figure
from metadisco.plotting.interactive.value_loss import value_loss_slider_figure, value_loss_surfaces_figure
from metadisco.plotting.shaping.words import Names
from metadisco.plotting.tuning import Panel
from metadisco.tuning.ranges import Range
from metadisco.tuning.trials import Trial

LOG_RATIO, ADVANTAGE = np.linspace(-1, 1, 5), np.array([-2.0, -1.0, 0.0, 1.0, 2.0])


def drift(factor: float = 0.0) -> DriftSurface:
    """Return a drift whose gradient of the surrogate is (1 − factor)·A."""
    gradient = np.broadcast_to((1 - factor) * ADVANTAGE, (5, 5))
    return DriftSurface(LOG_RATIO, ADVANTAGE, np.full((5, 5), factor), gradient)


def test_numbers_are_rounded_and_what_is_not_finite_is_left_out():
    assert rounded(np.array([[1.23456, np.nan], [1e-7 / 3, np.inf]])) == [[1.235, None], [3.333e-08, None]]


class TestDrift:
    def figure(self, generations=(0, 8)):
        history = {each: drift(each / 16) for each in generations}
        return drift_surfaces_figure(history, {"PPO": drift(), "DPO": drift(1.0)}, name="found", title="A drift")

    def test_the_gradient_is_in_units_of_the_advantage_and_others_stand_beside(self):
        learned, ppo, dpo, *drifts = self.figure().data
        assert [each.name for each in (learned, ppo, dpo)] == ["found", "PPO", "DPO"]
        assert [each.scene for each in (learned, ppo, dpo)] == ["scene", "scene2", "scene3"]
        assert np.array(learned.z)[[0, 1, 3, 4]] == pytest.approx(np.array([[-0.5], [-0.5], [0.5], [0.5]]) * np.ones(5))
        assert np.array(dpo.z) == pytest.approx(0)
        assert not any(each.visible for each in drifts)

    def test_a_slider_over_generations_moves_only_the_learned_one(self):
        figure = self.figure()
        assert [frame.name for frame in figure.frames] == ["0", "8"]
        assert [step.args[0] for step in figure.layout.sliders[0].steps] == [("0",), ("8",)]
        assert figure.layout.sliders[0].active == 1
        for frame in figure.frames:
            assert [figure.data[each].name for each in frame.traces] == ["found", "found"]
        assert np.array(figure.frames[0].data[0].z)[4] == pytest.approx(1)

    def test_one_generation_has_no_slider(self):
        figure = self.figure((8,))
        assert not figure.frames and not figure.layout.sliders

    def test_a_button_shows_the_drift_itself(self):
        first, second = self.figure().layout.updatemenus[0].buttons
        assert (first.label, second.label) == (GRADIENT, DRIFT)
        assert second.args[0]["visible"] == [False] * 3 + [True] * 3

    def test_slices_move_with_the_advantage_and_so_does_what_was_met(self):
        visits = np.zeros((len(LOG_RATIO_EDGES) - 1, len(ADVANTAGE_EDGES) - 1), int)
        visits[np.searchsorted(LOG_RATIO_EDGES, 0.3) - 1, np.searchsorted(ADVANTAGE_EDGES, 1.0) - 1] = 9
        figure = drift_slices_slider_figure({"found": drift(0.5), "PPO": drift()}, title="Slices", visits=visits)
        assert [frame.name for frame in figure.frames] == ["−2", "−1", "1", "2"]  # at 0 there is no gradient
        assert figure.layout.sliders[0].active == 2
        by_name = {frame.name: frame.data for frame in figure.frames}
        assert by_name["2"][1].y == pytest.approx([0.5] * 5) and by_name["−2"][1].y == pytest.approx([-0.5] * 5)
        assert by_name["1"][0].x[0] == pytest.approx(np.exp(0.3), rel=0.1)
        assert by_name["−2"][0].x == (None,) * 4


def curve(scale: float) -> ValueLossCurve:
    error = np.linspace(-2, 2, 9)
    return ValueLossCurve(error, scale * error**2 / 2, scale * error)


def test_a_value_loss_moves_beside_the_squared_error_of_its_size():
    figure = value_loss_slider_figure({0: curve(1.0), 4: curve(3.0)}, name="found", title="A value loss")
    assert figure.data[1].y == pytest.approx(figure.data[3].y)  # it is one
    assert figure.frames[0].data[1].y == pytest.approx(curve(1.0).derivative)
    assert list(figure.frames[0].traces) == [0, 1]


def test_a_value_loss_of_two_inputs_is_a_surface():
    error, second = np.linspace(-2, 2, 9), np.linspace(-1, 1, 3)
    loss = error[:, None] ** 2 / 2 + 0 * second
    surface = ValueLossSurface("old_value", error, second, loss, error[:, None] + 0 * second)
    figure = value_loss_surfaces_figure({0: surface}, name="found", title="A surface")
    assert figure.data[0].type == "surface" and "V_old" in figure.layout.scene.yaxis.title.text
    assert np.array(figure.data[0].z).shape == (3, 9)


def trace(horizon: int) -> Trace:
    reward = Spread(np.linspace(-2, -1, horizon), np.linspace(-2, -1, horizon)[:, None] + np.array([-0.1, 0, 0.1]))
    policy = Spread(np.tile(np.linspace(0.1, 0.5, 5), (horizon, 1)), np.full((horizon, 3, 5), 0.5))
    return Trace(reward, reward, policy, policy, np.tile([0.4, 0.1, 0.3, 0.2], (horizon, 1)))


class TestShaping:
    names, game = Names("found", "naive"), make_game("ipd")

    def test_both_players_rewards_and_cooperation_are_there_and_buttons_choose_an_outcome(self):
        figure = meta_episode_figure(trace(6), self.game, self.names)
        shown = {(each.name, each.xaxis): each.y for each in figure.data if each.visible and each.fill is None}
        assert shown["found", "x"] == pytest.approx(np.linspace(-2, -1, 6), abs=1e-3)
        assert shown["found", "x2"] == pytest.approx([0.5] * 6)
        assert shown["a naive learner", "x2"] == pytest.approx([0.7] * 6)
        buttons = figure.layout.updatemenus[0].buttons
        assert [each.label for each in buttons][:3] == ["C played", "first round", "after both C"]
        assert all(sum(each.args[0]["visible"]) == 8 for each in buttons)
        after = buttons[4]  # the shaper D and the opponent C, which the opponent calls CD
        assert after.label == "after shaper D, opponent C"
        own, other = (each.y[0] for each, seen in zip(figure.data, after.args[0]["visible"], strict=True)
                      if seen and each.xaxis == "x2")  # fmt: skip
        assert (own, other) == pytest.approx((0.4, 0.3))

    def test_lifetimes_move_through_the_plane(self):
        own = np.linspace(-2, -1, 12).reshape(2, 6)
        policies = np.full((2, 6, 5), 0.5)
        figure = payoff_plane_figure(Followed(own, own, policies, policies), self.game, self.names)
        assert [frame.name for frame in figure.frames] == ["1", "2", "3", "4", "5", "6"]
        assert figure.frames[2].data[1].x == pytest.approx(own[:, 2], abs=1e-3)


def test_parallel_coordinates_lead_to_the_score():
    ranges = [
        Range("inner.ppo.learning_rate", "log", 1e-4, 1e-2),
        Range("inner.ppo.num_epochs", "choices", choices=(2, 4)),
    ]
    values = [{"inner.ppo.learning_rate": rate, "inner.ppo.num_epochs": 4} for rate in (1e-4, 1e-3)]
    trials = [Trial(values[0], 5.0), Trial(values[1], 1.0)]
    (lines,) = parallel_figure(Panel(ranges, {}, trials, values[0], "return"), title="Settings").data
    rate, epochs, score = lines.dimensions
    assert list(rate.values) == [-3, -4] and rate.ticktext[0] == "0.0001"  # the best is last, on top
    assert list(epochs.values) == [1, 1] and list(epochs.ticktext) == ["2", "4"]
    assert list(score.values) == [1, 5] and score.label == "return"


def test_rows_at_which_the_centre_was_judged_are_no_sawteeth():
    rows = [{"generation": n, "fitness_mean": 1.0, "fitness_std": 0.1} for n in (0, 8, 15, 16, 24, 31, 32)]
    rows = [{**row, "centre_fitness": 2.0} if row["generation"] % 16 == 15 else row for row in rows]
    lines = {each.name: each.x for each in course_figure(rows, title="A run").data}
    assert list(lines["mean of the population"]) == [1, 9, 17, 25, 33]
    assert list(lines["centre"]) == [16, 32]


def test_an_embedded_figure_cannot_end_its_script_and_its_title_is_a_heading():
    figure = course_figure([{"generation": 0, "fitness_mean": 1.0, "fitness_std": 0.1}], title="</script><b>")
    part = embedded("course", figure, "a < b")
    assert part.count("</script>") == 1 and "&lt;/script&gt;&lt;b&gt;" in part and "a &lt; b" in part
    content = json.loads(re.search(r'json" id="interactive-course-data">(.*)</script>', part)[1])
    assert "title" not in content["layout"] and "template" not in content["layout"]


def test_what_pages_need_is_there_once_and_is_loaded_from_nowhere():
    needed = library()
    assert needed.count(get_plotlyjs()) == 1
    assert not re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=", needed)
    assert len(needed.encode()) - len(get_plotlyjs().encode()) < 10_000


@pytest.mark.slow
def test_plot_gives_plotly_figures_and_writes_one_page(tmp_path):
    figures = metadisco.plot("dpo", visit=False, interactive=True, output=tmp_path / "out", progress=False)
    assert list(figures) == ["drift_surfaces", "drift_by_advantage"]
    assert [each.name for each in figures["drift_surfaces"].data[:2]] == ["dpo", "PPO, ε = 0.2"]  # itself only once
    (page,) = (tmp_path / "out").iterdir()
    assert page.name == "interactive.html"
    assert page.stat().st_size - len(get_plotlyjs().encode()) < 1_000_000


def test_several_discoveries_are_refused(tmp_path):
    with pytest.raises(UserError, match="interactive: got 2 discoveries"):
        metadisco.plot(["ppo", "dpo"], interactive=True, output=tmp_path / "out")
    assert not Path(tmp_path / "out").exists()
