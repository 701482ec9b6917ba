"""Files that are there whole or not at all, and arrays in them that NumPy alone can read."""

import errno
import io
import os
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from metadisco.errors import UserError, shown


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or the names in a directory, are on the disk, where the file system can say."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(number)


def write_atomically(path: Path, content: str | bytes, replace: bool = True) -> None:
    """Write a file whole or not at all; text as UTF-8. Permissions of what it replaces are kept.

    Raises:
        FileExistsError: if something is there that is not to be replaced.
    """
    write_together({path: content}, replace)


def write_together(contents: Mapping[Path, str | bytes], replace: bool = True) -> None:
    """Write files that belong together, in their order: each whole, and none before all of them are on the disk.

    Args:
        contents: by path; text as UTF-8.
        replace: what is there.

    Raises:
        FileExistsError: if something is there that is not to be replaced; nothing was written then.
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
            _put(temporary, path, replace)
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
    """Return the name that a file has while it is written."""
    return path.with_name(f"{path.name}.{os.getpid()}.tmp")


def _put(temporary: Path, path: Path, replace: bool) -> None:
    """Give a file its name; where nothing is to be replaced, in one step with seeing that nothing is there."""
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
    """Write an .npz archive whole or not at all, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, pack_arrays(arrays))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read an .npz archive; nothing is unpickled.

    Raises:
        UserError: if it cannot be read, or holds what is no array.
    """
    try:
        return unpack_arrays(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read as arrays: {error}") from error


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return an .npz archive, the same for the same arrays; unlike `np.savez`, whatever the arrays are called."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return stream.getvalue()


def unpack_arrays(content: bytes, where: str) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz archive; nothing is unpickled, or evaluated.

    Args:
        content: of the archive.
        where: what to call it in complaints.

    Raises:
        UserError: if it is no archive, holds what is no array of numbers, or more than MAX_BYTES.
    """
    members = unzip(io.BytesIO(content), f"{where}: cannot be read as arrays")
    try:
        return {name.removesuffix(".npy"): _array(member, name) for name, member in members.items()}
    except ValueError as error:
        raise UserError(f"{where}: cannot be read as arrays: {shown(error)}") from error


def unzip(source: Path | IO[bytes], trouble: str) -> dict[str, bytes]:
    """Return the members of a zip file, in memory: as many bytes as it states, and no more than MAX_BYTES.

    Args:
        source: the file.
        trouble: how complaints begin.

    Raises:
        UserError: if it is none, is damaged, compressed in an odd way, or has two members of the same name.
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
        raise UserError(f"{trouble}: {shown(error)}") from error


def _array(content: bytes, name: str) -> np.ndarray:
    """Return the array of an .npy file; NumPy has an exception of its own for each way in which one can be damaged."""
    stream = io.BytesIO(content)
    try:
        with warnings.catch_warnings(action="error"):
            array = np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    except Exception as error:
        raise ValueError(f"{name!r} is no array of numbers") from error
    if not name.endswith(".npy") or array.dtype.kind not in "biuf" or stream.read(1):
        raise ValueError(f"{name!r} is no array of numbers")
    return array


MAX_BYTES = 256 * 2**20  # of what is read at once; the networks of the literature take some kilobytes


def with_nulls(array: np.ndarray) -> list[Any]:
    """Return nested lists with null for what JSON cannot hold."""
    plain = array.astype(object)
    plain[~np.isfinite(array)] = None
    return list(plain.tolist())


def check_writable(path: Path, option: str, name: str = "") -> None:
    """Refuse a directory that could not be made or written to.

    It is tried, by a file that is gone again: what root may do, or a file system can, nothing else tells.

    Args:
        path: of the directory.
        option: that named it.
        name: of the file that will be written there, if it is known.

    Raises:
        UserError: naming the directory that is in the way.
    """
    there = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists() or each.is_symlink())
    refusal = UserError(f"{option}: {str(there)!r} is no directory that can be written to")
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise refusal
    trial = _temporary(there / (name or "metadisco"))
    try:
        trial.touch(exist_ok=False)
        trial.unlink()
    except FileExistsError:  # left by a process that was killed, and had the number of this one
        return
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG):  # no matter of the directory
            raise
        raise refusal from error
