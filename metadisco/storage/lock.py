"""One command at a time in a run directory: a lock of the operating system, which ends with whoever holds it."""

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
WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)  # file systems that have none


class RunLock:
    """Holds a run directory while a command works in it.

    The file says who; that it is there means nothing. A process that is killed leaves the file, not the lock.
    Directories that did not exist are made, and taken away again if nothing was kept in them.

    Args:
        path: the run directory; may be missing.
        warn: told in one sentence where the file system has no locks.

    Raises:
        UserError: on entering, if another command is there, or the directory cannot be made.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]):
        self._run, self._path, self._warn = path, path / LOCK_NAME, warn
        self._made: list[Path] = []
        self._file: int | None = None

    def __enter__(self) -> Self:
        try:
            for folder in reversed([each for each in (self._run, *self._run.parents) if not each.exists()]):
                folder.mkdir()
                self._made.append(folder)
            while self._file is None:
                self._file = self._take()
        except BaseException:
            self._take_away()
            raise
        return self

    def _take(self) -> int | None:
        """Lock the file; None where whoever held it before has just taken it away."""
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
            self._warn(f"{str(self._run)!r} is where files cannot be locked: let no other command run there")
        if not _is_same(file, self._path):
            os.close(file)
            return None
        with contextlib.suppress(OSError):  # a full disk; who holds it is a courtesy
            os.ftruncate(file, 0)
            os.pwrite(file, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
        return file

    def _in_use(self, holder: str) -> str:
        who = f", {holder}" if holder else ""
        allowed = "to wait for it, or another run directory"
        return f"run: {str(self._run)!r} is in use by another command{who}; allowed: {allowed}"

    def check(self) -> None:
        """Make sure that the directory is still the one that was locked.

        Raises:
            MachineError: if it was deleted or replaced; else parts of a run would be written where there is none.
        """
        if self._file is not None and not _is_same(self._file, self._path):
            raise MachineError(
                f"the run directory {str(self._run)!r} was deleted or replaced while the run wrote to it"
            )

    def release(self) -> None:
        """Let go; may be called more than once, and from another thread."""
        file, self._file = self._file, None
        if file is None:
            return
        with contextlib.suppress(OSError):
            if _is_same(file, self._path):
                self._path.unlink()
        self._take_away()
        os.close(file)

    def _take_away(self) -> None:
        """Remove the directories that were made, as far as they are empty."""
        with contextlib.suppress(OSError):
            for folder in reversed(self._made):
                folder.rmdir()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _is_same(file: int, path: Path) -> bool:
    """Whether a path is that of an open file."""
    try:
        there = path.stat()
    except OSError:
        return False
    return os.path.samestat(os.fstat(file), there)
