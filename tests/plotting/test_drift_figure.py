"""Figures of drifts whose slopes are known."""

import math

import numpy as np
import pytest
from layout import assert_well_laid_out, colour_bars_of, legend_of, panels_of
from matplotlib.figure import Figure

from metadisco.distillation.features import quantiles, relative_gradient
from metadisco.distillation.surfaces import DriftSurface
from metadisco.evaluation.histograms import ADVANTAGE_EDGES, LOG_RATIO_EDGES
from metadisco.plotting import drift_evolution_figure, drift_figure, drift_slices_figure
from metadisco.plotting.drift import ratio_axis

LOG_RATIO = np.linspace(-math.log(4), math.log(4), 61)
ADVANTAGE = np.linspace(-4.0, 4.0, 33)
NARROW = np.linspace(-0.1, 0.1, 21)
LONG = "a/path/without/any/space/" * 8


def surface(drift, slope, log_ratio=LOG_RATIO):
    ratio, advantage = np.exp(log_ratio)[:, None], ADVANTAGE[None]
    shape = (len(log_ratio), len(ADVANTAGE))
    return DriftSurface(
        log_ratio,
        ADVANTAGE,
        np.broadcast_to(drift(ratio, advantage), shape),
        np.broadcast_to(slope(ratio, advantage), shape),
    )


def ppo(log_ratio=LOG_RATIO):
    def drift(ratio, advantage):
        return np.maximum((ratio - np.clip(ratio, 0.8, 1.2)) * advantage, 0)

    def slope(ratio, advantage):
        return np.where(np.where(advantage > 0, ratio > 1.2, ratio < 0.8), 0.0, advantage)

    return surface(drift, slope, log_ratio)


def quadratic(coef=1.0, log_ratio=LOG_RATIO):
    return surface(lambda r, a: coef * (r - 1) ** 2, lambda r, a: a - 2 * coef * (r - 1), log_ratio)


def policy_gradient(noise=0.0):
    rng = np.random.default_rng(0)
    return surface(lambda r, a: noise * rng.normal(size=(len(LOG_RATIO), len(ADVANTAGE))), lambda r, a: a)


def gaussian_visits():
    """Return counts as of trainings with log r of standard deviation 0.1 and A of 1, independent."""
    density = [
        np.diff([math.erf(edge / spread / 2**0.5) for edge in edges])
        for edges, spread in ((LOG_RATIO_EDGES, 0.1), (ADVANTAGE_EDGES, 1.0))
    ]
    return np.rint(1e6 * np.outer(*density)).astype(int)


VISITS = gaussian_visits()
SURFACES = {
    "one, zero everywhere": {"policy gradient": policy_gradient(1e-15)},
    "two": {"learned": quadratic(), "PPO": ppo()},
    "three": {"learned": quadratic(30.0), "PPO": ppo(), "quadratic": quadratic()},
    "four, a long name, other grids": {LONG: ppo(np.linspace(-3, 3, 41)), "b": ppo(), "c": ppo(), "d": quadratic()},
    "a narrow range": {"learned": quadratic(log_ratio=NARROW), "PPO": ppo(NARROW)},
}


@pytest.mark.parametrize(
    ("surfaces", "visits"),
    list(zip(SURFACES.values(), [VISITS, None, VISITS, None, 0 * VISITS], strict=True)),
    ids=SURFACES,
)
def test_nothing_leaves_the_figure_or_covers_something_else(surfaces, visits):
    assert_well_laid_out(drift_figure(surfaces, title="A drift", visits=visits))


@pytest.mark.parametrize("name", ["one, zero everywhere", "four, a long name, other grids", "a narrow range"])
def test_slices_leave_and_cover_nothing(name):
    assert_well_laid_out(drift_slices_figure(SURFACES[name], title=LONG, visits=VISITS))


@pytest.mark.parametrize("number", [1, 2, 5, 65])
def test_an_evolution_leaves_and_covers_nothing(number):
    surfaces = {4 * generation: quadratic(generation) for generation in range(number)}
    assert_well_laid_out(drift_evolution_figure(surfaces, title="An evolution"))


@pytest.mark.parametrize("shown", [ppo(), policy_gradient(1e-15), quadratic(1e7)], ids=["PPO", "zero", "huge"])
def maps(axes):
    (mesh,) = (collection for collection in axes.collections if type(collection).__name__ == "QuadMesh")
    return mesh, np.asarray(mesh.get_array()).reshape(len(ADVANTAGE), -1)


