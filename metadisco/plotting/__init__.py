"""Figures: arrays in, matplotlib Figure out. Computing what is drawn is done elsewhere."""

from metadisco.plotting.value_loss import value_loss_figure

__all__ = ["value_loss_figure"]
