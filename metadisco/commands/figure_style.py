"""How the figures of a command look."""

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any


def figure_style(style: str | None, formats: Sequence[str]) -> AbstractContextManager[Any]:
    """Return a context in which figures are made as the options of a command say.

    Matplotlib is imported only where they say something.

    Args:
        style: as `look` takes it.
        formats: beside PNG and SVG.
    """
    if style is None and not formats:
        return contextlib.nullcontext()
    from metadisco.plotting.look import look

    return look(style, formats)
