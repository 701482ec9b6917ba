"""Parametrisations by name."""

from collections.abc import Mapping
from typing import Any

from metadisco.config import PARAMETRISATION_SETTINGS, build_settings
from metadisco.errors import UserError
from metadisco.imports import load_object
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