def test_maps_hold_the_drift_and_the_slope_per_advantage_on_one_scale_for_each_row():
    surfaces = SURFACES["three"]
    figure = drift_figure(surfaces, title="A drift")
    upper, lower = np.asarray(panels_of(figure)).reshape(2, 3)
    assert [axes.get_title() for axes in upper] == list(surfaces)
    for top, bottom, shown in zip(upper, lower, surfaces.values(), strict=True):
        assert (maps(top)[1] == relative_gradient(shown).T).all()
        assert (maps(bottom)[1] == shown.drift.T).all()
    for row, bar in zip((upper, lower), colour_bars_of(figure), strict=True):
        (limits,) = {(maps(axes)[0].norm.vmin, maps(axes)[0].norm.vmax) for axes in row}
        assert bar.get_ylim() == pytest.approx(limits)
    assert (maps(upper[0])[0].norm.vmin, maps(upper[0])[0].norm.vmax) == (-2, 2)
    assert maps(lower[0])[0].norm.vmin == 0


def test_a_corner_does_not_swallow_the_scale_and_the_bar_says_that_values_go_beyond():
    drift = np.array(ppo().drift)
    drift[-1, -1] = 1e6
    figure = drift_figure({"learned": ppo()._replace(drift=drift)}, title="A drift")
    assert maps(panels_of(figure)[1])[0].norm.vmax < 20
    assert colour_bars_of(figure)[1]._colorbar.extend == "max"


def test_a_drift_of_nothing_but_rounding_is_drawn_as_zero():
    mesh, values = maps(panels_of(drift_figure({"policy gradient": policy_gradient(1e-15)}, title="A drift"))[1])
    assert not values.any()
    assert (mesh.norm.vmin, mesh.norm.vmax) == (0, 1)


def test_values_below_zero_are_told_from_values_above_it():
    mesh, _ = maps(panels_of(drift_figure({"no drift at all": quadratic(-1.0)}, title="A drift"))[1])
    assert mesh.norm.vmin == -mesh.norm.vmax


def test_regions_are_outlined_and_explained_where_there_are_any_and_they_are_asked_for():
    def regions(surfaces, annotate=True):
        figure = drift_figure(surfaces, title="A drift", annotate=annotate)
        return [text.split(":")[0] for text in legend_of(figure)]

    assert regions({"PPO": ppo()}) == []
    assert regions({"PPO": ppo(), "quadratic": quadratic()}, annotate=False) == []
    assert regions({"policy gradient": policy_gradient()}) == ["optimism"]
    assert regions({"PPO": ppo(), "quadratic": quadratic()}) == ["rollback", "optimism"]


def borders(axes):
    """Return the corners of each outline of a panel."""
    sets = [each for each in axes.collections if type(each).__name__ == "QuadContourSet"]
    return [np.concatenate([path.vertices for path in each.get_paths()]) for each in sets]


def test_optimism_is_outlined_where_ppo_has_ceased_and_closed_at_the_edge():
    upper, _ = panels_of(drift_figure({"policy gradient": policy_gradient()}, title="A drift", annotate=True))
    (corners,) = borders(upper)
    upper_part = corners[corners[:, 1] > 0]
    half = (LOG_RATIO[1] - LOG_RATIO[0]) / 2
    assert upper_part[:, 0].min() == pytest.approx(math.log(1.2), abs=2 * half)
    assert np.abs(upper_part - (math.log(4), 4.0)).max(1).min() < 1e-3  # it goes round the corner of the panel
    lower_part = corners[corners[:, 1] < 0]
    assert lower_part[:, 0].max() == pytest.approx(math.log(0.8), abs=2 * half)


def test_the_contour_of_visits_holds_the_share_that_the_legend_names_and_all_outside_is_veiled():
    figure = drift_figure({"PPO": ppo()}, title="A drift", visits=VISITS)
    assert [text.split(" of")[0] for text in legend_of(figure)] == ["99 %"]
    radius = np.sqrt(-2 * math.log(0.01))  # of the normal distribution that holds this share
    for axes in panels_of(figure):
        veil, corners = borders(axes)
        assert corners[:, 0].max() == pytest.approx(0.1 * radius, rel=0.15)
        assert corners[:, 1].max() == pytest.approx(radius, rel=0.15)
        assert (veil[:, 0].max(), veil[:, 1].max()) == (LOG_RATIO[-1], ADVANTAGE[-1])
        assert np.hypot(veil[:, 0] / 0.1, veil[:, 1]).min() == pytest.approx(radius, rel=0.15)
    assert not borders(panels_of(drift_figure({"PPO": ppo()}, title="A drift", visits=0 * VISITS))[0])


def test_colours_of_the_drift_are_chosen_for_where_samples_are():
    near, everywhere = (
        maps(panels_of(drift_figure({"PPO": ppo()}, title="A drift", visits=visits))[1])[0].norm.vmax
        for visits in (VISITS, None)
    )
    assert 0 < near < everywhere / 4


