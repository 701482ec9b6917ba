"""The losses of what an artefact describes, as what source can be written from."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from metadisco.discoveries.load import load_learned
from metadisco.distillation.families import DRIFT_FAMILIES
from metadisco.errors import UserError
from metadisco.objectives.expressions import (
    POLICY_VARIABLES,
    VALUE_VARIABLES,
    Expression,
    fold,
    from_json,
    substitute,
    to_json,
)
from metadisco.objectives.losses import Losses, Network, ppo_drift, ppo_value_loss

CONSTANTS = {"ppo": {"epsilon": "clip_eps"}, "dpo": {"alpha": "alpha", "beta": "beta"}}
_FORM_VARIABLES = {"policy": POLICY_VARIABLES, "value": VALUE_VARIABLES}
_VARIABLES = {**_FORM_VARIABLES, "value": (*VALUE_VARIABLES, "value")}


def losses_of(said: Mapping[str, Any], arrays: Mapping[str, np.ndarray], name: str) -> Losses:
    """Return the losses of what an artefact describes.

    Args:
        said: its `objective`.
        arrays: its meta-parameters by path.
        name: of the objective, for messages.

    Raises:
        UserError: for a parametrisation whose losses are known as code alone.
    """
    if said["kind"] == "closed":
        return Losses(_drift(said["name"], said["settings"]), fold(ppo_value_loss(said["settings"]["value_clip_eps"])))
    if said["kind"] == "forms":
        return _of_forms(said["expressions"], said["constants"])
    parametrisation, meta_params = load_learned(said, arrays, name)
    source_losses = getattr(parametrisation, "source_losses", None)
    if source_losses is None:
        own = said["parametrisation"]["name"]
        whose = " is of your own and" if ":" in own else ""
        raise UserError(
            f"{name!r}: {own}{whose} has no source_losses, so that no source of it can be written; allowed: to distil "
            "it, and then `form` closed"
        )
    losses = source_losses(meta_params)
    if not isinstance(losses, Losses):
        raise UserError(f"source_losses: got {type(losses).__name__}, allowed: metadisco.objectives.losses.Losses")
    return Losses(*(_checked(part, each) for part, each in losses._asdict().items()))


def _checked(part: str, loss: Any) -> "Expression | Network":
    """Return a loss, after seeing that its expressions are such, of what its part may name."""
    where, variables = f"source_losses: {part}", _VARIABLES[part]
    if not isinstance(loss, Network):
        return fold(from_json(to_json(loss), variables, where))
    features = tuple(fold(from_json(to_json(each), variables, f"{where}: features")) for each in loss.features)
    num_inputs = (1 + loss.timed) * len(features)
    if num_inputs != len(loss.layers[0][0]):
        raise UserError(f"{where}: got {num_inputs} features, allowed: the {len(loss.layers[0][0])} of the first layer")
    around = fold(from_json(to_json(loss.loss), (*variables, "network"), where))
    return loss._replace(loss=around, features=features)


def _of_forms(expressions: Mapping[str, Any], constants: Mapping[str, Any]) -> Losses:
    """Return the losses of closed forms; PPO's own where there is none."""
    ours = {"policy": ppo_drift(constants["clip_eps"]), "value": ppo_value_loss(constants["value_clip_eps"])}
    theirs = {part: from_json(each, _FORM_VARIABLES[part], part) for part, each in expressions.items()}
    return Losses(**{part: fold(each) for part, each in {**ours, **theirs}.items()})


def _drift(name: str, settings: Mapping[str, Any]) -> Expression:
    """Return the drift of a closed objective."""
    family = next(each for each in DRIFT_FAMILIES if each.name == name)
    constants = {each: settings[CONSTANTS.get(name, {}).get(each, each)] for each in family.starts}
    return fold(substitute(family.expression, constants))
