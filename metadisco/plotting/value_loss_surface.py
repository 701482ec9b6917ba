"""A value loss of two inputs, as heat maps."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from metadisco.distillation.surfaces import ValueLossSurface
from metadisco.plotting.heat import Scale, heat_map
from metadisco.plotting.style import set_legend, set_title, uncluttered

ERROR = "value error δ = V − target (return)"
SECOND = {"target": "target (return)", "old_value": "V_old − target (return)"}
LOSS, DERIVATIVE = "φ − φ at δ = 0 (unit of the loss)", "∂φ/∂V (unit of the loss / return)"
NEARLY_ZERO = 1e-5  # of the largest |∂φ/∂V|


def value_loss_surface_figure(surface: ValueLossSurface, *, title: str) -> Figure:
    """Draw a value loss of two inputs, and its derivative.

    Args:
        surface: over errors and second inputs, both in units of return.
        title: of the figure.
    """
    figure = Figure(figsize=(11, 5.2), layout=ConstrainedLayoutEngine(wspace=0.06))
    for place, (name, values, signed) in enumerate(
        ((LOSS, surface.loss, False), (DERIVATIVE, surface.derivative, True)), 1
    ):
        _draw_heat_map(figure, place, surface, values, signed, name)
    if surface.derivative.any():
        set_legend(figure, [Line2D([], [], color="black", linewidth=1, label="where ∂φ/∂V comes to zero")])
    set_title(figure, title)
    return figure


def _draw_heat_map(
    figure: Figure, place: int, surface: ValueLossSurface, values: Float[np.ndarray, "G H"], signed: bool, name: str
) -> None:
    axes = figure.add_subplot(1, 2, place)
    scale = Scale([values], signed=signed)
    heat_map(axes, surface.error, surface.second, values, scale)
    nearly = NEARLY_ZERO * float(np.abs(surface.derivative).max())
    if nearly > 0:  # on either side, as zero may be a region
        axes.contour(
            surface.error, surface.second, surface.derivative.T, levels=[-nearly, nearly], colors="black",
            linestyles="-", linewidths=0.8
        )  # fmt: skip
    axes.set_xlabel(ERROR)
    axes.set_ylabel(SECOND[surface.second_input])
    uncluttered(axes)
    scale.bar(figure, [axes], name)
