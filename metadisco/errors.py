"""The one exception for what a user can put right."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Input that cannot be used, in one sentence: what it is, what was got, what is allowed.

    The command line prints the sentence and exits with code 2; a library caller may catch it as a ValueError.
    """


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the allowed name closest to `name`, or an empty string."""
    matches = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]!r}?" if matches else ""
