"""The one file or folder that a command is told to write: what is there stays, or is replaced by `force`."""

import itertools
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from metadisco.errors import MachineError, UserError, describe_os_error
from metadisco.storage.files import check_writable, write_atomically


def check_file(path: Path, option: str, force: bool) -> None:
    """Refuse a file that `write_output` could not write, or that is there and is not to be replaced.

    Raises:
        UserError: naming what is in the way.
    """
    check_replaceable(path, option, force)
    meant = _meant(path, force)
    check_writable(meant.parent, option, meant.name)


def check_apart(path: Path, option: str, other: Path, what: str) -> None:
    """Refuse an output that is another path, lies in it or holds it: writing one would destroy the other.

    Args:
        path: of the output.
        option: the argument that named it.
        other: the other path.
        what: it is.

    Raises:
        UserError: if it is.
    """
    one, two = path.resolve(), other.resolve()
    if one.is_relative_to(two) or two.is_relative_to(one):
        raise UserError(f"{option}: got {str(path)!r} beside {what} {str(other)!r}, allowed: one outside the other")


def check_replaceable(path: Path, option: str, force: bool) -> None:
    """Refuse to write a file where something else is than a file that may be replaced.

    Args:
        path: the file.
        option: the argument that named it.
        force: whether it may be replaced.

    Raises:
        UserError: naming what is there.
    """
    if path.is_dir():
        raise UserError(f"{option}: {str(path)!r} is a directory, allowed: a file")
    if path.exists() and not path.is_file():
        raise UserError(f"{option}: {str(path)!r} is a device or a pipe, allowed: a file")
    if os.path.lexists(path) and not force:
        raise there_already(path, option)


def there_already(path: Path, option: str) -> UserError:
    """Return the refusal of what an option names."""
    return UserError(f"{option}: {str(path)!r} is there already, allowed: a new name, or `force` to replace it")


def _meant(path: Path, force: bool) -> Path:
    """Return the file that is written: where a link may be replaced, the one that it means."""
    return Path(os.path.realpath(path)) if force else path.absolute()


def write_output(path: Path, content: str | bytes, force: bool) -> None:
    """Write the file that a command was told to write, and its folder; where a link is, the file that it means.

    Args:
        path: the file.
        content: of it.
        force: whether to replace what is there.

    Raises:
        MachineError: if something has appeared there since; the content was written beside it then.
    """
    _meant(path, force).parent.mkdir(parents=True, exist_ok=True)
    write_or_beside(path, lambda at: write_atomically(_meant(at, force), content, force))


def write_or_beside(path: Path, write: Callable[[Path], None]) -> None:
    """Write to a path, or under a new name beside it where something has appeared: what took hours is not thrown away.

    Args:
        path: where to write.
        write: does it, or raises a FileExistsError.

    Raises:
        MachineError: naming the new name.
    """
    named = path if path.name else path.absolute()
    names = (named.with_name(f"{named.stem}-{number}{named.suffix}") for number in itertools.count(1))
    for at in itertools.chain([path], (each for each in names if not os.path.lexists(each))):
        try:
            write(at)
        except FileExistsError:
            if not os.path.lexists(at):  # it is not this name that is taken
                raise
        else:
            break
    if at != path:
        raise MachineError(f"{str(path)!r} appeared meanwhile and stays; what was to be there is {str(at)!r}")


def write_all(writes: Iterable[Callable[[], None]]) -> list[str]:
    """Write several outputs, the others also where one cannot be written; return what was the matter, a part each."""
    troubles = []
    for write in writes:
        try:
            write()
        except MachineError as error:
            troubles.append(str(error))
        except OSError as error:
            what = describe_os_error(error)
            if what is None:
                raise
            troubles.append(what)
    return troubles
