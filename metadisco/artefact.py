"""The artefact: a discovered objective as JSON and arrays, in a folder or a zip file. Needs no JAX.

`artefact.json` says what the objective is, how it was found, how it is to be called, and what it gives for some inputs;
`arrays.npz` holds the meta-parameters of a learned one. Nothing in it is executed. Checksums find damage; they are no
signature.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metadisco.distilled import PARTS, check_constants
from metadisco.errors import UserError
from metadisco.files import pack_arrays, unpack_arrays, write_atomically

FILE, ARRAYS = "artefact.json", "arrays.npz"
FORMAT = "metadisco objective"
VERSION = 1
SEAL = ("format", "version", "sha256")
"""Keys of artefact.json that writing adds."""
MAX_BYTES = 256 * 2**20  # of either file; the networks of the literature take some kilobytes
KINDS: dict[str, dict[str, type]] = {
    "learned": {"parametrisation": dict},
    "closed": {"name": str, "settings": dict},
    "forms": {"expressions": dict, "constants": dict},
}
"""What an objective can be, and what then says which."""


class Artefact(NamedTuple):
    """What an artefact holds."""

    path: Path
    data: dict[str, Any]
    """artefact.json."""
    arrays: dict[str, np.ndarray]
    """By path in the tree of meta-parameters; none for a closed form."""

    @property
    def objective(self) -> dict[str, Any]:
        """What the objective is: `kind`, and what its kind needs."""
        objective: dict[str, Any] = self.data["objective"]
        return objective


def find_artefact(name: str) -> Path | None:
    """Return the path of an artefact, or None where a name means none."""
    path = Path(name)
    if path.is_dir():
        return path if (path / FILE).is_file() else None
    return path if path.suffix == ".zip" and path.is_file() else None


def write_artefact(path: Path, data: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write an artefact: a zip file where the name ends in .zip, else a folder.

    Args:
        path: what to write.
        data: what artefact.json is to say; format, version and checksums are added.
        arrays: meta-parameters by their path; empty for a closed form.
    """
    packed = pack_arrays(arrays) if arrays else b""
    text = json.dumps(_sealed({**data, "arrays_sha256": _digest(packed) if arrays else None}), indent=1) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(FILE), text)
            if arrays:
                archive.writestr(zipfile.ZipInfo(ARRAYS), packed)
        write_atomically(path, stream.getvalue())
        return
    path.mkdir(exist_ok=True)
    if arrays:
        write_atomically(path / ARRAYS, packed)
    write_atomically(path / FILE, text)


def read_artefact(path: Path) -> Artefact:
    """Read an artefact and check that it is whole.

    Raises:
        UserError: naming what is wrong with it.
    """
    content = _unzipped(path) if path.is_file() else _folder(path)
    data = _checked(content.get(FILE), path)
    packed = content.get(ARRAYS)
    stated = data["arrays_sha256"]
    if (packed is None) != (stated is None):
        raise UserError(f"{path}: {ARRAYS} is {'missing' if packed is None else 'there, which it should not be'}")
    if packed is not None and _digest(packed) != stated:
        raise UserError(f"{path}: {ARRAYS} was changed or damaged: its checksum is another")
    return Artefact(path, data, {} if packed is None else unpack_arrays(packed, f"{path}: {ARRAYS}"))


def _folder(path: Path) -> dict[str, bytes]:
    """Return the files of a folder; there may be others, which are not looked at."""
    try:
        found = [name for name in (FILE, ARRAYS) if (path / name).is_file()]
        for name in found:
            if (path / name).stat().st_size > MAX_BYTES:
                raise UserError(f"{path}: {name} is larger than {MAX_BYTES // 2**20} MiB")
        return {name: (path / name).read_bytes() for name in found}
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _unzipped(path: Path) -> dict[str, bytes]:
    """Return the members of a zip file, in memory; only those of an artefact may be in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [info.filename for info in members]
            extra = [name for name in names if name not in (FILE, ARRAYS)]
            if extra or len(set(names)) < len(names):
                what = f"a member {extra[0]!r}" if extra else "a member twice"
                raise UserError(f"{path}: holds {what}, allowed: {FILE} and {ARRAYS}")
            content = {}
            for info in members:
                with archive.open(info) as member:
                    content[info.filename] = member.read(MAX_BYTES + 1)
    except (OSError, ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: cannot be read as a zip file: {error}") from error
    for name, each in content.items():
        if len(each) > MAX_BYTES:
            raise UserError(f"{path}: {name} is larger than {MAX_BYTES // 2**20} MiB")
    return content


def _checked(text: bytes | None, path: Path) -> dict[str, Any]:
    """Return what artefact.json says, after seeing that it is one and was not changed."""
    if text is None:
        raise UserError(f"{path}: {FILE} is missing")
    try:
        data = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: {FILE} cannot be read as JSON: {error}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise UserError(f"{path}: {FILE} describes no objective")
    if data.get("version") != VERSION or isinstance(data["version"], bool):
        raise UserError(f"{path}: got version {data.get('version')!r} of the artefact, allowed: {VERSION}")
    try:
        sealed = _sealed(data)
    except RecursionError as error:
        raise UserError(f"{path}: {FILE} cannot be read as JSON: {error}") from error
    if data != sealed:
        raise UserError(f"{path}: {FILE} was changed or damaged: its checksum is another")
    _check_objective(data.get("objective"), path)
    trained_on = data.get("trained_on")
    if trained_on is not None:
        envs = trained_on.get("envs") if isinstance(trained_on, dict) else None
        if not isinstance(envs, list) or not all(isinstance(env, str) for env in envs):
            raise UserError(f"{path}: trained_on lacks a list of envs")
    return data


def _check_objective(said: Any, path: Path) -> None:
    """Refuse what does not say which objective it is."""
    kind = said.get("kind") if isinstance(said, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise UserError(f"{path}: got an objective of kind {kind!r}, allowed: {', '.join(KINDS)}")
    for key, of in KINDS[kind].items():
        if not isinstance(said.get(key), of):
            raise UserError(f"{path}: an objective of kind {kind!r} lacks its {key}")
    if kind == "learned" and not isinstance(said["parametrisation"].get("name"), str):
        raise UserError(f"{path}: its parametrisation lacks a name")
    if kind == "forms":
        check_constants(said["constants"], str(path))
        if not said["expressions"] or not set(said["expressions"]) <= set(PARTS):
            raise UserError(f"{path}: got expressions of {list(said['expressions'])}, allowed: {', '.join(PARTS)}")


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _sealed(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return data with format, version and a checksum over all of it; those that it has are replaced."""
    whole = {"format": FORMAT, "version": VERSION, **{key: data[key] for key in data if key not in SEAL}}
    text = json.dumps(whole, sort_keys=True, allow_nan=False)
    return {**whole, "sha256": _digest(text.encode())}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
