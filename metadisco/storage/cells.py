"""Cells of an evaluation on disk, so that a stopped evaluation can be continued."""

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
from metadisco.storage.package import AGENTS, digest_of, saved_agents

LIBRARIES = ("jax", "jaxlib", "flax", "numpy")
JAX_SETTINGS = (
    *("default_prng_impl", "threefry_partitionable", "random_seed_offset"),  # all random numbers
    *("default_matmul_precision", "disable_jit", "disable_most_optimizations"),  # the last bits
    *("optimization_level", "exec_time_optimization_effort"),
)
"""Settings of JAX that change numbers and that a shell or program may have set."""
NOT_TRAINING = ("commands", "distillation", "plotting", "tuning")
"""Parts of this package whose code has no influence on trainings."""


class CellStore:
    """A folder with one file of arrays per cell, whose name is a hash of everything that determines its numbers.

    These are the identity given by the caller, the settings of the trainings, user-defined code that either names, the
    source of this package, versions of libraries, settings of JAX for random numbers, and everything that changes the
    last bits: devices, chunk size, precision and flags of XLA.

    Args:
        path: the folder; created with the first cell.
        config: of the trainings.
    """

    def __init__(self, path: Path, config: Config):
        self._path, self._config = path, config
        self._names: dict[str, str] = {}

    def _name(self, identity: Any) -> str:
        """Return the name of a cell; computed only once, since files may be edited during the training."""
        text = json.dumps(identity, sort_keys=True)
        if text not in self._names:
            whole = json.dumps([identity, _dependencies(identity, self._config)], sort_keys=True)
            self._names[text] = hashlib.sha256(whole.encode()).hexdigest()
        return self._names[text]

    def _file(self, name: str) -> Path:
        return self._path / f"{name[:24]}.npz"

    def load(self, identity: Any, names: Collection[str]) -> dict[str, np.ndarray] | None:
        """Return the arrays of a cell; None if it was not kept, or its file is damaged or of another cell.

        Load everything that the cell depends on before the call.
        """
        name = self._name(identity)
        try:
            content = self._file(name).read_bytes()
            arrays = unpack_arrays(content, name)
        except (OSError, UserError):
            return None
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            stored_name = archive.comment
        return arrays if arrays.keys() == set(names) and stored_name == name.encode() else None

    def keep(self, identity: Any, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a cell atomically; the comment of the zip archive holds its full name."""
        name = self._name(identity)
        stream = io.BytesIO(pack_arrays(arrays))
        with zipfile.ZipFile(stream, "a") as archive:
            archive.comment = name.encode()
        self._path.mkdir(parents=True, exist_ok=True)
        write_atomically(self._file(name), stream.getvalue())


def _dependencies(identity: Any, config: Config) -> dict[str, Any]:
    """Return everything that determines the numbers of a cell beside its identity."""
    inner, outer = to_plain(config)["inner"], config.outer
    suites = {task.env.partition("/")[0] for task in config.tasks if "/" in task.env}
    libraries = {*LIBRARIES, *(name for suite in suites for name in libraries_of(suite))}
    device, settings = jax.devices()[0], jax.config.values
    return {
        "inner": inner,
        "seed": config.seed,
        "code": code_of([identity, inner]),
        "metadisco": [__version__, _own_sources()],
        "opponents": _opponents(config),
        "libraries": {name: version_of(name) for name in sorted(libraries)},
        "devices": [device.platform, device.device_kind, outer.num_devices or jax.device_count()],
        "chunk": outer.given_chunk_size,
        "deterministic": config.deterministic,
        "jax": {name: str(settings.get(f"jax_{name}")) for name in JAX_SETTINGS},
        "xla": _xla_flags(),
    }


def _opponents(config: Config) -> dict[str, str]:
    """Return hashes of the saved agents that environments play against, by their paths."""
    paths = {path for task in config.tasks for path in saved_agents(task.env_settings)}
    return {str(path): digest_of(path, AGENTS) for path in sorted(paths)}


def _xla_flags() -> dict[str, str]:
    """Return the flags of XLA by name; the last value of a flag counts, the order of flags does not."""
    return {name: value for name, _, value in (word.partition("=") for word in os.environ.get("XLA_FLAGS", "").split())}


@functools.cache
def _own_sources() -> str:
    """Return a digest of the source of this package; a clone may differ from every released version."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE)
        if place.parts[0] not in NOT_TRAINING:
            digest.update(f"{place.as_posix()}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return digest.hexdigest()
