"""Versions of what is installed. Needs no JAX."""

import functools
import importlib.metadata
from collections.abc import Mapping


def version_of(library: str) -> str | None:
    """Return the version of a library by the name that it is installed by, or None where it is not."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions_behind(module: str) -> dict[str, str | None]:
    """Return the versions of all that may provide a top-level module: of `PyYAML` for `yaml`.

    Where no distribution says that it does, it is looked for by the name of the module.
    """
    return {library: version_of(library) for library in _distributions().get(module, [module]) if library}


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """Return what provides each top-level module; takes tenths of a second, as it reads all that is installed."""
    return importlib.metadata.packages_distributions()
