"""The losses of an objective as what source can be written from: an expression, or a network with its weights."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from metadisco.config import PARAMETRISATION_SETTINGS, build_settings
from metadisco.distillation.families import DRIFT_FAMILIES
from metadisco.errors import UserError
from metadisco.expressions import (
    POLICY_VARIABLES,
    VALUE_VARIABLES,
    Expression,
    add,
    apply,
    fold,
    from_json,
    multiply,
    substitute,
)


class Network(NamedTuple):
    """A learned drift or value loss."""

    settings: Any
    """LearnedDriftSettings or LearnedValueLossSettings."""
    layers: list[tuple[np.ndarray, np.ndarray | None]]
    """Kernel and bias of each layer, the output last."""


class Losses(NamedTuple):
    """Both losses of an objective."""

    policy: "Expression | Network"
    """The drift."""
    value: "Expression | Network"


CONSTANTS = {"ppo": {"epsilon": "clip_eps"}, "dpo": {"alpha": "alpha", "beta": "beta"}}


def losses_of(said: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Losses:
    """Return the losses of what an artefact describes.

    Args:
        said: its `objective`.
        arrays: its meta-parameters by path.

    Raises:
        UserError: for a parametrisation that is not built in, whose losses are known as code alone.
    """
    if said["kind"] == "closed":
        return Losses(_drift(said["name"], said["settings"]), _value_loss(said["settings"]["value_clip_eps"]))
    if said["kind"] == "forms":
        parts, constants = said["expressions"], said["constants"]
        policy = _drift("ppo", constants)
        value = _value_loss(constants["value_clip_eps"])
        if "policy" in parts:
            policy = fold(from_json(parts["policy"], POLICY_VARIABLES, "policy"))
        if "value" in parts:
            value = fold(from_json(parts["value"], VALUE_VARIABLES, "value"))
        return Losses(policy, value)
    section = dict(said["parametrisation"])
    name = section.pop("name")
    if name not in PARAMETRISATION_SETTINGS:
        raise UserError(f"--to: {name} is a parametrisation of your own, of which source cannot be written")
    settings: Any = build_settings(PARAMETRISATION_SETTINGS[name], section)
    if name == "lpo_drift":
        return Losses(Network(settings, _layers(arrays)), _value_loss(settings.value_clip_eps))
    if name == "value_loss":
        return Losses(_drift("ppo", {"clip_eps": settings.clip_eps}), Network(settings, _layers(arrays)))
    return Losses(
        Network(settings.policy, _layers(arrays, "policy/")), Network(settings.value, _layers(arrays, "value/"))
    )


def _drift(name: str, settings: Mapping[str, Any]) -> Expression:
    """Return the drift of a closed objective."""
    family = next(each for each in DRIFT_FAMILIES if each.name == name)
    return fold(
        substitute(
            family.expression, {each: settings[CONSTANTS.get(name, {}).get(each, each)] for each in family.starts}
        )
    )


def _value_loss(value_clip_eps: float | None) -> Expression:
    """Return PPO's value loss, clipped or not, in the `value` itself too, so that no digit is lost."""
    half_square = multiply(0.5, apply("square", "error"))
    if value_clip_eps is None:
        return half_square
    move = apply("subtract", "value", "old_value")
    held = apply("minimum", apply("maximum", move, -value_clip_eps), value_clip_eps)
    clipped = apply("subtract", add("old_value", held), "target")
    return multiply(0.5, apply("maximum", apply("square", "error"), apply("square", clipped)))


def _layers(arrays: Mapping[str, np.ndarray], prefix: str = "") -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Return the layers of a network from its arrays by path."""
    own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    hidden = sorted((name.partition("/")[0] for name in own if name.endswith("kernel")), key=_order)
    return [(own[f"{layer}/kernel"], own.get(f"{layer}/bias")) for layer in hidden]


def _order(layer: str) -> tuple[bool, int]:
    return layer == "output", int(layer.rpartition("_")[2]) if layer != "output" else 0
