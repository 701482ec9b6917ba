"""What can be meta-learned: one file each, with features, network and constraint together."""

from metadisco.parametrisations.registry import PARAMETRISATIONS, make_parametrisation
from metadisco.parametrisations.value_loss import ValueLoss

__all__ = ["PARAMETRISATIONS", "ValueLoss", "make_parametrisation"]
