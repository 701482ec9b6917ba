"""Scripts outside the package, imported as their siblings import them."""

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


@contextlib.contextmanager
def scripts_of(folder: str) -> Iterator[Callable[[str], ModuleType]]:
    """Give a function that imports a script of a folder by its name; forget all of them afterwards."""
    path = ROOT / folder
    sys.path.insert(0, str(path))
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(path))
        for script in path.glob("*.py"):
            sys.modules.pop(script.stem, None)
