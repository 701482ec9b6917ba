"""Atomic writes, and arrays in files that NumPy can read."""

import errno
import io
import os
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from metadisco.errors import UserError, shown

Name: TypeAlias = str | os.PathLike[str]
"""A name or a path; a `Run` is one, too."""


def text_of(name: Name, argument: str = "name") -> str:
    """Return a name or a path as text.

    Args:
        name: as given.
        argument: that holds it.

    Raises:
        UserError: if it is neither.
    """
    text = os.fspath(name) if isinstance(name, str | os.PathLike) else None
    if not isinstance(text, str):
        raise UserError(f"{argument}: got {shown(name)}, allowed: a name or a path")
    return text


def flush_to_disk(path: Path) -> None:
    """Flush a file, or the entries of a directory, to disk where the file system supports it."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(number)


def write_atomically(path: Path, content: str | bytes, replace: bool = True) -> None:
    """Write a file atomically, text as UTF-8. A replaced file keeps its permissions.

    Raises:
        FileExistsError: if the path exists and `replace` is false.
    """
    write_together({path: content}, replace)


def write_together(contents: Mapping[Path, str | bytes], replace: bool = True) -> None:
    """Write several files in order, each atomically, after the contents of all of them are on disk.

    Args:
        contents: by path; text as UTF-8.
        replace: whether to replace existing files.

    Raises:
        FileExistsError: if a path exists and `replace` is false; nothing is written then.
    """
    temporaries = {path: _temporary(path) for path in contents}
    placed: list[Path] = []
    try:
        for path, temporary in temporaries.items():
            content = contents[path]
            with temporary.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            if replace and path.exists():
                shutil.copymode(path, temporary)
        for path, temporary in temporaries.items():
            _move_into_place(temporary, path, replace)
            placed.append(path)
        for folder in {path.parent for path in contents}:
            flush_to_disk(folder)
    except BaseException as error:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            for path in placed:
                path.unlink(missing_ok=True)
        raise


def _temporary(path: Path) -> Path:
    """Return the temporary name of a file that is being written."""
    return path.with_name(f"{path.name}.{os.getpid()}.tmp")


def _move_into_place(temporary: Path, path: Path, replace: bool) -> None:
    """Rename a temporary file; without `replace`, check that the path is free and take it in one atomic step."""
    if replace:
        temporary.replace(path)
        return
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        if os.path.lexists(path):  # a file system without hard links
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        temporary.replace(path)
    temporary.unlink(missing_ok=True)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz archive atomically; create its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, pack_arrays(arrays))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read an .npz archive without unpickling.

    Raises:
        UserError: if it cannot be read or holds something other than arrays.
    """
    try:
        return unpack_arrays(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read as arrays: {error}") from error


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return an .npz archive as reproducible bytes; unlike `np.savez`, it accepts any names of arrays."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return stream.getvalue()


def unpack_arrays(content: bytes, where: str) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz archive; nothing is unpickled or evaluated.

    Args:
        content: of the archive.
        where: name of the archive in error messages.

    Raises:
        UserError: if it is no archive, holds something other than numeric arrays, or more than MAX_BYTES.
    """
    members = unzip(io.BytesIO(content), f"{where}: cannot be read as arrays")
    try:
        return {name.removesuffix(".npy"): _array(member, name) for name, member in members.items()}
    except ValueError as error:
        raise UserError(f"{where}: cannot be read as arrays: {shown(error)}") from error


def unzip(source: Path | IO[bytes], prefix: str) -> dict[str, bytes]:
    """Read the members of a zip file into memory, at most MAX_BYTES.

    Args:
        source: the file.
        prefix: beginning of error messages.

    Raises:
        UserError: if it is no zip file, is damaged, too large, compressed by an unsupported method, or has two members
            of the same name.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
            if len({info.filename for info in members}) < len(members):
                raise ValueError("it holds a member twice")
            if sum(info.file_size for info in members) > MAX_BYTES:
                raise ValueError(f"it holds more than {MAX_BYTES // 2**20} MiB")
            if not {info.compress_type for info in members} <= {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise ValueError("it is compressed by another method than deflate")
            return {info.filename: archive.read(info) for info in members}
    except (OSError, ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{prefix}: {shown(error)}") from error


def _array(content: bytes, name: str) -> np.ndarray:
    """Return the array of an .npy file; NumPy raises many kinds of exceptions for damaged ones."""
    stream = io.BytesIO(content)
    try:
        with warnings.catch_warnings(action="error"):
            array = np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    except Exception as error:
        raise ValueError(f"{name!r} is no array of numbers") from error
    if not name.endswith(".npy") or array.dtype.kind not in "biuf" or stream.read(1):
        raise ValueError(f"{name!r} is no array of numbers")
    return array


MAX_BYTES = 256 * 2**20  # read into memory as a whole; networks of the literature take some kilobytes


def with_nulls(array: np.ndarray) -> list[Any]:
    """Return an array as nested lists, with null for non-finite numbers, which JSON cannot represent."""
    plain = array.astype(object)
    plain[~np.isfinite(array)] = None
    return list(plain.tolist())


def check_writable(path: Path, option: str, name: str = "") -> None:
    """Refuse a directory that cannot be created or written to.

    The check creates and removes a file: permissions alone do not tell what root or a file system allows.

    Args:
        path: of the directory.
        option: the option that named it.
        name: name of the file that will be written there, if known.

    Raises:
        UserError: naming the directory that cannot be written to.
    """
    there = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists() or each.is_symlink())
    refusal = UserError(f"{option}: {str(there)!r} is no directory that can be written to")
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise refusal
    trial = _temporary(there / (name or "metadisco"))
    try:
        trial.touch(exist_ok=False)
        trial.unlink()
    except FileExistsError:  # left by a killed process with the same process id
        return
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG):  # not a problem of the directory
            raise
        raise refusal from error
