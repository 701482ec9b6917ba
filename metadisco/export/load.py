"""Objectives by name or path. Needs neither orbax nor any environment library."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from metadisco.artefact import Artefact, find_artefact, read_artefact
from metadisco.config import OBJECTIVE_SETTINGS, build_settings
from metadisco.distilled import find_distilled
from metadisco.errors import UserError
from metadisco.export.arrays import from_arrays
from metadisco.export.pairs import check_pairs
from metadisco.expressions import POLICY_VARIABLES, VALUE_VARIABLES, drift_of, from_json, value_loss_of
from metadisco.files import read_arrays
from metadisco.objectives import OBJECTIVES, clip_drift, mirror, value_loss
from metadisco.parametrisations import FEATURES, make_parametrisation
from metadisco.runs import find_centre
from metadisco.types import MetaParams, Objective, Parametrisation


def load_objective(path_or_name: str | Path, **settings: Any) -> Objective:
    """Return an objective.

    Args:
        path_or_name: a closed objective such as "ppo", or the path of a run: its newest centre, or with `RUN@640` the
            one after 640 generations. A centre is where the search stood, never the luckiest member. Or the path of
            an artefact; or of distilled forms: the closest, or with `PATH@form` another one.
        **settings: constants of a closed objective, such as clip_eps.

    Raises:
        UserError: if there is no such objective, or what is there cannot be used.
    """
    name = str(path_or_name)
    if name in OBJECTIVES:
        checked: Any = build_settings(OBJECTIVE_SETTINGS[name], settings, prefix="objective.")
        return OBJECTIVES[name](**vars(checked))
    objective = _load(name)
    if settings:
        raise UserError(f"objective: {name!r} was made with its constants, so that {', '.join(settings)} cannot be set")
    return objective


def _load(name: str) -> Objective:
    """Return the objective of a file or folder."""
    distilled = find_distilled(name)
    if distilled is not None:
        return _forms(distilled.expressions, distilled.constants, str(distilled.path))
    artefact = find_artefact(name)
    if artefact is not None:
        return load_artefact(read_artefact(artefact))
    parametrisation, meta_params = load_centre(name)
    return parametrisation.bind(meta_params)


def load_artefact(artefact: Artefact) -> Objective:
    """Return the objective of an artefact, after seeing that it gives what it gave when it was written.

    Raises:
        UserError: if it does not, or its parametrisation, features or arrays do not fit this version.
    """
    said, where = artefact.objective, str(artefact.path)
    if said["kind"] == "closed":
        kind = _known(OBJECTIVE_SETTINGS, said, where)
        settings: Any = build_settings(kind, said.get("settings", {}), prefix=f"{where}: ")
        objective = OBJECTIVES[said["name"]](**vars(settings))
    elif said["kind"] == "forms":
        objective = _forms(said["expressions"], said["constants"], where)
    else:
        section = said["parametrisation"]
        version, _ = FEATURES.get(section["name"], (None, ""))
        if said.get("feature_version") != version:
            raise UserError(
                f"{where}: got version {said.get('feature_version')!r} of the features of {section['name']}, "
                f"allowed: {version!r}"
            )
        parametrisation = make_parametrisation(section)
        template = jax.eval_shape(parametrisation.init, jax.random.key(0))
        objective = parametrisation.bind(from_arrays(artefact.arrays, template, where))
    check_pairs(objective, artefact.data.get("pairs"), where)
    return objective


def _known(table: Mapping[str, type], said: Mapping[str, Any], where: str) -> type:
    if said["name"] not in table:
        raise UserError(f"{where}: got the closed objective {said['name']!r}, allowed: {', '.join(table)}")
    return table[said["name"]]


def _forms(expressions: Mapping[str, Any], constants: Mapping[str, Any], where: str) -> Objective:
    """Return the objective of closed forms; PPO's own losses where there is none."""
    policy_loss = mirror(clip_drift(constants["clip_eps"]))
    own_value_loss = value_loss(constants["value_clip_eps"])
    if "policy" in expressions:
        policy_loss = mirror(drift_of(from_json(expressions["policy"], POLICY_VARIABLES, f"{where}: policy")))
    if "value" in expressions:
        own_value_loss = value_loss_of(from_json(expressions["value"], VALUE_VARIABLES, f"{where}: value"))
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
