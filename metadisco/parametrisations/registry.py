"""Parametrisations by name."""

from collections.abc import Mapping
from typing import Any

from metadisco.config import PARAMETRISATION_SETTINGS, build_settings
from metadisco.config.code.imports import load_object
from metadisco.errors import UserError
from metadisco.parametrisations.lpo_drift import LPODrift
from metadisco.parametrisations.policy_and_value import PolicyAndValue
from metadisco.parametrisations.value_loss import ValueLoss
from metadisco.types import Parametrisation

PARAMETRISATIONS: dict[str, type] = {
    "value_loss": ValueLoss,
    "lpo_drift": LPODrift,
    "policy_and_value": PolicyAndValue,
}
"""Built-in parametrisations; their settings are in `metadisco.config.PARAMETRISATION_SETTINGS`."""


FEATURES: dict[str, tuple[int, str]] = {
    "value_loss": (1, "V - target; target; old value: those that `inputs` names, in its order, unscaled"),
    "lpo_drift": (1, "log r, (log r)^2, 1 - r, (1 - r)^2; the same times A; clipped by feature_clip; if time_aware all "
                     "eight once more, times progress"),
    "policy_and_value": (1, "policy: as lpo_drift; value: as value_loss"),
}  # fmt: skip
"""What the networks of built-in parametrisations see: a version, which changes with any change of it, and in words."""


def make_parametrisation(section: Mapping[str, Any]) -> Parametrisation:
    """Make a parametrisation from its section of a config: a name and settings.

    Args:
        section: `name` is built in, or `package.module:Name` of a class called with the settings.

    Raises:
        UserError: for an unknown name or setting.
    """
    settings = {key: value for key, value in section.items() if key != "name"}
    name = section["name"]
    if name in PARAMETRISATIONS:
        checked: Any = build_settings(PARAMETRISATION_SETTINGS[name], settings, prefix="parametrisation.")
        parametrisation: Parametrisation = PARAMETRISATIONS[name](**vars(checked))
        return parametrisation
    parametrisation = load_object(name, key="parametrisation.name", arguments=settings)
    for method in ("init", "bind"):
        if not callable(getattr(parametrisation, method, None)):
            raise UserError(f"parametrisation.name: {name} has no method {method!r}, which a parametrisation needs")
    return parametrisation
