"""Checkpoints of the whole search state, written by orbax, with checksums.

orbax writes checkpoints atomically but does not detect all damage: a flipped bit in an array is restored as another
number. Two kinds of checksums detect it. `sums.json` in a checkpoint has one per file; damaged files are not passed to
orbax, whose threads would print tracebacks. A digest in the contents covers the numbers themselves.
"""

import hashlib
import json
import logging
import re
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from metadisco.errors import MachineError, UserError, shown
from metadisco.outer.search import Progress, SearchState
from metadisco.storage.files import flush_to_disk, write_atomically

SUMS = "sums.json"
DIGEST = "sha256"  # its key beside progress; old checkpoints lack it
NOISY_LOGGERS = ("absl", "asyncio")  # where threads of orbax log tracebacks of errors that are raised here anyway
UNAWAITED = "was never awaited"
ABANDONED = ("Event loop is closed", "GeneratorExit", UNAWAITED)  # messages of abandoned reads


class DamageError(Exception):
    """A checkpoint is damaged."""


class Checkpoints:
    """The newest states of a search, each written atomically.

    Args:
        path: absolute path of the directory; created if missing.
        keep: number of checkpoints to keep.
    """

    def __init__(self, path: Path, keep: int):
        self._path = path
        for name in NOISY_LOGGERS:
            logging.getLogger(name).addFilter(_drop)
        self._report = sys.unraisablehook
        sys.unraisablehook = self._filter_unraisable
        path.mkdir(parents=True, exist_ok=True)
        # Only this one of several processes opens the directory; otherwise orbax would wait for the others.
        here = {"multiprocessing_options": ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0})}
        options = {} if _is_single_process() else here
        self._manager = ocp.CheckpointManager(
            path, options=ocp.CheckpointManagerOptions(max_to_keep=keep, create=False, **options)
        )
        self._damaged: list[int] = []
        self._cleared = False
        self._failed = False  # afterwards threads of orbax may log until the process ends

    def restore(self, template: SearchState, warn: Callable[[str], None]) -> tuple[SearchState, Progress] | None:
        """Return the newest readable state and its progress; None if there are no checkpoints.

        Args:
            template: a state of the same structure, on the devices of the restored one.
            warn: receives a message about every damaged checkpoint; the next save removes these.

        Raises:
            UserError: if there are checkpoints but none can be read.
        """
        steps = sorted(self._manager.all_steps(), reverse=True)
        for step in steps:
            try:
                return self._read(step, template)
            except Exception as error:
                warn(f"checkpoint {step} is damaged and is skipped: {_summary(error)}")
                self._damaged.append(step)
                self._failed = True
                warnings.filterwarnings("ignore", f".*{UNAWAITED}", RuntimeWarning)
        if steps:
            raise UserError(
                f"none of the checkpoints {', '.join(map(str, sorted(steps)))} can be read in {str(self._path)!r}; "
                "allowed: another run directory; the centres in centres/ can still be evaluated and exported"
            )
        return None

    def _read(self, step: int, template: SearchState) -> tuple[SearchState, Progress]:
        _check_files(self._path / str(step))
        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, template)
        items = ocp.args.Composite(state=ocp.args.StandardRestore(shapes), progress=ocp.args.JsonRestore())
        restored = self._manager.restore(step, args=items)
        digest = restored.progress.pop(DIGEST, None)
        state, progress = jax.tree.map(_restore_key, template, restored.state), Progress(**restored.progress)
        if progress.generation != step or digest not in (None, digest_of(state, progress)):
            raise DamageError("its numbers differ from those that were saved")
        return state, progress

    def save(self, state: SearchState, progress: Progress) -> None:
        """Write a checkpoint and wait until it is on disk.

        Raises:
            MachineError: if it cannot be written; earlier checkpoints stay.
        """
        items: dict[str, Any] = {
            "state": ocp.args.StandardSave(state if _is_single_process() else jax.tree.map(_as_numpy, state)),
            "progress": ocp.args.JsonSave(progress._asdict() | {DIGEST: digest_of(state, progress)}),
        }
        try:
            self._clear()
            if not self._manager.save(progress.generation, args=ocp.args.Composite(**items)):
                raise MachineError(f"{str(self._path)!r} holds checkpoints beyond generation {progress.generation}")
            self._manager.wait_until_finished()
            folder = self._path / str(progress.generation)
            for path in _files_of(folder):
                flush_to_disk(path)  # orbax does not flush, so a power failure could destroy the newest checkpoints
            write_atomically(folder / SUMS, json.dumps(_sums_of(folder)))
        except MachineError:
            raise
        except Exception as error:
            self._failed = True
            raise MachineError(f"checkpoint {progress.generation} could not be written: {_summary(error)}") from error

    def _clear(self) -> None:
        """Before the first save, remove damaged checkpoints and unfinished ones of a killed process."""
        if self._cleared:
            return
        for path in [self._path / str(step) for step in self._damaged] + list(
            self._path.glob("*.orbax-checkpoint-tmp*")
        ):
            shutil.rmtree(path)
        self._manager.reload()
        self._cleared = True

    def close(self) -> None:
        """Wait for pending writes and close the directory; a failure is reported only once."""
        try:
            self._manager.close()
        except Exception as error:
            if not self._failed:
                raise
            logging.getLogger(__name__).debug("closing after a failure that was reported: %s", error)
        if not self._failed:
            sys.unraisablehook = self._report
            for name in NOISY_LOGGERS:
                logging.getLogger(name).removeFilter(_drop)

    def _filter_unraisable(self, failure: "sys.UnraisableHookArgs") -> None:
        """Suppress messages of orbax and tensorstore about abandoned coroutines after a failed read."""
        error = failure.exc_value
        words = failure.exc_type.__name__
        while error is not None:
            words += f"; {type(error).__name__}: {error}"
            error = error.__cause__ or error.__context__
        if not any(each in words for each in ABANDONED):
            self._report(failure)


