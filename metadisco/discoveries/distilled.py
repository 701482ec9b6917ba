"""distilled.json: closed forms of a learned objective. Does not need JAX.

    {"format": "metadisco distilled forms", "version": 1, "source": …, "trained_on": [environments] or null,
     "constants": {"clip_eps": …, "value_clip_eps": …},
     "policy": {"closest": NAME, "forms": {NAME: {"expression": …, …}}, "rejected": {NAME: {"reason": …, …}}},
     "value": …}

A missing part was not distilled: it is the loss of PPO with the constants given.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from metadisco.errors import UserError, nearest

FILE = "distilled.json"
FORMAT = "metadisco distilled forms"
VERSION = 1
PARTS = ("policy", "value")
MAX_CONSTANT = 1e30


class Distilled(NamedTuple):
    """Closed forms that were selected from a file."""

    path: Path
    trained_on: tuple[str, ...] | None
    """Environments of the meta-training of the distilled objective; None for a closed objective."""
    constants: dict[str, Any]
    """Constants of the losses of PPO for parts that were not distilled: clip_eps and value_clip_eps."""
    expressions: dict[str, Any]
    """Expressions as JSON, by part (`policy`, `value`)."""
    inner: dict[str, Any] | None = None
    """Settings of the trainings of the fit; None for a closed objective, or if unknown."""


def find_distilled(name: str) -> Distilled | None:
    """Return the distilled forms that a name refers to; None if it names no such file.

    Args:
        name: path of the file or of its folder, for the closest form; with @form for another one.

    Raises:
        UserError: if the file is damaged or has no such form.
    """
    path, form = Path(name), None
    try:
        there = path.exists()
    except OSError:  # the name is too long for a file
        return None
    if not there:
        stem, at, form = name.rpartition("@")
        path = Path(stem) if at and form else path
    if path.is_dir():
        path = path / FILE
    if path.suffix != ".json" or not path.is_file():
        return None
    data = read(path)
    known = sorted({each for part in PARTS if part in data for each in data[part]["forms"]})
    if form and form not in known:
        raise UserError(f"{path}: got the form {form!r}, allowed: {', '.join(known)}{nearest(form, known)}")
    expressions = {}
    for part in PARTS:
        if part in data:
            forms = data[part]["forms"]
            expressions[part] = forms[form if form in forms else data[part]["closest"]]["expression"]
    trained_on = data.get("trained_on")
    if trained_on is None:
        return Distilled(path, None, data["constants"], expressions)
    visited = data.get("visited")
    inner = visited.get("inner") if isinstance(visited, dict) else None
    return Distilled(
        path, tuple(trained_on), data["constants"], expressions, inner if isinstance(inner, dict) else None
    )


def read(path: Path) -> dict[str, Any]:
    """Read and check a file of distilled forms.

    Raises:
        UserError: naming the defect.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise UserError(f"{path}: is no file of distilled forms")
    if data.get("version") != VERSION or isinstance(data["version"], bool):
        raise UserError(f"{path}: got version {data.get('version')!r}, allowed: {VERSION}")
    check_constants(data.get("constants"), str(path))
    trained_on = data.get("trained_on")
    if trained_on is not None and not (isinstance(trained_on, list) and all(isinstance(x, str) for x in trained_on)):
        raise UserError(f"{path}: trained_on must be a list of environments, or null")
    if not any(part in data for part in PARTS):
        raise UserError(f"{path}: holds no form")
    for part in PARTS:
        if part in data:
            _check_part(path, part, data[part])
    return data


def check_constants(constants: Any, where: str) -> None:
    """Refuse missing or invalid constants of the losses of PPO.

    Args:
        constants: should hold clip_eps and value_clip_eps.
        where: name of their file in error messages.

    Raises:
        UserError: naming the constant that is missing or not positive.
    """
    if not isinstance(constants, dict) or not _positive(constants.get("clip_eps")):
        raise UserError(f"{where}: constants lack a positive clip_eps")
    if "value_clip_eps" not in constants or not (
        constants["value_clip_eps"] is None or _positive(constants["value_clip_eps"])
    ):
        raise UserError(f"{where}: constants lack a value_clip_eps that is positive or null")


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < MAX_CONSTANT


def _check_part(path: Path, part: str, data: Any) -> None:
    forms = data.get("forms") if isinstance(data, Mapping) else None
    if not isinstance(forms, dict) or not all(
        isinstance(form, dict) and "expression" in form for form in forms.values()
    ):
        raise UserError(f"{path}: {part} lacks forms with an expression each")
    closest = data.get("closest")
    if not isinstance(closest, str) or closest not in forms:
        raise UserError(f"{path}: {part} names {closest!r} as the closest form, which it lacks")
