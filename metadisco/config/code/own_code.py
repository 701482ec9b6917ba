"""Code of one's own, known by its source: that of `package.module:Name`, and of the user's modules that it imports.

What depends on such code holds a digest of it, so that an edit makes it another thing: the identity of an objective one
of its source, a kept cell one of all that ran. Needs no JAX, and imports nothing of what it looks at.
"""

import contextlib
import hashlib
import importlib
import json
import sys
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from metadisco.config.code.imported_names import is_dotted, names_imported
from metadisco.config.code.modules import (
    PACKAGE,
    ModuleSource,
    drop,
    edited,
    is_own,
    looked_at,
    looking_here,
    source_of_module,
    spec_of,
)
from metadisco.config.code.versions import versions_behind


def source_of(data: Any) -> dict[str, str]:
    """Return a digest of the source of every `package.module:Name` that plain data holds, by that name.

    It covers the module and the user's modules that it imports directly or not, as this process has imported them or
    would: as far as that is known. Files that they read, and modules whose names they compute, are not seen.
    """
    return {text: _digest(_hashes(sources)) for text, (sources, _) in _closures(data).items()}


def code_of(data: Any) -> dict[str, str]:
    """Return a digest of all the code behind every `package.module:Name` that plain data holds, by that name.

    That is its source, as for `source_of`, and the versions of other packages that it imports. Where source cannot be
    had, as in a notebook, or may not be what was imported, the digest is one that no other call returns.
    """
    digests = {}
    for text, (sources, others) in _closures(data).items():
        if all(source.certain and source.content is not None for source in sources.values()):
            digests[text] = _digest([_hashes(sources), {name: versions_behind(name) for name in others}])
        else:
            digests[text] = f"unknown {uuid.uuid4()}"
    return digests


def forget_edited() -> None:
    """Drop modules of the user's that were edited since they were imported, and those that import them.

    Whoever asks for them next gets what the files hold now. A module that imports what was missing and has come, what
    has gone, or is another file now, counts as edited.
    """
    importlib.invalidate_caches()
    with looking_here():
        changed = edited()
        dropped = [name for name, below in _imports_by_name().items() if changed & below] if changed else []
    for name in dropped:
        if name != "__main__":
            drop(name)
    importlib.invalidate_caches()


def _imports_by_name() -> dict[str, set[str]]:
    """Return which of the user's modules each that this process has imported imports; looking may show more of them."""
    found: dict[str, set[str]] = {}
    while names := looked_at() - found.keys():
        found |= {name: set(_closure(name)[0]) for name in names}
    return found


def _closures(data: Any) -> dict[str, tuple[dict[str, ModuleSource], set[str]]]:
    """Return what `_closure` does of the modules that plain data names."""
    with contextlib.ExitStack() as stack:
        modules = {text: text.partition(":")[0] for text in sorted(set(_names(data)))}
        if modules:
            stack.enter_context(looking_here())
        return {text: _closure(module) for text, module in modules.items() if spec_of(module) is not None}


def _names(data: Any) -> Iterator[str]:
    """Give the texts in plain data that may name an object of a module."""
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list | tuple):
        for value in data:
            yield from _names(value)
    elif isinstance(data, str) and ":" in data and "/" not in data and is_dotted(data.partition(":")[0]):
        yield data


def _hashes(sources: Mapping[str, ModuleSource]) -> dict[str, str | None]:
    return {
        name: None if source.content is None else hashlib.sha256(source.content).hexdigest()
        for name, source in sources.items()
    }


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _closure(root: str) -> tuple[dict[str, ModuleSource], set[str]]:
    """Return the user's modules that a module imports, itself included, and the other packages that these import.

    A module that is named is taken for the user's wherever it lies, with its package; but none of this package is.
    """
    sources: dict[str, ModuleSource] = {}
    others: set[str] = set()
    waiting, family = [root], root.partition(".")[0]
    passed = {PACKAGE.name} | (sys.stdlib_module_names - {family})
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in sources or top in others or top in passed:
            continue
        if top != family and not is_own(top):
            others.add(top)
        elif (spec := spec_of(name)) is not None:
            sources[name] = source_of_module(name, spec)
            waiting += [name.rpartition(".")[0] or name, *names_imported(sources[name].content or b"", name, spec)]
    return sources, others
