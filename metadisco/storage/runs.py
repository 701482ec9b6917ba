"""The run directory: configuration, metrics, checkpoints, centres.

config.yaml       the resolved configuration, written once
provenance.json   one entry per start: versions, devices, chunk, git commit, time
metrics.jsonl     one object per generation, appended and flushed
checkpoints/      the newest states of the search, written by orbax
centres/          the search centre at every checkpoint, as portable arrays
"""

import contextlib
import errno
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metadisco._version import __version__
from metadisco.config import Config, flatten, parse_config, read_yaml, to_plain, write_yaml
from metadisco.config.code.versions import version_of
from metadisco.errors import UserError
from metadisco.storage.files import check_writable, write_arrays, write_atomically
from metadisco.storage.lock import LOCK_NAME
from metadisco.storage.rows import read_rows

CONFIG = "config.yaml"

MAY_CHANGE = ("outer.num_generations", "outer.num_devices", "outer.chunk_size", "outer.evaluate_every",
              "outer.checkpoint_every", "outer.keep_checkpoints", "logging.")  # fmt: skip
"""Keys (or sections, with a trailing dot) that may change when a run is continued."""

LIBRARIES = ("jax", "jaxlib", "flax", "optax", "evosax", "gymnax", "brax", "numpy", "orbax-checkpoint")


class RunDirectory:
    """One run on disk. Opening it writes nothing; `create` does.

    Args:
        path: the directory; may be missing or empty.

    Raises:
        UserError: if the path exists and is not a run.
    """

    def __init__(self, path: Path):
        self.path = path.absolute()
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"run: {str(path)!r} is a file, allowed: a directory that is a run, empty or missing")
        if self.path.is_dir() and any(self._visible()) and not self.config_path.is_file():
            raise UserError(f"run: {str(path)!r} is not empty and holds no config.yaml, so it is no run directory")

    def _visible(self) -> list[Path]:
        """List the contents, without the lock and temporary files of a killed start."""
        return [path for path in self.path.iterdir() if path.suffix != ".tmp" and path.name != LOCK_NAME]

    @property
    def config_path(self) -> Path:
        """Path of the configuration."""
        return self.path / CONFIG

    @property
    def metrics_path(self) -> Path:
        """Path of the metrics."""
        return self.path / "metrics.jsonl"

    @property
    def exists(self) -> bool:
        """Whether a run was started here."""
        return self.config_path.is_file()

    def check_usable(self) -> None:
        """Refuse a directory that cannot be written to, or whose contents are not those of a run.

        Raises:
            UserError: naming the obstacle.
        """
        check_writable(self.path, "run")
        for name in ("checkpoints", "centres"):
            if (self.path / name).is_file():
                raise UserError(f"run: {str(self.path / name)!r} is a file, expected a directory")
        if self.metrics_path.is_dir():
            raise UserError(f"run: {str(self.metrics_path)!r} is a directory, expected a file")
        self.last_start()

    def config(self) -> Config:
        """Return the configuration of the run.

        Raises:
            UserError: if it cannot be read.
        """
        data = read_yaml(self.config_path)
        if not data:  # an empty file does not mean the defaults: a written config has every key
            raise UserError(f"{str(self.config_path)!r} is damaged: it is empty")
        return parse_config(data)

    def create(self, config: Config) -> None:
        """Create the directory and write the configuration.

        Raises:
            UserError: if the directory cannot be written.
            OSError: if the disk is full.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_atomically(self.config_path, write_yaml(to_plain(config)))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise
            raise UserError(f"run: cannot write {str(self.path)!r}: {error.strerror}") from error

    def check_continues(self, config: Config, whole: bool = True) -> list[str]:
        """Compare a configuration with that of the run.

        Args:
            config: configuration of the command.
            whole: whether its meta-problem has been made, which fills in some settings of the parametrisation; before,
                these are not compared.

        Returns:
            Sentences about allowed differences.

        Raises:
            UserError: listing the keys that must not differ.
        """
        old, new = flatten(to_plain(self.config())), flatten(to_plain(config))
        differs = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
        if not whole:
            differs = [key for key in differs if not key.startswith("parametrisation.") or new.get(key) is not None]
        refused = [key for key in differs if not key.startswith(MAY_CHANGE)]
        if refused:
            what = "; ".join(f"{key} is {old.get(key)!r} there and {new.get(key)!r} here" for key in refused)
            raise UserError(f"run: {str(self.path)!r} was started with another configuration: {what}")
        return [f"{key} was {old.get(key)} at the start and is {new.get(key)} now" for key in differs]

    def note_start(self, facts: Mapping[str, Any]) -> None:
        """Append an entry to provenance.json: versions, machine, and `facts` about devices and chunks."""
        entries = self._starts()
        entry = {
            "metadisco": __version__,
            "commit": _git_commit(),
            "python": platform.python_version(),
            **{name: version_of(name) for name in LIBRARIES},
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **facts,
        }
        write_atomically(self.path / "provenance.json", json.dumps([*entries, entry], indent=2) + "\n")

    def last_start(self) -> dict[str, Any]:
        """Return the newest entry of provenance.json; empty if there is none."""
        entries = self._starts()
        return entries[-1] if entries else {}

    def _starts(self) -> list[dict[str, Any]]:
        path = self.path / "provenance.json"
        if not path.exists():
            return []
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{str(path)!r} is damaged: {error}; remove it to go on without it") from error
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise UserError(f"{str(path)!r} is damaged: no list of starts; remove it to go on without it")
        return entries

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add one line to metrics.jsonl and flush it to disk."""
        with self.metrics_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def metrics(self) -> list[dict[str, Any]]:
        """Return the rows of metrics.jsonl in order; torn and invalid lines are skipped."""
        return read_rows(self.metrics_path)

    def cut_metrics(self, num_generations: int) -> None:
        """Drop torn lines and the rows from generation `num_generations` on, which are about to be repeated."""
        if self.metrics_path.exists():
            rows = [row for row in self.metrics() if row["generation"] < num_generations]
            text = "".join(json.dumps(row) + "\n" for row in rows)
            if self.metrics_path.read_bytes() != text.encode():
                write_atomically(self.metrics_path, text)

    def tidy(self) -> None:
        """Remove temporary files that a killed process left behind."""
        for folder in (self.path, self.path / "centres"):
            for path in folder.glob("*.tmp"):
                if path.is_file():
                    path.unlink(missing_ok=True)

    def centre_path(self, generation: int) -> Path:
        """Path of the centre after `generation` generations."""
        return self.path / "centres" / f"{generation:06d}.npz"

    def write_centre(self, generation: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep the centre after `generation` generations."""
        self.centre_path(generation).parent.mkdir(exist_ok=True)  # not the run itself, which may have been deleted
        write_arrays(self.centre_path(generation), arrays)

    def centre_generations(self) -> list[int]:
        """Return the generations after which a centre was kept, in order."""
        files = (path for path in (self.path / "centres").glob("*.npz") if path.is_file())
        kept = (int(path.stem) for path in files if path.stem.isascii() and path.stem.isdecimal())
        return sorted(generation for generation in kept if self.centre_path(generation).is_file())


def remove_remains(path: Path) -> None:
    """Remove a run directory that holds only checkpoints: orbax recreates folders that were deleted meanwhile."""
    with contextlib.suppress(OSError):
        if [each.name for each in path.iterdir()] == ["checkpoints"]:
            shutil.rmtree(path)


def _git_commit() -> str | None:
    """Return the commit of the checkout that contains this package; None if it is not under version control."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", "runs.py"], capture_output=True, check=True)
        described = subprocess.run(
            [*git, "describe", "--always", "--dirty"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
