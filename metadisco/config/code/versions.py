"""Versions of installed packages. Needs no JAX."""

import functools
import importlib.metadata
from collections.abc import Mapping


def version_of(library: str) -> str | None:
    """Return the version of an installed distribution, or None if it is not installed."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions_behind(module: str) -> dict[str, str | None]:
    """Return the versions of all distributions that provide a top-level module, such as `PyYAML` for `yaml`.

    If no distribution lists the module, the distribution is assumed to have the same name.
    """
    return {library: version_of(library) for library in _distributions().get(module, [module]) if library}


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """Return the distributions of each top-level module; this scans all installed packages and takes some 0.1 s."""
    return importlib.metadata.packages_distributions()
