"""What every figure is held to, whatever it draws."""

import re
from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

NUMBER = re.compile(r"[−-]?[\d,.]+(e[−-]?\d+)?( ?[a-zA-Zµ])?")
PIXELS = 1.5  # by how much boxes may be off


def assert_well_laid_out(figure: Figure) -> None:
    """Check that axes are labelled, and that nothing leaves the figure or covers something else.

    What is compared are the boxes of what is seen: panels and colour bars with their ticks, labels and titles; and the
    title and the legend of the figure.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    parts = [*figure.axes, *figure.legends, *figure.texts]  # the title is one of the texts
    boxes = {part: part.get_tightbbox(renderer) for part in parts}
    for part, box in boxes.items():
        assert min(box.x0, box.y0) >= -PIXELS, (part, box)
        assert box.x1 <= figure.bbox.x1 + PIXELS, (part, box)
        assert box.y1 <= figure.bbox.y1 + PIXELS, (part, box)
    for first, second in combinations(parts, 2):
        assert not boxes[first].padded(-PIXELS).overlaps(boxes[second].padded(-PIXELS)), (first, second)
    for axes in figure.axes:
        assert_numbers_are_apart(axes, renderer)
    assert_labelled(figure)


def is_colour_bar(axes: Axes) -> bool:
    """Return whether axes are those of a colour bar."""
    return axes.get_label() == "<colorbar>"


def panels_of(figure: Figure) -> list[Axes]:
    """Return the axes without those of colour bars."""
    return [axes for axes in figure.axes if not is_colour_bar(axes)]


def colour_bars_of(figure: Figure) -> list[Axes]:
    """Return the axes of colour bars."""
    return [axes for axes in figure.axes if is_colour_bar(axes)]


def assert_numbers_are_apart(axes: Axes, renderer: object) -> None:
    """Check that numbers along an axis are whole and do not touch."""
    for axis in (axes.xaxis, axes.yaxis):
        assert not axis.get_offset_text().get_text(), "a power of ten in the corner"
        boxes = [label.get_window_extent(renderer) for label in numbers_along(axis)]
        assert not any(first.overlaps(second) for first, second in combinations(boxes, 2)), (axes, axis)


def numbers_along(axis: Axis) -> list[Text]:
    """Return what is written along an axis, within its limits."""
    low, high = sorted(axis.get_view_interval())
    labels = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [label for label in labels if label.get_visible() and label.get_text()]


def assert_labelled(figure: Figure) -> None:
    """Check that every axis with numbers tells what they are: itself, or along x the last panel of its column."""
    panels = panels_of(figure)
    for axes in panels:
        for name, axis in axes._axis_map.items():
            spec = axes.get_subplotspec()
            below = [each for each in panels if each.get_subplotspec().colspan == spec.colspan] if spec else [axes]
            label = axis.get_label_text() or (name == "x" and below[-1].get_xlabel())
            assert label or not any(NUMBER.fullmatch(each.get_text()) for each in numbers_along(axis)), (axes, axis)
    assert all(bar.get_ylabel() for bar in colour_bars_of(figure))


def legend_of(figure: Figure) -> list[str]:
    """Return the entries of the legend below the panels, each on one line."""
    return [text.get_text().replace("\n", " ") for legend in figure.legends for text in legend.get_texts()]
