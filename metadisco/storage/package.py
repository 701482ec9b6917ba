"""Packages: JSON and arrays in a folder or a zip file, with checksums. Does not need JAX.

The JSON file names the kind of package; `arrays.npz` holds its arrays, if any. Nothing in a package is executed.
Checksums detect damage; they are no signature.
"""

import errno
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metadisco.config import Config
from metadisco.errors import UserError, shown
from metadisco.storage.files import (
    MAX_BYTES,
    check_writable,
    pack_arrays,
    unpack_arrays,
    unzip,
    write_together,
)
from metadisco.storage.outputs import already_exists, check_file, check_replaceable, write_or_beside, write_output

ARRAYS = "arrays.npz"
SEAL = ("format", "version", "sha256")
"""Keys that `write_package` adds to the data."""


class Kind(NamedTuple):
    """A kind of package."""

    file: str
    """Name of the JSON file."""
    format: str
    """Value of `format` in that file."""
    versions: tuple[int, ...]
    """Readable versions of the format; the last one is written."""
    what: str
    """Name of the contents in error messages."""


ARTEFACT = Kind("artefact.json", "metadisco objective", (1, 2), "discovery")
AGENTS = Kind("agents.json", "metadisco agents", (1,), "agents")


class Package(NamedTuple):
    """A package that was read."""

    path: Path
    data: dict[str, Any]
    """Contents of the JSON file."""
    arrays: dict[str, np.ndarray]
    """Arrays by name; may be empty."""


def find_package(name: str, kind: Kind) -> Path | None:
    """Return the path of a package of a kind; None if the name refers to none."""
    path = Path(name)
    try:
        if path.is_dir():
            return path if (path / kind.file).is_file() else None
        return path if path.suffix == ".zip" and path.is_file() else None
    except OSError:  # the name is too long for a file
        return None


def files_of(path: Path, kind: Kind) -> list[Path]:
    """Return the files that make up a package."""
    return [path / kind.file, path / ARRAYS] if path.is_dir() else [path]


def digest_of(path: Path, kind: Kind) -> str:
    """Return a hash of the files of a package."""
    return _digest(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files_of(path, kind)))


def saved_agents(env_settings: Mapping[str, Any]) -> list[Path]:
    """Return the packages of agents that settings of an environment name as opponents."""
    opponent = env_settings.get("opponent")
    names = [each["agents"] if is_one_agent(each) else each for each in as_list(opponent)]
    found = [find_package(name, AGENTS) for name in names if isinstance(name, str)]
    return [path for path in found if path is not None]


def digests_of_opponents(config: Config) -> dict[str, str]:
    """Return hashes of the saved agents that the environments of a config play against, by their paths."""
    paths = {path for task in config.tasks for path in saved_agents(task.env_settings)}
    return {str(path): digest_of(path, AGENTS) for path in sorted(paths)}


def as_list(opponent: Any) -> list[Any]:
    """Return the opponents that a setting names, which may be one or a list."""
    return list(opponent) if isinstance(opponent, list) else [opponent]


def is_one_agent(opponent: Any) -> bool:
    """Return whether an opponent is one agent of a package, as {"agents": path, "agent": index}."""
    return isinstance(opponent, Mapping) and opponent.keys() == {"agents", "agent"}


def write_package(
    path: Path, kind: Kind, data: Mapping[str, Any], arrays: Mapping[str, np.ndarray], force: bool = False
) -> None:
    """Write a package: a zip file if the name ends in .zip, else a folder.

    A zip file is written atomically. The two files of a folder are renamed one after the other once both are on disk. A
    process that is killed in between leaves a mixed folder, which the checksums detect: it is refused until it is
    written again.

    Args:
        path: of the package.
        kind: of the package.
        data: contents of the JSON file; format, version and checksums are added.
        arrays: by name; may be empty.
        force: whether to replace an existing package.

    Raises:
        MachineError: if the path exists without `force`; the package is written beside it then.
    """
    packed = pack_arrays(arrays) if arrays else b""
    sealed = _sealed({**data, "arrays_sha256": _digest(packed) if arrays else None}, kind, kind.versions[-1])
    members = {kind.file: (json.dumps(sealed, indent=1) + "\n").encode(), **({ARRAYS: packed} if arrays else {})}
    if path.suffix == ".zip":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        write_output(path, stream.getvalue(), force)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_or_beside(path, lambda at: _write_folder(at, kind, members, force))


