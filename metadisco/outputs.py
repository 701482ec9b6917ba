"""The one file or folder that a command is told to write: what is there stays, or is replaced by `--force`."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path

from metadisco.errors import MachineError, UserError
from metadisco.files import check_writable, write_atomically


def check_file(path: Path, option: str, force: bool) -> None:
    """Refuse a file that could not be written, or that is there and is not to be replaced.

    Raises:
        UserError: naming what is in the way.
    """
    check_replaceable(path, option, force)
    if not path.absolute().parent.is_dir():
        raise UserError(f"{option}: {str(path.absolute().parent)!r} is no directory that can be written to")
    check_writable((path.resolve() if force else path.absolute()).parent, option)


def check_replaceable(path: Path, option: str, force: bool) -> None:
    """Refuse to write a file where something else is than a file that may be replaced.

    Args:
        path: the file.
        option: that named it.
        force: whether it may be replaced.

    Raises:
        UserError: naming what is there.
    """
    if path.is_dir():
        raise UserError(f"{option}: {str(path)!r} is a directory, allowed: a file")
    if path.exists() and not path.is_file():
        raise UserError(f"{option}: {str(path)!r} is a device or a pipe, allowed: a file")
    if os.path.lexists(path) and not force:
        raise UserError(f"{option}: {str(path)!r} is there already, allowed: a new name, or --force to replace it")


def write_output(path: Path, content: str | bytes, force: bool) -> None:
    """Write the file that a command was told to write, after `check_file`; where a link is, the file that it means.

    Args:
        path: the file.
        content: of it.
        force: whether to replace what is there.

    Raises:
        MachineError: if something has appeared there since; the content was written beside it then.
    """
    write_or_beside(path, lambda at: write_atomically(at.resolve() if force else at, content, force))


def write_or_beside(path: Path, write: Callable[[Path], None]) -> None:
    """Write to a path, or under a new name beside it where something has appeared: what took hours is not thrown away.

    Args:
        path: where to write.
        write: does it, or raises a FileExistsError.

    Raises:
        MachineError: naming the new name.
    """
    try:
        write(path)
    except FileExistsError as error:
        names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(1))
        beside = next(each for each in names if not os.path.lexists(each))
        write(beside)
        raise MachineError(
            f"{str(path)!r} appeared meanwhile and stays; what was to be there is {str(beside)!r}"
        ) from error
