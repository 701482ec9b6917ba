"""What can be meta-learned: one file each, with settings, features, network, constraint, start and source together."""

from metadisco.parametrisations.lpo_drift import LPODrift
from metadisco.parametrisations.policy_and_value import PolicyAndValue
from metadisco.parametrisations.registry import (
    BUILT_IN,
    META_POLICIES,
    PARAMETRISATIONS,
    built_in,
    make_parametrisation,
)
from metadisco.parametrisations.value_loss import ValueLoss

__all__ = [
    "BUILT_IN",
    "META_POLICIES",
    "PARAMETRISATIONS",
    "LPODrift",
    "PolicyAndValue",
    "ValueLoss",
    "built_in",
    "make_parametrisation",
]
