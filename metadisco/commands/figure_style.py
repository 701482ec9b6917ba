"""Style of the figures of a command."""

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any


def figure_style(style: str | None, formats: Sequence[str]) -> AbstractContextManager[Any]:
    """Return a context in which figures have the style and formats of the options of a command.

    Matplotlib is imported only if an option is given.

    Args:
        style: as in `look`.
        formats: further formats, beside PNG and SVG.
    """
    if style is None and not formats:
        return contextlib.nullcontext()
    from metadisco.plotting.look import look

    return look(style, formats)
