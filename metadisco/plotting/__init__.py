"""Figures: arrays in, matplotlib Figure out. Computing what is drawn is done elsewhere."""

from metadisco.plotting.curves import curves_figure, learning_curves_figure
from metadisco.plotting.distributions import profiles_figure, returns_figure
from metadisco.plotting.drift import drift_evolution_figure, drift_figure
from metadisco.plotting.drift_lines import drift_slices_figure
from metadisco.plotting.grid import grid_figure
from metadisco.plotting.intervals import intervals_figure
from metadisco.plotting.look import look
from metadisco.plotting.run import run_figure
from metadisco.plotting.runs import runs_figure
from metadisco.plotting.style import DASHES, PALETTE, save
from metadisco.plotting.value_loss import value_loss_evolution_figure, value_loss_figure, value_losses_figure
from metadisco.plotting.value_loss_surface import value_loss_surface_figure

__all__ = [
    "DASHES",
    "PALETTE",
    "curves_figure",
    "drift_evolution_figure",
    "drift_figure",
    "drift_slices_figure",
    "grid_figure",
    "intervals_figure",
    "learning_curves_figure",
    "look",
    "profiles_figure",
    "returns_figure",
    "run_figure",
    "runs_figure",
    "save",
    "value_loss_evolution_figure",
    "value_loss_figure",
    "value_loss_surface_figure",
    "value_losses_figure",
]
