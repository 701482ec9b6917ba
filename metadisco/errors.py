"""The exception for what a user can put right, and that for what the machine refused."""

import difflib
import errno
import re
from collections.abc import Iterable, Mapping


class UserError(ValueError):
    """Input that cannot be used, in one sentence: what it is, what was got, what is allowed.

    Arguments are named as in Python: before the first colon, or in backticks further on. The command line puts its
    options in their place, prints the sentence and exits with code 2; a caller of the library may catch a ValueError.
    """


ARGUMENT = re.compile(r"^(\w+)(?=: )|`(\w+)`")
"""An argument of a function in the sentence of a `UserError`."""


def in_options(sentence: str, option_of: Mapping[str, str]) -> str:
    """Return a sentence of the library in the words of a command: `num_seeds: got 0` as `--seeds: got 0`.

    Args:
        sentence: of a `UserError`.
        option_of: the option by the name of the argument; others stay as they are.
    """
    return ARGUMENT.sub(lambda found: option_of.get(found[1] or found[2], found[0]), sentence)


class MachineError(RuntimeError):
    """What the machine refused, in one sentence: a full disk, a directory that is gone. Exit code 1."""


REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ESTALE)
"""What a machine refuses when a file that is open is written to; no file is named then."""


def describe_os_error(error: OSError, where: str | None = None) -> str | None:
    """Return what the machine refused, and where; None for what is no trouble with a file.

    Args:
        error: what was raised.
        where: the path to name if the error names none.
    """
    if error.filename is None and error.errno not in REFUSALS:
        return None
    path = error.filename if error.filename is not None else where
    return f"{error.strerror}" if path is None else f"{str(path)!r}: {error.strerror}"


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the allowed name closest to `name`, or an empty string."""
    matches = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def shown(value: object) -> str:
    """Return what was got in one line that is not too long: an error's words, or anything else as Python writes it."""
    text = " ".join(str(value).split()) if isinstance(value, Exception) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


MAX_SHOWN = 120
