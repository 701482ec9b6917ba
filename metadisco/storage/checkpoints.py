"""Checkpoints of the whole search state, by orbax; each carries checksums.

orbax writes a checkpoint whole or not at all, but does not see every damage of what was written: a flipped bit in an
array comes back as another number. Two sums are kept for that. `sums.json` in a checkpoint has one of each file: what
is damaged is not shown to orbax, whose threads would print tracebacks. The one among the contents is of the numbers.
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
DIGEST = "sha256"  # its key beside progress; absent in checkpoints of old
TALKATIVE = ("absl", "asyncio")  # where orbax's threads report, with tracebacks, what is raised here anyway
UNAWAITED = "was never awaited"
ABANDONED = ("Event loop is closed", "GeneratorExit", UNAWAITED)  # how reads end for which nobody waits any more


class DamageError(Exception):
    """A checkpoint is not what was written."""


class Checkpoints:
    """The newest few states of a search, each written whole or not at all.

    Args:
        path: absolute directory; made when the first checkpoint is written.
        keep: how many are kept.
    """

    def __init__(self, path: Path, keep: int):
        self._path = path
        for name in TALKATIVE:
            logging.getLogger(name).addFilter(_nothing)
        self._report = sys.unraisablehook
        sys.unraisablehook = self._note
        path.mkdir(parents=True, exist_ok=True)
        # Of several processes this one alone opens the directory; orbax would wait for the others.
        here = {"multiprocessing_options": ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0})}
        options = {} if _alone() else here
        self._manager = ocp.CheckpointManager(
            path, options=ocp.CheckpointManagerOptions(max_to_keep=keep, create=False, **options)
        )
        self._damaged: list[int] = []
        self._cleared = False
        self._troubled = False  # some of orbax's threads may then talk until the end

    def restore(self, template: SearchState, warn: Callable[[str], None]) -> tuple[SearchState, Progress] | None:
        """Return the newest state that can be read and what had been spent, or None where nothing was saved.

        Args:
            template: a state of the same structure, on the devices where the restored one shall be.
            warn: told of every newer checkpoint that is damaged; the next save removes those.

        Raises:
            UserError: if there are checkpoints and none can be read.
        """
        steps = sorted(self._manager.all_steps(), reverse=True)
        for step in steps:
            try:
                return self._read(step, template)
            except Exception as error:
                warn(f"checkpoint {step} is damaged and is skipped: {_shortly(error)}")
                self._damaged.append(step)
                self._troubled = True
                warnings.filterwarnings("ignore", f".*{UNAWAITED}", RuntimeWarning)
        if steps:
            raise UserError(
                f"none of the checkpoints {', '.join(map(str, sorted(steps)))} can be read in {str(self._path)!r}; "
                "allowed: another run directory; what is in centres/ can still be evaluated and exported"
            )
        return None

    def _read(self, step: int, template: SearchState) -> tuple[SearchState, Progress]:
        _check_files(self._path / str(step))
        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, template)
        items = ocp.args.Composite(state=ocp.args.StandardRestore(shapes), progress=ocp.args.JsonRestore())
        restored = self._manager.restore(step, args=items)
        digest = restored.progress.pop(DIGEST, None)
        state, progress = jax.tree.map(_like, template, restored.state), Progress(**restored.progress)
        if progress.generation != step or digest not in (None, digest_of(state, progress)):
            raise DamageError("its numbers are not those that were saved")
        return state, progress

    def save(self, state: SearchState, progress: Progress) -> None:
        """Write a checkpoint and wait until it is on disk.

        Raises:
            MachineError: if that cannot be done; those before it stay.
        """
        items: dict[str, Any] = {
            "state": ocp.args.StandardSave(state if _alone() else jax.tree.map(_plain, state)),
            "progress": ocp.args.JsonSave(progress._asdict() | {DIGEST: digest_of(state, progress)}),
        }
        try:
            self._clear()
            if not self._manager.save(progress.generation, args=ocp.args.Composite(**items)):
                raise MachineError(f"{str(self._path)!r} holds checkpoints beyond generation {progress.generation}")
            self._manager.wait_until_finished()
            folder = self._path / str(progress.generation)
            for path in _files_of(folder):
                flush_to_disk(path)  # orbax leaves that to the system, so that a power cut could take the newest few
            write_atomically(folder / SUMS, json.dumps(_sums_of(folder)))
        except MachineError:
            raise
        except Exception as error:
            self._troubled = True
            raise MachineError(f"checkpoint {progress.generation} could not be written: {_shortly(error)}") from error

    def _clear(self) -> None:
        """Before the first save remove what was found damaged, and what orbax had begun when it was killed."""
        if self._cleared:
            return
        for path in [self._path / str(step) for step in self._damaged] + list(
            self._path.glob("*.orbax-checkpoint-tmp*")
        ):
            shutil.rmtree(path)
        self._manager.reload()
        self._cleared = True

    def close(self) -> None:
        """Wait for what is being written, and let go of the directory; a failure that was reported is not repeated."""
        try:
            self._manager.close()
        except Exception as error:
            if not self._troubled:
                raise
            logging.getLogger(__name__).debug("closing after a failure that was reported: %s", error)
        if not self._troubled:
            sys.unraisablehook = self._report
            for name in TALKATIVE:
                logging.getLogger(name).removeFilter(_nothing)

    def _note(self, failure: "sys.UnraisableHookArgs") -> None:
        """Leave out what orbax and tensorstore print after a read that failed: that nobody waits for them any more."""
        error = failure.exc_value
        words = failure.exc_type.__name__
        while error is not None:
            words += f"; {type(error).__name__}: {error}"
            error = error.__cause__ or error.__context__
        if not any(each in words for each in ABANDONED):
            self._report(failure)


def _alone() -> bool:
    return jax.process_count() == 1


def _plain(leaf: Any) -> np.ndarray:
    """Return an array as NumPy's: of several processes orbax takes no array that one of them has for itself."""
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _like(template: Any, leaf: Any) -> Any:
    """Return a key where there should be one; several processes save its numbers."""
    return jax.random.wrap_key_data(leaf) if _is_key(template) and not _is_key(leaf) else leaf


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def digest_of(state: SearchState, progress: Progress) -> str:
    """Return a checksum over all numbers of a state, their places, types and shapes, and over progress."""
    digest = hashlib.sha256(repr(tuple(progress)).encode())
    for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
        array = _plain(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _sums_of(folder: Path) -> dict[str, str]:
    """Return the checksum of every file by its path in a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in _files_of(folder)
    }


def _files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)


def _check_files(folder: Path) -> None:
    """Compare files with their sums; a kill right after a checkpoint may have left it without.

    Raises:
        DamageError: naming what is not as it was written.
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


def _shortly(error: Exception) -> str:
    """Return what went wrong in a few words: that of the system where it is a part of a long story."""
    words = re.findall(r"(No space left on device|Disk quota exceeded|Read-only file system|Input/output error"
                       r"|Permission denied|No such file or directory|Stale file handle)", str(error))  # fmt: skip
    return words[-1] if words else shown(error) if isinstance(error, DamageError | OSError) else type(error).__name__


def _nothing(record: logging.LogRecord) -> bool:
    """Let no record pass."""
    return False