def _is_single_process() -> bool:
    return jax.process_count() == 1


def _as_numpy(leaf: Any) -> np.ndarray:
    """Return a NumPy array: with several processes orbax rejects arrays that only one of them holds."""
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _restore_key(template: Any, leaf: Any) -> Any:
    """Convert key data to a key where the template has one; several processes save the data of keys."""
    return jax.random.wrap_key_data(leaf) if _is_key(template) and not _is_key(leaf) else leaf


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def digest_of(state: SearchState, progress: Progress) -> str:
    """Return a checksum over all numbers of a state, their paths, dtypes and shapes, and over progress."""
    digest = hashlib.sha256(repr(tuple(progress)).encode())
    for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
        array = _as_numpy(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _sums_of(folder: Path) -> dict[str, str]:
    """Return the checksums of all files by their path in a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in _files_of(folder)
    }


def _files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)


def _check_files(folder: Path) -> None:
    """Compare files with their checksums; a checkpoint may lack them if the process was killed right after it.

    Raises:
        DamageError: naming the damaged file.
    """
    there = _sums_of(folder)
    if not there:
        raise DamageError("it is empty")
    if not (folder / SUMS).exists():
        return
    try:
        written = dict(json.loads((folder / SUMS).read_bytes()))
    except ValueError as error:
        raise DamageError(f"{SUMS} cannot be read") from error
    for name, digest in written.items():
        if there.get(name) != digest:
            raise DamageError(f"{name} is {'changed' if name in there else 'missing'}")


def _summary(error: Exception) -> str:
    """Return a short description of an error; of a long one only the message of the operating system."""
    words = re.findall(r"(No space left on device|Disk quota exceeded|Read-only file system|Input/output error"
                       r"|Permission denied|No such file or directory|Stale file handle)", str(error))  # fmt: skip
    return words[-1] if words else shown(error) if isinstance(error, DamageError | OSError) else type(error).__name__


def _drop(record: logging.LogRecord) -> bool:
    """Filter that drops every record."""
    return False
