"""Loads objectives by name or path. Needs neither orbax nor any library of environments."""

from collections.abc import Mapping
from os import PathLike
from typing import Any

import jax
import numpy as np

from metadisco.config import OBJECTIVE_SETTINGS, build_settings
from metadisco.config.code.imports import load_object
from metadisco.discoveries.names import find_centre
from metadisco.discoveries.pairs import check_pairs
from metadisco.discoveries.sources import find_source
from metadisco.errors import UserError, shown
from metadisco.objectives.arithmetic import in_float32
from metadisco.objectives.closed import OBJECTIVES, clip_drift, mirror, value_loss
from metadisco.objectives.expressions import POLICY_VARIABLES, VALUE_VARIABLES, drift_of, from_json, value_loss_of
from metadisco.parametrisations import BUILT_IN, built_in, make_parametrisation
from metadisco.storage.arrays import from_arrays
from metadisco.storage.files import read_arrays, text_of
from metadisco.storage.package import Package
from metadisco.types import MetaParams, Objective, Parametrisation


@in_float32
def load_objective(path_or_name: str | PathLike[str], **settings: Any) -> Objective:
    """Return an objective.

    Args:
        path_or_name: one of
            - a closed objective, such as "ppo";
            - a published discovery, such as "value_loss_cartpole";
            - the path of a run, for its newest search centre; `RUN@640` for the centre after 640 generations. A search
              centre is the current estimate of the search, not its best member;
            - the path of an artefact;
            - the path of distilled forms, for the closest form; `PATH@form` for another one.
        **settings: constants of a closed objective, such as clip_eps.

    Raises:
        UserError: if there is no such objective, or it cannot be used.

    Example:
        objective = metadisco.load_objective("runs/first")
        policy_loss, value_loss = metadisco.as_policy_loss(objective), metadisco.as_value_loss(objective)
    """
    name = text_of(path_or_name, "path_or_name")
    if name in OBJECTIVES:
        checked: Any = build_settings(OBJECTIVE_SETTINGS[name], settings, prefix="objective.")
        return OBJECTIVES[name](**vars(checked))
    source = find_source(name, settings)
    if source.distilled is not None:
        return _forms(source.distilled.expressions, source.distilled.constants, str(source.distilled.path))
    if source.artefact is not None:
        return load_artefact(source.artefact)
    parametrisation, meta_params = load_centre(name)
    return parametrisation.bind(meta_params)


def load_artefact(artefact: Package) -> Objective:
    """Return the objective of an artefact after checking that its outputs equal the stored ones.

    Raises:
        UserError: if they differ, or its parametrisation, features or arrays do not fit this version.
    """
    described, where = artefact.data["objective"], str(artefact.path)
    if described["kind"] == "closed":
        objective = _closed(described["name"], described["settings"], where)
    elif described["kind"] == "forms":
        objective = _forms(described["expressions"], described["constants"], where)
    else:
        parametrisation, meta_params = load_learned(described, artefact.arrays, where)
        objective = parametrisation.bind(meta_params)
    if described["kind"] != "learned" and artefact.arrays:
        raise UserError(f"{where}: holds arrays, which a closed form does not have")
    check_pairs(objective, artefact.data.get("pairs"), where)
    return objective


def load_learned(
    described: Mapping[str, Any], arrays: Mapping[str, np.ndarray], where: str
) -> tuple[Parametrisation, MetaParams]:
    """Return the parametrisation and meta-parameters of a learned objective.

    The module of a user-defined parametrisation is imported, as for a run. Whatever the file names, only a class with
    `init` and `bind` is called.

    Args:
        described: section `objective` of an artefact.
        arrays: meta-parameters by path.
        where: name of the artefact in error messages.

    Raises:
        UserError: if parametrisation, features or arrays do not fit this version.
    """
    section = described["parametrisation"]
    name = section["name"]
    check_parametrisation_name(section, where)
    version, _ = getattr(built_in(name), "features", (None, ""))
    got = described.get("feature_version")
    if got != version or type(got) is not type(version):
        raise UserError(f"{where}: got version {shown(got)} of the features of {name}, allowed: {version!r}")
    try:
        parametrisation = make_parametrisation(section)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    template = jax.eval_shape(parametrisation.init, jax.random.key(0))
    return parametrisation, from_arrays(arrays, template, where)


def check_parametrisation_name(section: Mapping[str, Any] | None, where: str) -> None:
    """Refuse a parametrisation that is neither built in nor a user-defined class; the latter is imported."""
    name = str(section.get("name")) if section else ""
    if not section or name in BUILT_IN:
        return
    module, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), attribute)):
        raise UserError(
            f"{where}: its parametrisation {shown(name)} is not built in ({', '.join(BUILT_IN)}), and no "
            "package.module:Name"
        )
    try:
        found = load_object(name, key="its parametrisation")
    except UserError as error:
        raise UserError(
            f"{where}: {error}; allowed: the code of its meta-training, on the Python path or in the current directory"
        ) from error
    if not isinstance(found, type) or not all(callable(getattr(found, method, None)) for method in ("init", "bind")):
        raise UserError(f"{where}: its parametrisation {shown(name)} is no class with init and bind")


def _closed(name: str, settings: Mapping[str, Any], where: str) -> Objective:
    if name not in OBJECTIVES:
        raise UserError(f"{where}: got the closed objective {shown(name)}, allowed: {', '.join(OBJECTIVES)}")
    checked: Any = build_settings(OBJECTIVE_SETTINGS[name], settings, prefix=f"{where}: ")
    return OBJECTIVES[name](**vars(checked))


def _forms(expressions: Mapping[str, Any], constants: Mapping[str, Any], where: str) -> Objective:
    """Return the objective of closed forms; a part without a form gets the loss of PPO."""
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
