"""The losses of an artefact as expressions and networks, from which source code is written."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from metadisco.discoveries.load import load_learned
from metadisco.distillation.families import DRIFT_FAMILIES, GAP, KL, PPO_CLIP
from metadisco.errors import UserError
from metadisco.objectives.expressions import (
    POLICY_VARIABLES,
    VALUE_VARIABLES,
    Expression,
    add,
    apply,
    fold,
    from_json,
    multiply,
    substitute,
    to_json,
)
from metadisco.objectives.losses import Losses, Network, ppo_drift, ppo_value_loss

CONSTANTS = {"ppo": {"epsilon": "clip_eps"}, "dpo": {"alpha": "alpha", "beta": "beta"}}
CLIPPED = {"ppo_kl": KL, "ppo_total_variation": apply("absolute", GAP)}
"""Terms that closed objectives add to PPO's clipping, times `coef`; distillation does not fit these."""
_FORM_VARIABLES = {"policy": POLICY_VARIABLES, "value": VALUE_VARIABLES}
_VARIABLES = {**_FORM_VARIABLES, "value": (*VALUE_VARIABLES, "value")}


def losses_of(described: Mapping[str, Any], arrays: Mapping[str, np.ndarray], name: str) -> Losses:
    """Return the losses of the objective in an artefact.

    Args:
        described: the section `objective` of the artefact.
        arrays: meta-parameters by path.
        name: of the objective, for messages.

    Raises:
        UserError: for a parametrisation that does not define `source_losses`.
    """
    if described["kind"] == "closed":
        return Losses(
            _drift(described["name"], described["settings"]),
            fold(ppo_value_loss(described["settings"]["value_clip_eps"])),
        )
    if described["kind"] == "forms":
        return _of_forms(described["expressions"], described["constants"])
    parametrisation, meta_params = load_learned(described, arrays, name)
    if parametrisation.bind(meta_params).schedule is not None:
        raise UserError(
            f"{name!r}: changes settings of PPO over the lifetime, which a module of losses does not hold, so no "
            "source can be written; allowed: an artefact, whose artefact.json lists the factors under `schedule`"
        )
    source_losses = getattr(parametrisation, "source_losses", None)
    if source_losses is None:
        own = described["parametrisation"]["name"]
        user_defined = "the user-defined " if ":" in own else ""
        raise UserError(
            f"{name!r}: {user_defined}{own} has no source_losses, so no source can be written; allowed: to distil it, "
            "and then `form` closed"
        )
    losses = source_losses(meta_params)
    if not isinstance(losses, Losses):
        raise UserError(f"source_losses: got {type(losses).__name__}, allowed: metadisco.objectives.losses.Losses")
    return Losses(*(_checked(part, each) for part, each in losses._asdict().items()))


def _checked(part: str, loss: Any) -> "Expression | Network":
    """Return a loss after checking that its expressions are valid and use only the variables of its part."""
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
    """Return the losses of closed forms; a part without a form gets PPO's loss."""
    ours = {"policy": ppo_drift(constants["clip_eps"]), "value": ppo_value_loss(constants["value_clip_eps"])}
    theirs = {part: from_json(each, _FORM_VARIABLES[part], part) for part, each in expressions.items()}
    return Losses(**{part: fold(each) for part, each in {**ours, **theirs}.items()})


def _drift(name: str, settings: Mapping[str, Any]) -> Expression:
    """Return the drift of a closed objective."""
    if name in CLIPPED:
        expression = add(PPO_CLIP, multiply("coef", CLIPPED[name]))
        return fold(substitute(expression, {"epsilon": settings["clip_eps"], "coef": settings["coef"]}))
    family = next(each for each in DRIFT_FAMILIES if each.name == name)
    constants = {each: settings[CONSTANTS.get(name, {}).get(each, each)] for each in family.starts}
    return fold(substitute(family.expression, constants))
