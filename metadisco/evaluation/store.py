"""Cells of an evaluation on disk, so that one that was stopped goes on where it was."""

import hashlib
import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from metadisco.evaluation.lives import Lives


class CellStore:
    """A folder with one file per cell, named by everything that its numbers depend on.

    Args:
        path: the folder; made when the first cell is kept.
    """

    def __init__(self, path: Path):
        self._path = path

    def _file(self, identity: Any) -> Path:
        text = json.dumps(identity, sort_keys=True)
        return self._path / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"

    def load(self, identity: Any) -> Lives | None:
        """Return a cell that was kept, or None where there is none or its file is damaged."""
        try:
            with self._file(identity).open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                return Lives(*(arrays[name] for name in Lives._fields))
        except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error):
            return None

    def keep(self, identity: Any, lives: Lives) -> None:
        """Keep a cell: whole or not at all."""
        self._path.mkdir(parents=True, exist_ok=True)
        file = self._file(identity)
        temporary = file.with_suffix(".tmp")
        with temporary.open("wb") as stream:
            np.savez_compressed(stream, **lives._asdict())
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
