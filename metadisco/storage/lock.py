"""A lock on a run directory, so that only one command uses it; the operating system releases it with its process."""

import contextlib
import errno
import fcntl
import os
import platform
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from metadisco.errors import MachineError, UserError

LOCK_NAME = "lock"
WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)  # errors of file systems without locks


class RunLock:
    """Locks a run directory while a command uses it.

    The lock file names the process. A killed process leaves the file behind, but not the lock. Missing directories are
    created, and removed again if they stay empty.

    Args:
        path: the run directory; may be missing.
        warn: receives a message if the file system has no locks.
        argument: that named it, for messages.

    Raises:
        UserError: on entering, if another command uses the directory or it cannot be created.
    """

    def __init__(self, path: Path, warn: Callable[[str], None], argument: str = "run"):
        self._argument = argument
        self._run, self._path, self._warn = path, path / LOCK_NAME, warn
        self._created: list[Path] = []
        self._file: int | None = None

    def __enter__(self) -> Self:
        try:
            for folder in reversed([each for each in (self._run, *self._run.parents) if not each.exists()]):
                folder.mkdir()
                self._created.append(folder)
            while self._file is None:
                self._file = self._acquire()
        except BaseException:
            self._remove_created()
            raise
        return self

    def _acquire(self) -> int | None:
        """Lock the file; return None if its previous holder has just removed it."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(file, 200, 0).decode(errors="replace").strip()
            if error.errno not in WITHOUT_LOCKS:
                os.close(file)
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    raise UserError(self._in_use(holder)) from error
                raise
            self._warn(f"{str(self._run)!r} is on a file system without locks: run no other command in it")
        if not _is_same(file, self._path):
            os.close(file)
            return None
        with contextlib.suppress(OSError):  # the disk may be full; the name of the holder is optional
            os.ftruncate(file, 0)
            os.pwrite(file, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
        return file

    def _in_use(self, holder: str) -> str:
        who = f", {holder}" if holder else ""
        allowed = f"to wait for it, or another {'run directory' if self._argument == 'run' else 'folder'}"
        return f"{self._argument}: {str(self._run)!r} is in use by another command{who}; allowed: {allowed}"

    def check(self) -> None:
        """Check that the directory is still the locked one.

        Raises:
            MachineError: if it was deleted or replaced, so that only parts of a run would be written.
        """
        if self._file is not None and not _is_same(self._file, self._path):
            raise MachineError(
                f"the run directory {str(self._run)!r} was deleted or replaced while the run wrote to it"
            )

    def release(self) -> None:
        """Release the lock; may be called repeatedly and from another thread."""
        file, self._file = self._file, None
        if file is None:
            return
        with contextlib.suppress(OSError):
            if _is_same(file, self._path):
                self._path.unlink()
        self._remove_created()
        os.close(file)

    def _remove_created(self) -> None:
        """Remove the created directories that are empty."""
        with contextlib.suppress(OSError):
            for folder in reversed(self._created):
                folder.rmdir()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Return whether a command seems to use a run directory, without touching the lock.

    The lock file names its process. A process of another machine counts as running, as nothing here can tell.

    Args:
        path: the run directory.
    """
    try:
        words = (path / LOCK_NAME).read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    if len(words) != 4 or not words[1].isdecimal() or words[3] != platform.node():
        return True
    try:
        os.kill(int(words[1]), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # it is someone else's
        return True
    return True


def _is_same(file: int, path: Path) -> bool:
    """Whether a path refers to an open file."""
    try:
        there = path.stat()
    except OSError:
        return False
    return os.path.samestat(os.fstat(file), there)
