"""Cells of an evaluation on disk, so that one that was stopped goes on where it was."""

import functools
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from metadisco._version import __version__
from metadisco.config import Config, to_plain
from metadisco.config.code.modules import PACKAGE
from metadisco.config.code.own_code import code_of
from metadisco.config.code.versions import version_of
from metadisco.errors import UserError
from metadisco.inner.envs import libraries_of
from metadisco.storage.files import pack_arrays, unpack_arrays, write_atomically

LIBRARIES = ("jax", "jaxlib", "flax", "numpy")
JAX_SETTINGS = (
    *("default_prng_impl", "threefry_partitionable", "random_seed_offset"),  # all random numbers
    *("default_matmul_precision", "disable_jit", "disable_most_optimizations"),  # the last bits
    *("optimization_level", "exec_time_optimization_effort"),
)
"""What shell or program may have set, and numbers depend on; `metadisco.objectives.arithmetic` sets others."""
SHOWING = ("commands", "distillation", "plotting")
"""Parts of this package that train nothing."""


class CellStore:
    """A folder with one file of arrays per cell, named by everything that its numbers depend on.

    That is what the caller says, and the settings of the trainings, the code of one's own that either names, the
    sources of this package, the versions of the libraries that compute, JAX's settings of random numbers, and devices,
    chunks, precision and flags of XLA, which change the last bits.

    Args:
        path: the folder; made when the first cell is kept.
        config: of the trainings.
    """

    def __init__(self, path: Path, config: Config):
        self._path, self._config = path, config
        self._names: dict[str, str] = {}

    def _name(self, identity: Any) -> str:
        """Return the name of a cell, which is made once: while it is trained, files may be edited."""
        text = json.dumps(identity, sort_keys=True)
        if text not in self._names:
            whole = json.dumps([identity, _circumstances(identity, self._config)], sort_keys=True)
            self._names[text] = hashlib.sha256(whole.encode()).hexdigest()
        return self._names[text]

    def _file(self, name: str) -> Path:
        return self._path / f"{name[:24]}.npz"

    def load(self, identity: Any, names: Collection[str]) -> dict[str, np.ndarray] | None:
        """Return the arrays of a cell that was kept, or None where there is none, or its file is damaged or another's.

        Call it when all that the cell depends on is loaded.
        """
        name = self._name(identity)
        try:
            content = self._file(name).read_bytes()
            arrays = unpack_arrays(content, name)
        except (OSError, UserError):
            return None
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            said = archive.comment
        return arrays if arrays.keys() == set(names) and said == name.encode() else None

    def keep(self, identity: Any, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep a cell: whole or not at all. The comment of its file says which it is."""
        name = self._name(identity)
        stream = io.BytesIO(pack_arrays(arrays))
        with zipfile.ZipFile(stream, "a") as archive:
            archive.comment = name.encode()
        self._path.mkdir(parents=True, exist_ok=True)
        write_atomically(self._file(name), stream.getvalue())


def _circumstances(identity: Any, config: Config) -> dict[str, Any]:
    """Return what numbers depend on beside what a caller says of a cell."""
    inner, outer = to_plain(config)["inner"], config.outer
    suites = {task.env.partition("/")[0] for task in config.tasks if "/" in task.env}
    libraries = {*LIBRARIES, *(name for suite in suites for name in libraries_of(suite))}
    device, settings = jax.devices()[0], jax.config.values
    return {
        "inner": inner,
        "seed": config.seed,
        "code": code_of([identity, inner]),
        "metadisco": [__version__, _own_sources()],
        "libraries": {name: version_of(name) for name in sorted(libraries)},
        "devices": [device.platform, device.device_kind, outer.num_devices or jax.device_count()],
        "chunk": outer.given_chunk_size,
        "deterministic": config.deterministic,
        "jax": {name: str(settings.get(f"jax_{name}")) for name in JAX_SETTINGS},
        "xla": _xla_flags(),
    }


def _xla_flags() -> dict[str, str]:
    """Return the flags of XLA by name: the last of a name counts, and the order of names does not."""
    return {name: value for name, _, value in (word.partition("=") for word in os.environ.get("XLA_FLAGS", "").split())}


@functools.cache
def _own_sources() -> str:
    """Return a digest of the parts of this package that train; a clone may differ from any version."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE)
        if place.parts[0] not in SHOWING:
            digest.update(f"{place.as_posix()}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return digest.hexdigest()
