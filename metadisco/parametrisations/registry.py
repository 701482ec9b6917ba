"""Parametrisations by name."""

from collections import ChainMap
from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

from metadisco.config import build_settings
from metadisco.config.code.imports import load_object
from metadisco.errors import UserError
from metadisco.types import Parametrisation

PARAMETRISATIONS: dict[str, str] = {
    "value_loss": "metadisco.parametrisations.value_loss:ValueLoss",
    "lpo_drift": "metadisco.parametrisations.lpo_drift:LPODrift",
    "policy_and_value": "metadisco.parametrisations.policy_and_value:PolicyAndValue",
    "drift_basis": "metadisco.parametrisations.drift_basis:DriftBasis",
    "schedules": "metadisco.parametrisations.schedules:Schedules",
}
"""Parametrisations of objectives by their names in a config, each given as module and class.

Besides `init` and `bind`, such a class has these members:
`learns`: the losses that are learned, `policy`, `value` or both. The other loss is that of PPO, with the constant
`clip_eps` or `value_clip_eps` of the class.
`features`: version and description of the network's inputs. The version changes whenever the inputs do.
`resized(hidden_sizes)`: the same settings with other hidden layers, and an initialisation with non-zero gradients;
left out where there is no network.
`source_losses(meta_params)`: both losses in symbolic form, for exporting source; left out with a schedule.
"""

META_POLICIES: dict[str, str] = {
    "meta_policy": "metadisco.parametrisations.meta_policy:FeedForwardPolicy",
    "recurrent_policy": "metadisco.parametrisations.recurrent_policy:RecurrentPolicy",
    "open_loop_policy": "metadisco.parametrisations.open_loop_policy:OpenLoopPolicy",
    "static_policy": "metadisco.parametrisations.static_policy:StaticPolicy",
    "initial_policy": "metadisco.parametrisations.initial_policy:InitialPolicy",
}
"""Parametrisations of meta-policies for repeated games, likewise.

Each has `features` as above, and the field `num_states`, which the problem sets. If it binds to a `MetaPolicy`,
`source_policy(meta_params)` describes it for exporting source.
"""

MESSAGES: dict[str, str] = {"message": "metadisco.parametrisations.message:LearnedMessage"}
"""Parametrisations of messages, likewise; `source_message(meta_params)` describes one for exporting source."""

BUILT_IN: ChainMap[str, str] = ChainMap(PARAMETRISATIONS, META_POLICIES, MESSAGES)
"""All of them."""


def built_in(name: str) -> Any:
    """Return the class of a built-in parametrisation, imported on demand; None for any other name."""
    return resolve_name(BUILT_IN[name]) if name in BUILT_IN else None


def make_parametrisation(section: Mapping[str, Any]) -> Parametrisation:
    """Create a parametrisation from its section of a config: a name and settings.

    Args:
        section: `name` is built-in, or `package.module:Name` of a class that is called with the settings.

    Raises:
        UserError: for an unknown name or setting.
    """
    settings = {key: value for key, value in section.items() if key != "name"}
    name = section["name"]
    cls = built_in(name)
    if cls is not None:
        made: Parametrisation = build_settings(cls, settings, prefix="parametrisation.")
        return made
    parametrisation: Parametrisation = load_object(name, key="parametrisation.name", arguments=settings)
    for method in ("init", "bind"):
        if not callable(getattr(parametrisation, method, None)):
            raise UserError(f"parametrisation.name: {name} has no method {method!r}, which a parametrisation needs")
    return parametrisation
