"""Outputs of commands: an existing file or folder is only replaced with `force`."""

import itertools
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from metadisco.errors import MachineError, UserError, describe_os_error
from metadisco.storage.files import check_writable, write_atomically


def check_file(path: Path, option: str, force: bool) -> None:
    """Refuse a file that `write_output` cannot write, or that exists without `force`.

    Raises:
        UserError: naming the obstacle.
    """
    check_replaceable(path, option, force)
    target = _target(path, force)
    check_writable(target.parent, option, target.name)


def check_apart(path: Path, option: str, other: Path, what: str) -> None:
    """Refuse an output that equals, contains or lies in another path, which writing would destroy.

    Args:
        path: of the output.
        option: the argument that named it.
        other: the other path.
        what: description of the other path.

    Raises:
        UserError: if the paths overlap.
    """
    one, two = path.resolve(), other.resolve()
    if one.is_relative_to(two) or two.is_relative_to(one):
        raise UserError(f"{option}: got {str(path)!r} beside {what} {str(other)!r}, allowed: one outside the other")


def check_replaceable(path: Path, option: str, force: bool) -> None:
    """Refuse a path that exists, unless it is a file and `force` is true.

    Args:
        path: the file.
        option: the argument that named it.
        force: whether it may be replaced.

    Raises:
        UserError: naming the existing path.
    """
    if path.is_dir():
        raise UserError(f"{option}: {str(path)!r} is a directory, allowed: a file")
    if path.exists() and not path.is_file():
        raise UserError(f"{option}: {str(path)!r} is a device or a pipe, allowed: a file")
    if os.path.lexists(path) and not force:
        raise already_exists(path, option)


def already_exists(path: Path, option: str) -> UserError:
    """Return the error about an existing path that an argument names."""
    return UserError(f"{option}: {str(path)!r} exists already, allowed: a new name, or `force` to replace it")


def _target(path: Path, force: bool) -> Path:
    """Return the file that is written; with `force` links are followed."""
    return Path(os.path.realpath(path)) if force else path.absolute()


def write_output(path: Path, content: str | bytes, force: bool) -> None:
    """Write the output file of a command and create its folder; with `force` links are followed.

    Args:
        path: the file.
        content: of the file.
        force: whether to replace an existing file.

    Raises:
        MachineError: if the path has been taken meanwhile; the content is written beside it then.
    """
    _target(path, force).parent.mkdir(parents=True, exist_ok=True)
    write_or_beside(path, lambda at: write_atomically(_target(at, force), content, force))


def write_or_beside(path: Path, write: Callable[[Path], None]) -> None:
    """Write to a path, or under a new name beside it if it has been taken meanwhile, so that no results are lost.

    Args:
        path: where to write.
        write: writes to a path, or raises a FileExistsError.

    Raises:
        MachineError: naming the new path.
    """
    named = path if path.name else path.absolute()
    names = (named.with_name(f"{named.stem}-{number}{named.suffix}") for number in itertools.count(1))
    for at in itertools.chain([path], (each for each in names if not os.path.lexists(each))):
        try:
            write(at)
        except FileExistsError:
            if not os.path.lexists(at):  # another name was taken
                raise
        else:
            break
    if at != path:
        raise MachineError(f"{str(path)!r} appeared meanwhile and stays; the output is in {str(at)!r}")


def write_all(writes: Iterable[Callable[[], None]]) -> list[str]:
    """Write several outputs, even if some of them fail; return one message per failure."""
    failures = []
    for write in writes:
        try:
            write()
        except MachineError as error:
            failures.append(str(error))
        except OSError as error:
            message = describe_os_error(error)
            if message is None:
                raise
            failures.append(message)
    return failures
