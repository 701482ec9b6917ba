"""Exceptions for invalid input and for failures of the machine, and helpers for their messages."""

import difflib
import errno
import re
from collections.abc import Iterable, Mapping, Sequence


class UserError(ValueError):
    """Invalid input. The message is one sentence: the key, the value that was given, and the values that are allowed.

    Messages name Python arguments: before the first colon, or in backticks later in the sentence. The command line
    replaces them by its options, prints the message and exits with code 2. Library code may catch it as a ValueError.
    """


class UnknownNameError(UserError):
    """A name that refers to nothing, in contrast to something that cannot be used."""


ARGUMENT = re.compile(r"^(\w+)(?=: )|`(\w+)`")
"""Pattern of a function's argument in the message of a `UserError`."""


def in_options(sentence: str, option_of: Mapping[str, str]) -> str:
    """Return a message with options in place of arguments: `--seeds: got 0` for `num_seeds: got 0`.

    Args:
        sentence: message of a `UserError`.
        option_of: options by the names of their arguments; other names remain.
    """
    return ARGUMENT.sub(lambda found: option_of.get(found[1] or found[2], found[0]), sentence)


class MachineError(RuntimeError):
    """A failure of the machine, in one sentence: a full disk, a missing directory. Exit code 1."""


REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ESTALE)
"""Errors of the system when writing to an open file; they do not name the file."""


def describe_os_error(error: OSError, where: str | None = None) -> str | None:
    """Return a description of a file error with its path, or None for other errors.

    Args:
        error: the exception.
        where: the path to report if the error does not name one.
    """
    if error.filename is None and error.errno not in REFUSALS:
        return None
    path = error.filename if error.filename is not None else where
    return f"{error.strerror}" if path is None else f"{str(path)!r}: {error.strerror}"


def nearest(name: str, allowed: Iterable[str], number: int = 1, cutoff: float = 0.6) -> str:
    """Return `"; did you mean 'x'?"` for the allowed names closest to `name`, or an empty string."""
    return meant(difflib.get_close_matches(name, list(allowed), n=number, cutoff=cutoff))


def meant(names: Sequence[str]) -> str:
    """Return `"; did you mean 'x' or 'y'?"`, or an empty string for no names."""
    *others, last = map(repr, names) if names else ("",)
    return f"; did you mean {' or '.join(filter(None, [', '.join(others), last]))}?" if names else ""


def shown(value: object) -> str:
    """Return a short, one-line description of a value: the message of an exception, else the `repr`."""
    text = " ".join(str(value).split()) if isinstance(value, Exception) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


MAX_SHOWN = 120
