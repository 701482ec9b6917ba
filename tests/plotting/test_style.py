"""What all figures share."""

import numpy as np
import pytest
from layout import assert_well_laid_out, legend_of, panels_of

from metadisco.evaluation.resampling import mean_band
from metadisco.plotting import learning_curves_figure, save
from metadisco.plotting.style import line_style, robust_limits, short

STEPS = [10_000 * update for update in range(1, 101)]


def returns(gain, num_seeds=8):
    rng = np.random.default_rng(gain)
    return STEPS, np.cumsum(rng.normal(gain, 20, (num_seeds, 100)), 1)


def figure():
    return learning_curves_figure({"ppo": returns(2), "dpo": returns(3)}, title="gymnax/CartPole-v1")


def test_a_figure_is_saved_as_png_and_svg_and_equal_figures_give_equal_bytes(tmp_path):
    first, second = save(figure(), tmp_path / "new" / "v1.2"), save(figure(), tmp_path / "again")
    assert [path.name for path in first] == ["v1.2.png", "v1.2.svg"]
    assert first[0].read_bytes().startswith(b"\x89PNG")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    "curves",
    [
        {"ppo": returns(1)},
        {"nothing": (STEPS, np.full((8, 100), np.nan))},
        {"one seed": returns(1, 1), "a/path/without/any/space/" * 5: returns(2)},
        {f"objective {number}": returns(number) for number in range(12)},
    ],
    ids=["one", "none", "a long name", "twelve"],
)
def test_learning_curves_leave_and_cover_nothing(curves):
    assert_well_laid_out(learning_curves_figure(curves, title="gymnax/CartPole-v1, 8 seeds"))


def test_learning_curves_are_means_with_their_interval_over_the_seeds_that_did_not_fail():
    _, scores = returns(2)
    scores[3] = np.nan
    (axes,) = panels_of(learning_curves_figure({"ppo": (STEPS, scores)}, title="A curve"))
    kept = np.delete(scores, 3, 0)
    assert axes.lines[0].get_ydata() == pytest.approx(kept.mean(0))
    band = axes.collections[0].get_paths()[0].get_extents()
    assert band.y1 == pytest.approx(mean_band(kept)[1].max())
    assert band.y0 == pytest.approx(mean_band(kept)[0].min())


def test_an_objective_without_a_curve_is_named_as_such():
    curves = {"ppo": returns(2), "dpo": (STEPS, np.full((8, 100), np.nan))}
    assert legend_of(learning_curves_figure(curves, title="A"))[:2] == ["ppo", "dpo (no curve)"]


def test_lines_differ_in_colour_and_dashes_and_the_first_eight_in_either():
    styles = [line_style(number) for number in range(64)]
    assert len({str(style) for style in styles}) == 64
    assert len({style["color"] for style in styles[:8]}) == len({str(style["linestyle"]) for style in styles[:8]}) == 8


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.25, "−0.25"),
        (0.1 + 0.2, "0.3"),
        (12000.0, "12,000"),
        (4e-7, "4e−7"),
        (-3e8, "−3e8"),
        (2.5e6, "2.5e6"),
    ],
)
def test_numbers_are_written_short(number, text):
    assert short(number) == text


def test_limits_hold_everything_unless_a_few_values_are_far_outside():
    values = np.linspace(0, 1, 1000)
    low, high = robust_limits(values)
    assert low < 0
    assert 1 < high < 1.2
    low, high = robust_limits(np.append(values, -1e6))
    assert -0.5 < low < 0
    constant = 1 + 1e-16 * values
    assert robust_limits(np.append(constant, 0.0)) == pytest.approx((-0.05, 1.05))
    assert robust_limits(np.array([0.0, 1.0, 1e6]))[1] > 1e6  # among few, nothing is an outlier


@pytest.mark.parametrize("value", [0.0, 5.0, -1e-12, 1e12])
def test_limits_of_one_value_leave_room_around_it(value):
    low, high = robust_limits(np.array([value, value, np.nan]))
    assert low < value < high


def test_limits_of_nothing_are_those_of_an_empty_panel():
    assert robust_limits(np.array([np.nan])) == (0.0, 1.0)
