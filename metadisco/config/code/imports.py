"""Objects of one's own, named in a config as `package.module:Name`."""

import contextlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from metadisco.config.code.imported_names import is_dotted
from metadisco.config.code.modules import look_here, note_imported
from metadisco.errors import UserError, nearest


def load_object(name: str, *, key: str, arguments: Mapping[str, Any] | None = None) -> Any:
    """Import `package.module:Name`, looked for on the Python path and in the working directory.

    Args:
        name: the module, a colon, and an attribute of it.
        key: the config key that named it, for messages.
        arguments: if given, the object is called with these keyword arguments and the result returned.

    Raises:
        UserError: if the module or attribute is not there, or the call refuses its arguments.
    """
    with importing():
        return _load(name, key, arguments)


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Let modules be imported from the working directory, too, and remember the source of those that are."""
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
        raise UserError(f"{key}: {name} refused its settings {dict(arguments)}: {error}") from error
