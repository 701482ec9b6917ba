"""Digests of user-defined code: of the module of `package.module:Name`, and of the user's modules that it imports.

Results that depend on such code store a digest, so that an edit invalidates them: an objective stores one of its own
source, a cached cell one of all code that ran. Needs no JAX, and does not import the code it inspects.
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
    """Return a digest of the source of every `package.module:Name` in plain data, by that name.

    A digest covers the module and all of the user's modules that it imports, directly or indirectly, as this process
    has imported them or would. It does not cover files that they read, or modules whose names they compute.
    """
    return {text: _digest(_hashes(sources)) for text, (sources, _) in _closures(data).items()}


def code_of(data: Any) -> dict[str, str]:
    """Return a digest of all code used by every `package.module:Name` in plain data, by that name.

    This includes its source, as in `source_of`, and the versions of the other packages that it imports. If the source
    is not available, as in a notebook, or may differ from the imported code, the digest is unique to this call.
    """
    digests = {}
    for text, (sources, others) in _closures(data).items():
        if all(source.certain and source.content is not None for source in sources.values()):
            digests[text] = _digest([_hashes(sources), {name: versions_behind(name) for name in others}])
        else:
            digests[text] = f"unknown {uuid.uuid4()}"
    return digests


def forget_edited() -> None:
    """Remove the user's modules that were edited since their import, and all modules that import them.

    The next import reads the current files. A module also counts as edited if one of its imports has appeared,
    disappeared or moved.
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
    """Return for each imported module of the user the modules that it imports; computing this may record more."""
    found: dict[str, set[str]] = {}
    while names := looked_at() - found.keys():
        found |= {name: set(_closure(name)[0]) for name in names}
    return found


def _closures(data: Any) -> dict[str, tuple[dict[str, ModuleSource], set[str]]]:
    """Return the result of `_closure` for each module that plain data refers to."""
    with contextlib.ExitStack() as stack:
        modules = {text: text.partition(":")[0] for text in sorted(set(_names(data)))}
        if modules:
            stack.enter_context(looking_here())
        return {text: _closure(module) for text, module in modules.items() if spec_of(module) is not None}


def _names(data: Any) -> Iterator[str]:
    """Yield the strings in plain data that may refer to an object of a module."""
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
    """Return the user's modules that a module imports, including itself, and the other packages that these import.

    The module itself and its package always count as the user's, wherever they are; modules of metadisco never do.
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
