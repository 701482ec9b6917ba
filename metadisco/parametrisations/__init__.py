"""What can be meta-learned: one file each, with features, network and constraint together."""

from metadisco.parametrisations.lpo_drift import LPODrift
from metadisco.parametrisations.policy_and_value import PolicyAndValue
from metadisco.parametrisations.registry import FEATURES, PARAMETRISATIONS, make_parametrisation
from metadisco.parametrisations.value_loss import ValueLoss

__all__ = ["FEATURES", "PARAMETRISATIONS", "LPODrift", "PolicyAndValue", "ValueLoss", "make_parametrisation"]
