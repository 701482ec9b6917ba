"""Figures of value losses whose features are known."""

import numpy as np
import pytest
from layout import assert_well_laid_out, colour_bars_of, legend_of, panels_of
from matplotlib.colors import to_hex
from matplotlib.text import Text

from metadisco.distillation.surfaces import ValueLossCurve, ValueLossSurface
from metadisco.evaluation.histograms import VALUE_EDGES
from metadisco.plotting import look, value_loss_evolution_figure, value_loss_figure, value_loss_surface_figure
from metadisco.plotting.error_range import errors_drawn

ERROR = np.linspace(-20.0, 20.0, 201)
CENTRES = (VALUE_EDGES[1:] + VALUE_EDGES[:-1]) / 2
COUNTS = np.rint(1e6 * np.diff(VALUE_EDGES) * np.exp(-np.square(CENTRES + 8) / 8)).astype(int)  # mean −8, std 2


def skewed(scale=1.0, error=ERROR):
    """Return a convex loss that is not symmetric, with its minimum near 1.5."""
    shifted = error - 1.5
    loss = np.logaddexp(shifted, -shifted) + 0.05 * shifted
    at_zero = np.logaddexp(1.5, -1.5) - 0.05 * 1.5
    return ValueLossCurve(error, scale * (loss - at_zero), scale * (np.tanh(shifted) + 0.05))


def double_well(scale=1.0):
    return ValueLossCurve(ERROR, scale * (ERROR**4 - 100 * ERROR**2), scale * (4 * ERROR**3 - 200 * ERROR))


def squared(scale=1.0, error=ERROR):
    return ValueLossCurve(error, scale * 0.5 * error**2, scale * error)


def constant():
    return ValueLossCurve(ERROR, 0 * ERROR, 0 * ERROR)


def surface(second_input="old_value", scale=1.0):
    error, second = np.linspace(-2, 2, 41), np.linspace(-3, 3, 31)
    loss = scale * 0.5 * error[:, None] ** 2 * (1 + 0.1 * second)
    return ValueLossSurface(second_input, error, second, loss, scale * error[:, None] * (1 + 0.1 * second))


CURVES = {
    "skewed": skewed(),
    "tiny": squared(1e-12),
    "huge and not convex": double_well(1e9),
    "constant": constant(),
    "wide": skewed(error=np.linspace(-5e4, 5e4, 301)),
    "one-sided": squared(error=np.linspace(1.0, 5.0, 41)),
}


@pytest.mark.parametrize(
    ("curve", "counts"),
    list(zip(CURVES.values(), [COUNTS, 0 * COUNTS, COUNTS, None, COUNTS, None], strict=True)),
    ids=CURVES,
)
def test_nothing_leaves_the_figure_or_covers_something_else(curve, counts):
    assert_well_laid_out(value_loss_figure(curve, title="A value loss", error_counts=counts))
    assert_well_laid_out(value_loss_figure(curve, title="A value loss", error_counts=counts, annotate=True))


@pytest.mark.parametrize("annotate", [False, True])
def test_in_a_column_of_a_paper_letters_have_six_points_and_nothing_overlaps(annotate):
    with look("paper"):
        figure = value_loss_figure(skewed(), title="A value loss", error_counts=COUNTS, annotate=annotate)
        assert_well_laid_out(figure)
    assert figure.get_figwidth() == 3.3
    assert min(round(text.get_fontsize(), 6) for text in figure.findobj(Text) if text.get_text()) >= 6


def test_long_titles_and_labels_are_wrapped():
    long = "a/path/without/any/space/" * 8
    assert_well_laid_out(value_loss_figure(skewed(), title=long, label=long, error_counts=COUNTS))


def lines_named(figure, start):
    """Return the lines of the panels of the loss and of its derivative whose name starts so."""
    left, right = panels_of(figure)[:2]
    (value,) = (line for line in left.lines if line.get_label().startswith(start))
    (slope,) = (line for line in right.lines if line.get_label().startswith(start))
    return value, slope


def spans_named(axes, start):
    """Return the intervals that are shaded under a name."""
    found = [patch for patch in axes.patches if patch.get_label().startswith(start)]
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in found]


def test_what_is_drawn_is_the_loss_and_its_derivative():
    curve = skewed()
    value, slope = lines_named(value_loss_figure(curve, title="A value loss", label="symbolic form"), "symbolic form")
    for line, expected in ((value, curve.loss), (slope, curve.derivative)):
        assert (line.get_xdata() == ERROR).all()
        assert (line.get_ydata() == expected).all()


def test_nothing_but_the_loss_the_squared_error_and_where_errors_lie_is_drawn_unless_asked():
    figure = value_loss_figure(double_well(), title="A value loss", error_counts=COUNTS)
    names = [line.get_label() for line in panels_of(figure)[0].lines if not line.get_label().startswith("_")]
    assert [name.split(" ")[0] for name in names] == ["evolved", "squared"]
    assert not any(axes.patches for axes in panels_of(figure)[:2])
    assert len(legend_of(figure)) == 3