def test_slices_draw_the_slope_per_advantage_at_the_nearest_advantage_of_the_grid():
    surfaces = {"learned": quadratic(), "PPO": ppo()}
    figure = drift_slices_figure(surfaces, title="A drift", advantages=(-2.06, 0.5, 1.0), visits=VISITS)
    assert [axes.get_title() for axes in panels_of(figure)] == ["A = −2", "A = 0.5", "A = 1"]
    for axes, advantage in zip(panels_of(figure), (-2.0, 0.5, 1.0), strict=True):
        column = list(ADVANTAGE).index(advantage)
        for line, shown in zip(axes.lines[:2], surfaces.values(), strict=True):
            assert (line.get_xdata() == LOG_RATIO).all()
            assert line.get_ydata() == pytest.approx(shown.gradient[:, column] / abs(advantage))
        assert [line.get_linestyle() for line in axes.lines[:2]] == ["-", "--"]
    assert {"learned", "PPO"} <= {text.get_text() for axes in panels_of(figure) for text in axes.texts}


def test_names_that_do_not_fit_beside_the_lines_are_in_the_legend():
    assert legend_of(drift_slices_figure({LONG: ppo(), "PPO": ppo()}, title="A"))[1] == "PPO"
    assert legend_of(drift_slices_figure({"learned": ppo(), "PPO": ppo()}, title="A")) == []


def test_slices_share_limits_that_show_what_samples_meet_and_tell_how_far_a_line_goes_beyond():
    wide = drift_slices_figure({"steep": quadratic(10.0)}, title="A", advantages=(1.0, 2.0))
    near = drift_slices_figure({"steep": quadratic(10.0)}, title="A", advantages=(1.0, 2.0), visits=VISITS)
    for figure, limits in ((wide, (-4, 4)), (near, (-4, 4))):
        assert {axes.get_ylim() for axes in panels_of(figure)} == {limits}
    gentle = drift_slices_figure({"gentle": quadratic(1.0)}, title="A", advantages=(1.0,), visits=VISITS)
    (axes,) = panels_of(gentle)
    low, high = axes.get_ylim()
    assert -1.51 < low < -1.4 and 1.5 <= high < 1.7
    assert [text.get_text() for text in axes.texts if "↓" in text.get_text()] == ["↓ −5"]  # 1 − 2 (4 − 1)


def test_slices_shade_what_is_outside_the_middle_of_the_samples_at_their_advantage():
    figure = drift_slices_figure({"PPO": ppo()}, title="A drift", advantages=(1.0,), visits=VISITS)
    left, right = panels_of(figure)[0].patches
    expected = quantiles(VISITS.sum(1), LOG_RATIO_EDGES, (0.005, 0.995))  # log r and A are independent here
    assert (left.get_x() + left.get_width(), right.get_x()) == pytest.approx(expected, rel=0.01)
    assert (left.get_x(), right.get_x() + right.get_width()) == pytest.approx((LOG_RATIO[0], LOG_RATIO[-1]))
    assert not panels_of(drift_slices_figure({"PPO": ppo()}, title="A", advantages=(1.0,)))[0].patches


def test_nothing_is_shaded_at_an_advantage_that_is_never_visited():
    visits = np.where(ADVANTAGE_EDGES[:-1] > 0, VISITS, 0)
    lowest, highest = panels_of(drift_slices_figure({"PPO": ppo()}, title="A", advantages=(-3, 1), visits=visits))
    assert (len(lowest.patches), len(highest.patches)) == (0, 2)


def test_an_evolution_keeps_the_first_and_the_last_of_at_most_eight_on_one_scale():
    surfaces = {16 * generation: quadratic(generation) for generation in range(65)}
    figure = drift_evolution_figure(dict(reversed(surfaces.items())), title="An evolution")
    chosen = [int(axes.get_title().split()[0].replace(",", "")) for axes in panels_of(figure)]
    assert len(chosen) == 8
    assert (chosen[0], chosen[-1]) == (0, 1024)
    assert max(np.diff(chosen)) - min(np.diff(chosen)) <= 16
    for axes, generation in zip(panels_of(figure), chosen, strict=True):
        assert (maps(axes)[1] == relative_gradient(surfaces[generation]).T).all()
    assert len({maps(axes)[0].norm for axes in panels_of(figure)}) == 1


def test_an_evolution_of_few_generations_shows_them_all():
    figure = drift_evolution_figure({1: ppo(), 4: quadratic()}, title="An evolution")
    assert [axes.get_title() for axes in panels_of(figure)] == ["1 generation", "4 generations"]


@pytest.mark.parametrize(
    ("low", "high", "among"), [(-3, 3, {"0.1", "1", "10"}), (-1.4, 1.4, {"0.5", "1", "2"}), (-0.1, 0.1, {"0.95", "1"})]
)
def test_ticks_of_the_ratio_are_round_and_stand_where_their_logarithm_is(low, high, among):
    axes = Figure().subplots()
    ratio_axis(axes, low, high)
    ticks = axes.get_xticks()
    names = [axes.xaxis.get_major_formatter()(tick, place) for place, tick in enumerate(ticks)]
    assert among <= set(names)
    assert ticks == pytest.approx([math.log(float(name)) for name in names])
    assert axes.get_xlim() == (low, high)
