"""Parametrisations of learned objectives. Each is one file with settings, features, network and constraint."""

from metadisco.parametrisations.drift_basis import DriftBasis
from metadisco.parametrisations.lpo_drift import LPODrift
from metadisco.parametrisations.policy_and_value import PolicyAndValue
from metadisco.parametrisations.registry import (
    BUILT_IN,
    MESSAGES,
    META_POLICIES,
    PARAMETRISATIONS,
    built_in,
    make_parametrisation,
)
from metadisco.parametrisations.schedules import Schedules
from metadisco.parametrisations.value_loss import ValueLoss

__all__ = [
    "BUILT_IN",
    "MESSAGES",
    "META_POLICIES",
    "PARAMETRISATIONS",
    "DriftBasis",
    "LPODrift",
    "PolicyAndValue",
    "Schedules",
    "ValueLoss",
    "built_in",
    "make_parametrisation",
]
