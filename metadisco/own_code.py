"""Code of one's own, known by its source: that of `package.module:Name`, and of the user's modules that it imports.

What depends on such code (a kept cell, the identity of an objective) holds a digest of it, so that an edit makes it
another thing. The user's are all modules outside the standard library, site-packages and this package. Needs no JAX,
and imports nothing of what it looks at.
"""

import ast
import contextlib
import functools
import hashlib
import importlib
import importlib.metadata
import json
import os
import sys
import sysconfig
import time
import uuid
import warnings
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = Path(__file__).parent
INSTALLED = {"site-packages", "dist-packages"}


class _Loaded(NamedTuple):
    """The source of a module that this process has imported."""

    spec: ModuleSpec | None
    """The module's when its source was read; importing or reloading it anew makes another."""
    source: bytes | None
    certain: bool
    """Whether the module was made of this source; false where the file may have been edited before it was read."""


_LOADED: dict[str, _Loaded] = {}


def code_of(data: Any) -> dict[str, str]:
    """Return a digest of the code behind every `package.module:Name` that plain data holds, by that name.

    It covers the module, the user's modules that it imports directly or not, as this process has imported them or
    would, and the versions of other packages that these import. Files that they read, and modules whose names they
    compute, are not seen. Where source cannot be had, as in a notebook, or may not be what was imported, the digest is
    one that no other call returns.
    """
    modules = {text: text.partition(":")[0] for text in sorted(set(_names(data)))}
    if modules:
        look_here()
    return {text: _digest(module) for text, module in modules.items() if _spec_of(module) is not None}


def look_here() -> None:
    """Let modules be found in the working directory, too."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def note_imported(names: Iterable[str]) -> None:
    """Remember the source of modules that were imported just now."""
    for name in names:
        if _is_own(name):
            _look(name, certain=True)


def forget_edited() -> None:
    """Drop modules of the user's that were edited since they were imported, and those that import them.

    Whoever asks for them next gets what the files hold now.
    """
    edited = {name for name, loaded in _LOADED.items() if _is_edited(name, loaded)}
    dropped = {name for name in _LOADED if name != "__main__" and edited & _closure(name)[0].keys()} if edited else ()
    for name in dropped:
        _drop(name, _LOADED.pop(name).spec)
    importlib.invalidate_caches()


def _drop(name: str, spec: ModuleSpec | None) -> None:
    """Let a module be imported anew: from its file, and not from what Python keeps of it."""
    module = sys.modules.pop(name, None)
    package, _, attribute = name.rpartition(".")
    if module is not None and getattr(sys.modules.get(package), attribute, None) is module:
        delattr(sys.modules[package], attribute)  # `from package import module` looks there first
    if spec is not None and spec.cached:  # by its time stamp it may pass for that of the new source
        with contextlib.suppress(OSError):
            Path(spec.cached).unlink(missing_ok=True)


def version_of(library: str) -> str | None:
    """Return the version of a library, or None where it is not installed."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _names(data: Any) -> Iterator[str]:
    """Give the texts in plain data that may name an object of a module."""
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list | tuple):
        for value in data:
            yield from _names(value)
    elif isinstance(data, str) and ":" in data and "/" not in data and all(data.partition(":")[0].split(".")):
        yield data


def _digest(root: str) -> str:
    sources, others = _closure(root)
    if any(not loaded.certain or loaded.source is None for loaded in sources.values()):
        return f"unknown {uuid.uuid4()}"
    digests = {name: hashlib.sha256(loaded.source or b"").hexdigest() for name, loaded in sources.items()}
    known = [digests, {name: version_of(name) for name in others}]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def _closure(root: str) -> tuple[dict[str, _Loaded], set[str]]:
    """Return the user's modules that a module imports, itself included, and the other packages that these import."""
    sources: dict[str, _Loaded] = {}
    others: set[str] = set()
    waiting, family = [root], root.partition(".")[0]
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in sources or top in others or top in sys.stdlib_module_names - {family}:
            continue
        if top != family and not _is_own(top):
            others.add(top)
        elif (spec := _spec_of(name)) is not None:
            sources[name] = _source(name, spec)
            waiting += [name.rpartition(".")[0] or name, *_imports(sources[name].source or b"", name, spec)]
    return sources, others - {PACKAGE.name}


