"""Parametrisations by name."""

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
}
"""Parametrisations of objectives by the name that they have in a config, each as the module and class of its settings.

A class of them has, beside `init` and `bind`:
`learns`: the losses that it learns, `policy`, `value` or both; what it does not learn is PPO's, with the constant that
it has as `clip_eps` or `value_clip_eps`.
`features`: what its network sees, as a version, which changes with any change of it, and in words.
`resized(hidden_sizes)`: one of the same form with hidden layers of other widths, at whose start gradients are not zero.
`source_losses(meta_params)`: both losses as what source is written from.
"""

META_POLICIES: dict[str, str] = {
    "meta_policy": "metadisco.parametrisations.meta_policy:FeedForwardPolicy",
    "recurrent_policy": "metadisco.parametrisations.recurrent_policy:RecurrentPolicy",
    "open_loop_policy": "metadisco.parametrisations.open_loop_policy:OpenLoopPolicy",
    "static_policy": "metadisco.parametrisations.static_policy:StaticPolicy",
    "initial_policy": "metadisco.parametrisations.initial_policy:InitialPolicy",
}
"""Parametrisations of meta-policies for repeated games, likewise.

A class of them has the field `num_states`, which the problem sets, and `features` as above.
"""

BUILT_IN = {**PARAMETRISATIONS, **META_POLICIES}


def built_in(name: str) -> Any:
    """Return the class of a built-in parametrisation, which is imported now; None for any other name."""
    return resolve_name(BUILT_IN[name]) if name in BUILT_IN else None


def make_parametrisation(section: Mapping[str, Any]) -> Parametrisation:
    """Make a parametrisation from its section of a config: a name and settings.

    Args:
        section: `name` is built in, or `package.module:Name` of a class called with the settings.

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
