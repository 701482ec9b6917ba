"""Functions of two inputs, as heat maps. Axes: G by H, the first along x."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from metadisco.plotting.look import points
from metadisco.plotting.style import short

MAGNITUDES, SLOPES = "cividis", "PuOr_r"  # the second is white at 0
FRAME = 1e-6  # of a cell
NEGATIVE = 0.01  # of the top of a scale, beyond which values below zero are no rounding


class Scale:
    """Colours that several panels have in common.

    Limits leave out the outermost hundredth of all values together, so that a corner does not swallow the rest.

    Args:
        grids: everything that is drawn with it.
        signed: whether values of either sign are expected: then white is 0 and both signs reach equally far. Otherwise
            so only if there are values below zero.
        unit: what signed values are compared with: colours reach from −2 to 2 of it, and what is beyond has the colour
            of the end. None to reach as far as the values.
        within: of each grid what decides the limits; all of it if left out.
    """

    def __init__(
        self,
        grids: Sequence[Float[np.ndarray, "G H"]],
        *,
        signed: bool,
        unit: float | None = None,
        within: Sequence[Bool[np.ndarray, "G H"]] | None = None,
    ):
        whole = [np.isfinite(grid) for grid in grids]
        values, deciding = (
            np.concatenate([np.append(grid[part], 0.0) for grid, part in zip(grids, parts, strict=True)])
            for parts in (whole, [known & part for known, part in zip(whole, within or whole, strict=True)])
        )
        top = float(np.percentile(np.abs(deciding), 99)) or float(np.abs(values).max()) or 1.0
        self.norm: Normalize
        if not signed and values.min() >= -NEGATIVE * top:
            self.norm, self.colours = PowerNorm(0.5, 0.0, top), MAGNITUDES
        else:
            top = top if unit is None else 2 * unit
            self.norm, self.colours = Normalize(-top, top), SLOPES
        above, below = values.max() > top * (1 + 1e-9), self.colours == SLOPES and values.min() < -top * (1 + 1e-9)
        self.extend = {(0, 0): "neither", (1, 0): "max", (0, 1): "min", (1, 1): "both"}[above, below]

    def bar(self, figure: Figure, panels: Sequence[Axes], label: str) -> Colorbar:
        """Draw the colour bar beside panels."""
        mappable = ScalarMappable(self.norm, self.colours)
        fraction = 0.5 / figure.get_figwidth()
        bar = figure.colorbar(mappable, ax=panels, extend=self.extend, fraction=fraction, pad=0.02, aspect=25)
        label = f"{label}\n(square-root scale)" if isinstance(self.norm, PowerNorm) else label
        bar.set_label(label, fontsize=points(figure, 9))
        bar.formatter = FuncFormatter(lambda number, _: short(number))
        bar.update_ticks()
        return bar


def heat_map(
    axes: Axes,
    x: Float[np.ndarray, "G"],
    y: Float[np.ndarray, "H"],
    values: Float[np.ndarray, "G H"],
    scale: Scale,
) -> QuadMesh:
    """Draw values by colour; an image even in files of vectors, which would be huge otherwise."""
    mesh = axes.pcolormesh(x, y, values.T, shading="nearest", norm=scale.norm, cmap=scale.colours, rasterized=True)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    return mesh


def outline(
    axes: Axes, x: Float[np.ndarray, "G"], y: Float[np.ndarray, "H"], inside: Bool[np.ndarray, "G H"], **style: Any
) -> QuadContourSet | None:
    """Draw the border of a region, closed also where it reaches the edge of the panel; nothing if it is empty."""
    if not inside.any():
        return None
    # A frame of cells that are outside, of almost no width, closes the border at the edges of the panel.
    x, y = (np.pad(grid, 1, "reflect", reflect_type="odd") for grid in (x, y))
    x[[0, -1]], y[[0, -1]] = (
        x[[1, -2]] + FRAME * (x[[0, -1]] - x[[1, -2]]),
        y[[1, -2]] + FRAME * (y[[0, -1]] - y[[1, -2]]),
    )
    return axes.contour(x, y, np.pad(inside, 1).T.astype(float), levels=[0.5], **style)