def _write_folder(path: Path, kind: Kind, members: Mapping[str, bytes], force: bool) -> None:
    """Write the members of a folder; other files in an existing folder stay."""
    path.mkdir(exist_ok=True)
    if not force and any(path.iterdir()):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    write_together({path / name: members[name] for name in (ARRAYS, kind.file) if name in members}, force)
    if ARRAYS not in members:
        (path / ARRAYS).unlink(missing_ok=True)


def check_package(path: Path, kind: Kind, option: str, force: bool) -> None:
    """Refuse a path that `write_package` cannot write to, or a folder with other contents.

    Raises:
        UserError: naming the obstacle.
    """
    zipped = path.suffix == ".zip"
    if zipped:
        check_file(path, option, force)
    else:
        check_writable(path, option, kind.file)
    there = _names_in(path)
    if kind.file not in there and not all(_is_own(name, kind) for name in there):
        what = "zip file" if zipped else "folder"
        raise UserError(f"{option}: {str(path)!r} holds something else, allowed: a new {what}, or one with {kind.file}")
    if there and not force:
        raise already_exists(path, option)
    for name in () if zipped else (kind.file, ARRAYS):
        check_replaceable(path / name, option, force)


def _names_in(path: Path) -> list[str]:
    """Return the names in a folder or zip file; none if it is missing or empty."""
    if path.is_dir():
        return [each.name for each in path.iterdir()]
    if not path.is_file() or path.stat().st_size == 0:
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return [path.name]  # no zip file


def _is_own(name: str, kind: Kind) -> bool:
    """Whether a file belongs to a kind of package, or is a temporary file of a killed write."""
    return any(name == own or (name.startswith(f"{own}.") and name.endswith(".tmp")) for own in (kind.file, ARRAYS))


def read_package(path: Path, kind: Kind) -> Package:
    """Read a package and verify its checksums.

    Raises:
        UserError: naming the defect.
    """
    content = _unzipped(path, kind) if path.is_file() else _folder(path, kind)
    data = _checked(content.get(kind.file), path, kind)
    packed = content.get(ARRAYS)
    stated = data.get("arrays_sha256")
    if (packed is None) != (stated is None):
        raise UserError(f"{path}: {ARRAYS} is {'missing' if packed is None else 'there, which it should not be'}")
    if packed is not None and _digest(packed) != stated:
        raise UserError(f"{path}: {ARRAYS} was changed or damaged: its checksum is another")
    return Package(path, data, {} if packed is None else unpack_arrays(packed, f"{path}: {ARRAYS}"))


def _folder(path: Path, kind: Kind) -> dict[str, bytes]:
    """Return the files of a folder package; other files are ignored."""
    try:
        found = [name for name in (kind.file, ARRAYS) if (path / name).is_file()]
        for name in found:
            if (path / name).stat().st_size > MAX_BYTES:
                raise UserError(f"{path}: {name} is larger than {MAX_BYTES // 2**20} MiB")
        return {name: (path / name).read_bytes() for name in found}
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _unzipped(path: Path, kind: Kind) -> dict[str, bytes]:
    """Return the members of a zip package; others than those of its kind are refused."""
    members = unzip(path, f"{path}: cannot be read as a zip file")
    extra = [name for name in members if name not in (kind.file, ARRAYS)]
    if extra:
        raise UserError(f"{path}: holds a member {shown(extra[0])}, allowed: {kind.file} and {ARRAYS}")
    return members


def _checked(text: bytes | None, path: Path, kind: Kind) -> dict[str, Any]:
    """Return the contents of the JSON file after checking format, version and checksum."""
    if text is None:
        raise UserError(f"{path}: {kind.file} is missing")
    try:
        data = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: {kind.file} cannot be read as JSON: {shown(error)}") from error
    if not isinstance(data, dict) or data.get("format") != kind.format:
        raise UserError(f"{path}: {kind.file} describes no {kind.what}")
    version = data.get("version")
    if version not in kind.versions or isinstance(version, bool | float):
        allowed = ", ".join(map(str, kind.versions))
        raise UserError(f"{path}: got version {shown(version)} of {kind.file}, allowed: {allowed}")
    try:
        sealed = _sealed(data, kind, version)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: {kind.file} cannot be read as JSON: {shown(error)}") from error
    if data != sealed:
        raise UserError(f"{path}: {kind.file} was changed or damaged: its checksum is another")
    return data


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _sealed(data: Mapping[str, Any], kind: Kind, version: int) -> dict[str, Any]:
    """Return data with format, version and checksum, which replace existing ones."""
    whole = {"format": kind.format, "version": version, **{key: data[key] for key in data if key not in SEAL}}
    text = json.dumps(whole, sort_keys=True, allow_nan=False)
    return {**whole, "sha256": _digest(text.encode())}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
