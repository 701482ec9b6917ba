"""User-defined objects, given in a config as `package.module:Name`."""

import contextlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from metadisco.config.code.imported_names import is_dotted
from metadisco.config.code.modules import look_here, note_imported
from metadisco.errors import UserError, nearest


def load_object(name: str, *, key: str, arguments: Mapping[str, Any] | None = None) -> Any:
    """Import `package.module:Name` from the Python path or the working directory.

    Args:
        name: a module, a colon, and an attribute of the module.
        key: the config key that refers to it, for messages.
        arguments: if given, call the object with these keyword arguments and return the result.

    Raises:
        UserError: if the module or attribute does not exist, or the call rejects its arguments.
    """
    with importing():
        return _load(name, key, arguments)


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Make the working directory importable, and record the source of all modules that are imported meanwhile."""
    look_here()
    before = set(sys.modules)
    try:
        yield
    finally:
        note_imported(sys.modules.keys() - before)


def _load(name: str, key: str, arguments: Mapping[str, Any] | None) -> Any:
    module_name, _, attribute = name.partition(":")
    if not is_dotted(module_name) or not attribute:
        raise UserError(f"{key}: got {name!r}, allowed: package.module:Name")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise UserError(f"{key}: cannot import {module_name!r}: {error}") from error
    if not hasattr(module, attribute):
        raise UserError(f"{key}: {module_name} has no {attribute!r}{nearest(attribute, vars(module))}")
    thing = getattr(module, attribute)
    if arguments is None:
        return thing
    try:
        return thing(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"{key}: {name} rejected its settings {dict(arguments)}: {error}") from error
