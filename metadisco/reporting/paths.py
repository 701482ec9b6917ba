"""Paths in a page that may be sent to anybody: none of them is absolute."""

import re
from pathlib import Path
from typing import Any

ABSOLUTE = re.compile(r"(?<![\w./~:$)>-])/(?:[^\s/'\",;:<>()\[\]{}]+/)*([^\s/'\",;:<>()\[\]{}]+)/?")
"""An absolute path in a text, and its last part."""


def shown(path: Path, run: Path | None = None) -> Path:
    """Return a path as a page shows it: as seen from the working directory, or from the folder that holds the run.

    Args:
        path: of a file or folder.
        run: folder of the run.
    """
    if not path.is_absolute():
        return path
    for base in (Path.cwd(), *([] if run is None else [run.absolute().parent])):
        if path.is_relative_to(base) and path != base:
            return path.relative_to(base)
    return Path(path.name)


def without_paths(content: Any) -> Any:
    """Return text, or lists and tuples of it, in which of each absolute path only the last part is left."""
    if isinstance(content, str):
        return ABSOLUTE.sub(r"\1", content)
    return type(content)(map(without_paths, content)) if isinstance(content, list | tuple) else content
