"""The figure of a schedule."""

import numpy as np
import pytest
from layout import assert_well_laid_out, panels_of

from metadisco.plotting.schedule import schedule_figure

PROGRESS = np.linspace(0, 1, 21)
CURVES = {
    "learning_rate": np.exp(-2 * PROGRESS),
    "entropy_coef": np.exp(np.sin(6 * PROGRESS)),
    "clip_eps": np.ones(21),
    "value_coef": 900.0 ** (PROGRESS - 0.5),
}


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_every_curve_has_a_panel_with_a_logarithmic_axis_around_one(number):
    curves = dict(list(CURVES.items())[:number])
    earlier = {generation: {name: values**0.5 for name, values in curves.items()} for generation in (0, 8)}
    figure = schedule_figure(PROGRESS, curves, title="Schedule of " + "m" * 90, earlier=earlier)
    panels = [axes for axes in panels_of(figure) if axes.axison]
    assert [axes.get_title(loc="left") for axes in panels] == list(curves)
    for axes, values in zip(panels, curves.values(), strict=True):
        assert axes.get_yscale() == "log"
        low, high = axes.get_ylim()
        np.testing.assert_allclose(low * high, 1)
        assert low <= values.min() and values.max() <= high
        np.testing.assert_array_equal(axes.lines[-1].get_ydata(), values)
        assert len(axes.lines) == 1 + len(earlier) + 1
    assert_well_laid_out(figure)
