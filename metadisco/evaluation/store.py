"""Cells of an evaluation on disk, so that one that was stopped goes on where it was."""

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metadisco.errors import UserError
from metadisco.files import read_arrays, write_arrays


class CellStore:
    """A folder with one file of arrays per cell, named by everything that its numbers depend on.

    Args:
        path: the folder; made when the first cell is kept.
    """

    def __init__(self, path: Path):
        self._path = path

    def _file(self, identity: Any) -> Path:
        text = json.dumps(identity, sort_keys=True)
        return self._path / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"

    def load(self, identity: Any, names: Collection[str]) -> dict[str, np.ndarray] | None:
        """Return the arrays of a cell that was kept, or None where there is none or its file is damaged."""
        try:
            arrays = read_arrays(self._file(identity))
        except UserError:
            return None
        return arrays if arrays.keys() == set(names) else None

    def keep(self, identity: Any, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep a cell: whole or not at all."""
        write_arrays(self._file(identity), arrays)