def _imports(source: bytes, name: str, spec: ModuleSpec) -> Iterator[str]:
    """Give what Python source imports anywhere in it; for `from a import b` both `a` and `a.b`."""
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    if name == "__main__":
        package = getattr(sys.modules[name], "__package__", None) or ""
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # a compiled module, or one that cannot be imported
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from (origin, *(f"{origin}.{alias.name}" for alias in node.names)) if origin else ()
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            named = [each.value for each in node.args[:1] if isinstance(each, ast.Constant)]
            yield from (name for name in named if isinstance(name, str))


def _source(name: str, spec: ModuleSpec) -> _Loaded:
    """Return the source of a module: that which was imported, or which would be."""
    if name not in sys.modules:
        return _Loaded(None, _read(spec), certain=True)
    return _look(name, certain=False)


def _look(name: str, certain: bool) -> _Loaded:
    """Return the source of an imported module; read at the first look, after which the file may change.

    Args:
        name: of a module in `sys.modules`.
        certain: whether it was imported just now.
    """
    spec = getattr(sys.modules[name], "__spec__", None)
    if name not in _LOADED or _LOADED[name].spec is not spec:
        found = _spec_of(name)
        assert found is not None
        fixed = spec is not None or (name == "__main__" and not hasattr(sys, "ps1"))  # what is typed in changes anyhow
        _LOADED[name] = _Loaded(spec, _read(found), fixed and (certain or _is_older_than_process(found)))
    return _LOADED[name]


def _is_edited(name: str, loaded: _Loaded) -> bool:
    """Whether a module that is still imported as it was looked at has another source by now."""
    if name not in sys.modules or getattr(sys.modules[name], "__spec__", None) is not loaded.spec:
        return False
    spec = _spec_of(name)
    source = None if spec is None else _read(spec)
    return source is not None and source != loaded.source


def _spec_of(name: str) -> ModuleSpec | None:
    """Return where a module comes from, or None where there is none; nothing is imported."""
    module = sys.modules.get(name)
    if module is not None:
        spec: ModuleSpec | None = getattr(module, "__spec__", None)
        return spec or ModuleSpec(name, None, origin=getattr(module, "__file__", None))
    parent, _, _ = name.rpartition(".")
    above = _spec_of(parent) if parent else None
    if parent and (above is None or above.submodule_search_locations is None):
        return None
    path = None if above is None else above.submodule_search_locations
    for finder in sys.meta_path:
        found = None
        with contextlib.suppress(ImportError, AttributeError, ValueError):
            found = finder.find_spec(name, path)
        if found is not None:
            return found
    return None


def _is_own(name: str) -> bool:
    """Whether a module is the user's."""
    spec = _spec_of(name)
    if spec is None:
        return False
    places = [spec.origin or "", *(spec.submodule_search_locations or [])]
    if spec.loader is None and not any(places):  # made in this process, such as `__main__` of a notebook
        return True
    for place in map(Path, filter(os.path.isabs, places)):
        if INSTALLED & set(place.parts):
            return False
        if not any(place.resolve().is_relative_to(folder) for folder in (_standard_library(), PACKAGE.resolve())):
            return True
    return False


@functools.cache
def _standard_library() -> Path:
    return Path(sysconfig.get_path("stdlib")).resolve()


def _read(spec: ModuleSpec) -> bytes | None:
    """Return the source of a module, or None where it cannot be had."""
    if spec.origin is None:  # a folder without __init__.py, in which nothing runs
        return b"" if spec.submodule_search_locations is not None else None
    read = getattr(spec.loader, "get_data", None)
    try:
        return bytes(Path(spec.origin).read_bytes() if read is None else read(spec.origin))
    except OSError:
        return None


def _is_older_than_process(spec: ModuleSpec) -> bool:
    """Whether a file is as it was when this process began."""
    try:
        facts = os.stat(spec.origin or "")
    except OSError:
        return False
    return max(facts.st_mtime, facts.st_ctime) < _process_start()


@functools.cache
def _process_start() -> float:
    """Return when this process began, as files are dated; 0 where the system does not say."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return 0.0
    return time.time() - age