def test_the_mirror_image_is_the_loss_turned_about_zero():
    curve = skewed()
    value, slope = lines_named(value_loss_figure(curve, title="A value loss", annotate=True), "mirror image")
    assert value.get_ydata() == pytest.approx(curve.loss[::-1])
    assert slope.get_ydata() == pytest.approx(-curve.derivative[::-1])


def test_the_losses_beside_it_have_the_same_root_mean_square_derivative():
    curve = skewed(3.0)
    figure = value_loss_figure(curve, title="A value loss", annotate=True)
    for name in ("squared error", "Huber loss"):
        value, slope = lines_named(figure, name)
        assert np.square(slope.get_ydata()).mean() == pytest.approx(np.square(curve.derivative).mean())
        assert np.gradient(value.get_ydata(), ERROR) == pytest.approx(slope.get_ydata(), abs=0.6)
    scale = np.sqrt(np.square(curve.derivative).mean() / np.square(ERROR).mean())
    assert f"squared error ½δ² × {scale:.3g}: same root mean square gradient" in legend_of(figure)


def test_the_best_huber_threshold_is_named():
    derivative = 2 * np.clip(ERROR, -3, 3)
    loss = 2 * np.where(np.abs(ERROR) < 3, 0.5 * ERROR**2, 3 * np.abs(ERROR) - 4.5)
    figure = value_loss_figure(ValueLossCurve(ERROR, loss, derivative), title="A value loss", annotate=True)
    (entry,) = (text for text in legend_of(figure) if text.startswith("Huber"))
    threshold, scale = (float(word) for word in entry.removeprefix("Huber loss, threshold ").split(", × "))
    assert (threshold, scale) == pytest.approx((3, 2), rel=0.02)


def test_a_huber_loss_that_bends_within_a_step_of_the_grid_is_called_the_absolute_error():
    curve = ValueLossCurve(ERROR, 0.6 * np.abs(ERROR), 0.6 * np.sign(ERROR))
    entries = legend_of(value_loss_figure(curve, title="A value loss", annotate=True))
    (entry,) = (text for text in entries if text.startswith("absolute error |δ| × "))
    assert float(entry.split(" × ")[1]) == pytest.approx(0.6, rel=0.01)
    assert not any(text.startswith("Huber") for text in entries)


def test_where_no_huber_loss_is_nearer_than_the_squared_error_none_is_drawn():
    entries = legend_of(value_loss_figure(squared(), title="A value loss", annotate=True))
    assert not any(text.startswith(("Huber", "absolute")) for text in entries)


def test_the_minimum_is_marked_where_it_is():
    figure = value_loss_figure(squared(), title="A value loss", annotate=True)
    assert "minimum of φ at δ = 0" in legend_of(figure)
    value, slope = lines_named(
        value_loss_figure(double_well(), title="A value loss", annotate=True), "minimum of φ at δ = "
    )
    assert abs(value.get_xdata()[0]) == pytest.approx(50**0.5, abs=0.01)
    assert value.get_ydata()[0] == pytest.approx(-2500, rel=0.01)
    assert slope.get_ydata()[0] == pytest.approx(0, abs=10)


def test_a_loss_that_falls_to_the_end_is_said_to():
    figure = value_loss_figure(ValueLossCurve(ERROR, -ERROR, -np.ones_like(ERROR)), title="A value loss", annotate=True)
    assert "φ is least at the end of the range, at δ = 20" in legend_of(figure)


def test_where_a_loss_is_not_convex_both_panels_are_shaded():
    figure = value_loss_figure(double_well(), title="A value loss", annotate=True)
    for axes in panels_of(figure)[:2]:
        ((low, high),) = spans_named(axes, "not convex")
        assert (low, high) == pytest.approx((-((100 / 6) ** 0.5), (100 / 6) ** 0.5), abs=0.2)


def test_a_convex_loss_that_is_nowhere_flat_is_not_shaded():
    figure = value_loss_figure(squared(), title="A value loss", annotate=True)
    assert not any(axes.patches for axes in panels_of(figure))
    assert not any("convex" in text or "flat" in text for text in legend_of(figure))


def test_flat_parts_are_shaded_and_a_constant_loss_is_called_so():
    saturated = ValueLossCurve(ERROR, np.log(np.cosh(np.minimum(ERROR, 0))), np.tanh(np.minimum(ERROR, 0)))
    figure = value_loss_figure(saturated, title="A value loss", annotate=True)
    ((low, high),) = spans_named(panels_of(figure)[0], "flat: |φ′| < 2 % of its maximum")
    assert (low, high) == pytest.approx((0, 20), abs=0.2)
    figure = value_loss_figure(constant(), title="A value loss", annotate=True)
    assert spans_named(panels_of(figure)[1], "φ is constant") == [(-20, 20)]
    assert legend_of(figure) == ["evolved φ", "φ is constant"]


