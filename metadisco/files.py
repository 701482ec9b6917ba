"""Files that are there whole or not at all, and arrays in them that NumPy alone can read."""

import contextlib
import io
import math
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from metadisco.errors import UserError


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write, which takes the place of `path` once it is whole; permissions there are kept."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all; text as UTF-8."""
    with _replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


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
    """Return the arrays of an .npz archive; nothing is unpickled.

    Args:
        content: of the archive.
        where: what to call it in complaints.

    Raises:
        UserError: if it is no archive, or holds what is no array.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            arrays = {info.filename.removesuffix(".npy"): _read_member(archive, info) for info in members}
    except (OSError, ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{where}: cannot be read as arrays: {error}") from error
    if len(arrays) < len(members):
        raise UserError(f"{where}: cannot be read as arrays: two of them have the same name")
    return arrays


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """Read one array, after seeing that it is no larger than what is there."""
    if not info.filename.endswith(".npy"):
        raise ValueError(f"{info.filename!r} is no array")
    with archive.open(info) as member:
        read_header = _HEADERS.get(np.lib.format.read_magic(member))
        if read_header is None:
            raise ValueError(f"{info.filename!r} is in a format of NumPy that is not known")
        shape, _, dtype = read_header(member)
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or size != info.file_size - member.tell():
            raise ValueError(f"{info.filename!r} is no array, or not of the size that it states")
    with archive.open(info) as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        member.read(1)  # to its end, where the checksum is compared
    return array


_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def nulls(array: np.ndarray) -> list[Any]:
    """Return nested lists with null for what JSON cannot hold."""
    plain = array.astype(object)
    plain[~np.isfinite(array)] = None
    return list(plain.tolist())


def check_writable(path: Path, option: str) -> None:
    """Refuse a directory that could not be made or written to.

    Raises:
        UserError: naming the directory that is in the way.
    """
    there = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise UserError(f"{option}: {str(there)!r} is no directory that can be written to")


def check_file(path: Path, option: str) -> None:
    """Refuse a file that could not be written: a directory, or in a folder that is not there.

    Raises:
        UserError: naming what is in the way.
    """
    if path.is_dir():
        raise UserError(f"{option}: {str(path)!r} is a directory, allowed: a file")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{option}: {str(path.absolute().parent)!r} is no directory that can be written to")
    check_writable(path.absolute().parent, option)
