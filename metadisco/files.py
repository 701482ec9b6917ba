"""Files that are there whole or not at all, and arrays in them that NumPy alone can read."""

import contextlib
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
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        shutil.copymode(path, temporary)
    temporary.replace(path)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with _replacing(path) as file:
        file.write(text.encode())


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz archive whole or not at all, and its folder; unlike `np.savez`, whatever the arrays are called."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read an .npz archive; nothing is unpickled.

    Raises:
        UserError: if it cannot be read, or holds what is no array.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: cannot be read as arrays: {error}") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise UserError(f"{path}: {name!r} is no array")
    return arrays


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
