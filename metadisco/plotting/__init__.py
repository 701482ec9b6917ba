"""Figures: arrays in, matplotlib Figure out. Computing what is drawn is done elsewhere."""

from metadisco.plotting.curves import learning_curves_figure
from metadisco.plotting.value_loss import value_loss_figure

__all__ = ["learning_curves_figure", "value_loss_figure"]
