"""Objectives by name or path. Needs neither orbax nor any environment library."""

from pathlib import Path
from typing import Any

import jax

from metadisco.config import OBJECTIVE_SETTINGS, build_settings
from metadisco.distilled import Distilled, find_distilled
from metadisco.errors import UserError
from metadisco.export.arrays import from_arrays
from metadisco.expressions import POLICY_VARIABLES, VALUE_VARIABLES, drift_of, from_json, value_loss_of
from metadisco.files import read_arrays
from metadisco.objectives import OBJECTIVES, clip_drift, mirror, value_loss
from metadisco.parametrisations import make_parametrisation
from metadisco.runs import find_centre
from metadisco.types import MetaParams, Objective, Parametrisation


def load_objective(path_or_name: str | Path, **settings: Any) -> Objective:
    """Return an objective.

    Args:
        path_or_name: a closed objective such as "ppo", or the path of a run: its newest centre, or with `RUN@640` the
            one after 640 generations. A centre is where the search stood, never the luckiest member. Or the path of
            distilled forms: the closest, or with `PATH@form` another one.
        **settings: constants of a closed objective, such as clip_eps.

    Raises:
        UserError: if there is no such objective, or what is there cannot be used.
    """
    name = str(path_or_name)
    if name in OBJECTIVES:
        checked: Any = build_settings(OBJECTIVE_SETTINGS[name], settings, prefix="objective.")
        return OBJECTIVES[name](**vars(checked))
    distilled = find_distilled(name)
    if distilled is None:
        parametrisation, meta_params = load_centre(name)
    if settings:
        raise UserError(f"objective: {name!r} was made with its constants, so that {', '.join(settings)} cannot be set")
    return _closed(distilled) if distilled else parametrisation.bind(meta_params)


def _closed(distilled: Distilled) -> Objective:
    """Return the objective of distilled forms; PPO's own losses where there is none."""
    parts = distilled.expressions
    policy_loss = mirror(clip_drift(distilled.constants["clip_eps"]))
    own_value_loss = value_loss(distilled.constants["value_clip_eps"])
    if "policy" in parts:
        policy_loss = mirror(drift_of(from_json(parts["policy"], POLICY_VARIABLES, f"{distilled.path}: policy")))
    if "value" in parts:
        own_value_loss = value_loss_of(from_json(parts["value"], VALUE_VARIABLES, f"{distilled.path}: value"))
    return Objective(policy_loss, own_value_loss)


def load_centre(name: str) -> tuple[Parametrisation, MetaParams]:
    """Return the parametrisation of a run and one of its centres.

    Args:
        name: path of the run, optionally with @generation.

    Raises:
        UserError: if there is no such run or generation, or its arrays do not fit.
    """
    run, file = find_centre(name)
    parametrisation = make_parametrisation(run.config().parametrisation)
    template = jax.eval_shape(parametrisation.init, jax.random.key(0))
    return parametrisation, from_arrays(read_arrays(file), template, str(file))
