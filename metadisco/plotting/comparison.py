"""Figures of an evaluation."""

from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from metadisco.discoveries.sources import short_names
from metadisco.evaluation.evaluate import Comparison
from metadisco.evaluation.results import figure_name
from metadisco.plotting.curves import learning_curves_figure
from metadisco.plotting.style import save


def comparison_figures(comparison: Comparison) -> Iterator[tuple[str, Figure]]:
    """Give the learning curves of all objectives, environment by environment, each with its name."""
    short = short_names(cell.objective for cell in comparison.cells)
    for env in comparison.configs:
        cells = [cell for cell in comparison.cells if cell.env == env]
        curves = {short[cell.objective]: (cell.env_steps, cell.lives.filled) for cell in cells}
        yield figure_name(env), learning_curves_figure(curves, title=f"{env}, {comparison.num_seeds} seeds")


def draw_comparison(comparison: Comparison, output: Path) -> None:
    """Write the figures of an evaluation into the folder `figures` of its output, as PNG and SVG."""
    for name, figure in comparison_figures(comparison):
        save(figure, output / "figures" / name)