def test_visited_errors_are_drawn_as_a_density():
    figure = value_loss_figure(skewed(), title="A value loss", error_counts=COUNTS)
    *_, strip = panels_of(figure)
    (steps,) = (patch for patch in strip.patches if hasattr(patch, "get_data"))
    heights, edges, _ = steps.get_data()
    assert (edges == VALUE_EDGES).all()
    share = heights * np.diff(VALUE_EDGES)
    assert share == pytest.approx(COUNTS / COUNTS.sum())
    assert strip.get_xlim() == (-20, 20)


def test_it_is_told_how_many_errors_lie_outside():
    counts = np.where(np.abs(CENTRES) < 5, 7, 0)
    counts[-1] = counts.sum()
    legend = legend_of(value_loss_figure(skewed(), title="A", error_counts=counts))
    (entry,) = (text for text in legend if text.startswith("value errors in minibatches"))
    assert entry.endswith("; 50.0 % outside")


@pytest.mark.parametrize("mirrored", [False, True])
def test_losses_are_drawn_over_the_errors_that_occur(mirrored):
    drawn = errors_drawn(COUNTS, mirrored=mirrored)
    inside = (VALUE_EDGES[:-1] >= drawn[0]) & (VALUE_EDGES[1:] <= drawn[-1])
    assert 0.94 < COUNTS[inside].sum() / COUNTS.sum() < 1
    assert -13.5 < drawn[0] < -11  # mean −8, standard deviation 2
    assert drawn[-1] == pytest.approx(-drawn[0] if mirrored else -0.25 * drawn[0])
    assert errors_drawn(None)[[0, -1]].tolist() == errors_drawn(0 * COUNTS)[[0, -1]].tolist() == [-10, 10]


EVOLUTIONS = {
    "seven": {6 * number: skewed(number) for number in range(7)},
    "one": {5: skewed()},
    "many": {16 * number: squared(1e9 * number) for number in range(65)},
}


@pytest.mark.parametrize("curves", EVOLUTIONS.values(), ids=EVOLUTIONS)
def test_an_evolution_leaves_and_covers_nothing(curves):
    assert_well_laid_out(value_loss_evolution_figure(curves, title="An evolution"))


def test_an_evolution_has_a_line_of_another_colour_for_each_generation_and_a_bar_that_tells_which():
    curves = EVOLUTIONS["seven"]
    figure = value_loss_evolution_figure(dict(reversed(curves.items())), title="An evolution")
    for axes, field in zip(panels_of(figure), ("loss", "derivative"), strict=True):
        lines = [line for line in axes.lines if len(line.get_xdata()) == len(ERROR)]
        for line, curve in zip(lines, curves.values(), strict=True):
            assert (line.get_ydata() == getattr(curve, field)).all()
        assert len({to_hex(line.get_color()) for line in lines}) == len(curves)
        assert max(lines, key=lambda line: line.get_linewidth()) is lines[-1]
    (bar,) = colour_bars_of(figure)
    assert bar.get_ylim() == (0, 36)
    assert not colour_bars_of(value_loss_evolution_figure(EVOLUTIONS["one"], title="A line"))


SURFACES = {
    "clipped": surface(),
    "with a target": surface("target", 1e-9),
    "with losses below zero": surface("target", -1e9),
    "constant": surface(scale=0.0),
}


@pytest.mark.parametrize("shown", SURFACES.values(), ids=SURFACES)
def test_a_surface_leaves_and_covers_nothing(shown):
    assert_well_laid_out(value_loss_surface_figure(shown, title="A surface"))


def test_heat_maps_hold_the_loss_and_its_derivative_with_white_at_zero():
    shown = SURFACES["clipped"]
    figure = value_loss_surface_figure(shown, title="A surface")
    left, right = (axes.collections[0] for axes in panels_of(figure))
    assert (left.get_array().reshape(31, 41) == shown.loss.T).all()
    assert (right.get_array().reshape(31, 41) == shown.derivative.T).all()
    assert right.norm.vmin == -right.norm.vmax
    assert left.norm.vmin == 0
    assert [axes.get_ylabel() for axes in panels_of(figure)] == ["V_old − target (return)"] * 2
    assert "target (return)" in panels_of(value_loss_surface_figure(surface("target"), title="A"))[0].get_ylabel()


def test_a_loss_below_zero_is_drawn_with_white_at_zero_too():
    left = panels_of(value_loss_surface_figure(surface(scale=-1.0), title="A surface"))[0].collections[0]
    assert left.norm.vmin == -left.norm.vmax
