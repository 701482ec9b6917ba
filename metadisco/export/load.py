"""Objectives by name or path. Needs neither orbax nor any environment library."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from metadisco.config import OBJECTIVE_SETTINGS, build_settings
from metadisco.errors import UserError
from metadisco.export.arrays import from_arrays
from metadisco.objectives import OBJECTIVES
from metadisco.parametrisations import make_parametrisation
from metadisco.runs import RunDirectory, find_run
from metadisco.types import MetaParams, Objective, Parametrisation


def load_objective(path_or_name: str | Path, **settings: Any) -> Objective:
    """Return an objective.

    Args:
        path_or_name: a closed objective such as "ppo", or the path of a run: its newest centre, or with `RUN@640` the
            one after 640 generations. A centre is where the search stood, never the luckiest member.
        **settings: constants of a closed objective, such as clip_eps.

    Raises:
        UserError: if there is no such objective, or what is there cannot be used.
    """
    name = str(path_or_name)
    if name in OBJECTIVES:
        checked: Any = build_settings(OBJECTIVE_SETTINGS[name], settings, prefix="objective.")
        return OBJECTIVES[name](**vars(checked))
    parametrisation, meta_params = load_centre(name)
    if settings:
        raise UserError(
            f"objective: {name!r} was trained with its constants, so that {', '.join(settings)} cannot be set"
        )
    return parametrisation.bind(meta_params)


def load_centre(name: str) -> tuple[Parametrisation, MetaParams]:
    """Return the parametrisation of a run and one of its centres.

    Args:
        name: path of the run, optionally with @generation.

    Raises:
        UserError: if there is no such run or generation, or its arrays do not fit.
    """
    path, generation = find_run(name)
    run = RunDirectory(path)
    kept = run.centre_generations()
    if not kept:
        raise UserError(f"{name!r} holds no centre yet: the run has reached no checkpoint")
    if generation is not None and generation not in kept:
        raise UserError(f"{name!r}: no centre was kept after generation {generation}, allowed: {_listed(kept)}")
    file = run.centre_path(kept[-1] if generation is None else generation)
    parametrisation = make_parametrisation(run.config().parametrisation)
    template = jax.eval_shape(parametrisation.init, jax.random.key(0))
    return parametrisation, from_arrays(_read(file), template, str(file))


def _read(file: Path) -> Mapping[str, np.ndarray]:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            read = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, TypeError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{file}: cannot be read as arrays: {error}") from error
    for name, array in read.items():
        if not isinstance(array, np.ndarray):
            raise UserError(f"{file}: {name!r} is no array")
    return read


def _listed(generations: list[int]) -> str:
    if len(generations) <= 12:
        return ", ".join(map(str, generations))
    return f"{', '.join(map(str, generations[:4]))}, …, {', '.join(map(str, generations[-4:]))}"
