"""The origin of a module, whether it is the user's own, and its source at the time this process imported it.

All modules outside the standard library, site-packages and this package are the user's. This module imports none.
"""

import contextlib
import functools
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import NamedTuple

from metadisco.config.code.imported_names import names_imported

PACKAGE = Path(__file__).parents[2]
INSTALLED = {"site-packages", "dist-packages"}


class ModuleSource(NamedTuple):
    """The source from which a module was imported, or would be."""

    spec: ModuleSpec | None
    """Spec of the module when its source was read; importing or reloading the module creates a new one."""
    content: bytes | None
    """The source; None if it is not available, as in a notebook."""
    certain: bool
    """Whether the module was imported from this source. False if the file may have been edited before it was read, or
    if one of its imports may resolve differently now, such as an optional module that was missing."""
    places: Mapping[str, str | None] = {}
    """Locations of the module and its imports when it was read; None for a missing module."""


_IMPORTED: dict[str, ModuleSource] = {}


def look_here() -> None:
    """Make the working directory importable from now on."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


@contextlib.contextmanager
def looking_here() -> Iterator[None]:
    """Make the working directory importable within a context."""
    before = list(sys.path)
    look_here()
    try:
        yield
    finally:
        sys.path[:] = before


def spec_of(name: str) -> ModuleSpec | None:
    """Return the spec of a module, or None if it does not exist."""
    module = sys.modules.get(name)
    if module is not None:
        spec: ModuleSpec | None = getattr(module, "__spec__", None)
        return spec or ModuleSpec(name, None, origin=getattr(module, "__file__", None))
    return _find(name, spec_of)


def _spec_anew(name: str) -> ModuleSpec | None:
    """Return the spec with which a module would be imported now, ignoring `sys.modules`; None if it does not exist."""
    return _find(name, _spec_anew)


def _find(name: str, spec_of_parent: Callable[[str], ModuleSpec | None]) -> ModuleSpec | None:
    parent, _, _ = name.rpartition(".")
    above = spec_of_parent(parent) if parent else None
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


def is_own(name: str) -> bool:
    """Return whether a module is the user's own."""
    spec = spec_of(name)
    if spec is None:
        return False
    places = [spec.origin or "", *(spec.submodule_search_locations or [])]
    if spec.loader is None and not any(places):  # created in this process, such as `__main__` of a notebook
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


def note_imported(names: Iterable[str]) -> None:
    """Record the source of modules that have just been imported."""
    for name in names:
        if is_own(name):
            _look(name, certain=True)


def source_of_module(name: str, spec: ModuleSpec) -> ModuleSource:
    """Return the source of a module, as it was imported or would be."""
    if name not in sys.modules:
        return ModuleSource(None, _read(spec), certain=True)
    source = _look(name, certain=False)
    return source._replace(certain=source.certain and not _is_moved(source))


def _look(name: str, certain: bool) -> ModuleSource:
    """Return the source of an imported module, which is read on the first call, as the file may change later.

    Args:
        name: name of a module in `sys.modules`.
        certain: whether the module has just been imported.
    """
    spec = getattr(sys.modules[name], "__spec__", None)
    if name not in _IMPORTED or _IMPORTED[name].spec is not spec:
        found = spec_of(name)
        assert found is not None
        content = _read(found)
        specs = {each: _spec_anew(each) for each in _names_behind(name, content, found)}
        fixed = spec is not None or (name == "__main__" and not hasattr(sys, "ps1"))  # interactive code may change
        sure = certain or all(
            map(_is_older_than_process, [found, *(each for key, each in specs.items() if key not in sys.modules)])
        )
        _IMPORTED[name] = ModuleSource(
            spec, content, fixed and sure, {key: _place(each) for key, each in specs.items()}
        )
    return _IMPORTED[name]


def _names_behind(name: str, content: bytes | None, spec: ModuleSpec) -> set[str]:
    """Return a module and its imports, without those whose location cannot change."""
    names = {name, *names_imported(content or b"", name, spec)}
    return {
        each for each in names if each.partition(".")[0] not in (sys.stdlib_module_names | {PACKAGE.name, "__main__"})
    }


def _place(spec: ModuleSpec | None) -> str | None:
    """Return the canonical location of a module, which does not depend on how `sys.path` leads there."""
    if spec is None:
        return None
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or [])
    return os.pathsep.join(os.path.realpath(place) if os.path.isabs(place) else place for place in places)


def _is_moved(source: ModuleSource) -> bool:
    """Return whether a module or one of its imports has appeared, disappeared or moved since its source was read."""
    return any(_place(_spec_anew(name)) != place for name, place in source.places.items())


def looked_at() -> set[str]:
    """Return the imported modules whose source has been recorded."""
    return set(_IMPORTED)


def edited() -> set[str]:
    """Return the recorded modules that are still imported but whose source has changed since."""
    return {name for name, source in _IMPORTED.items() if _is_edited(name, source)}


def _is_edited(name: str, source: ModuleSource) -> bool:
    if name not in sys.modules or getattr(sys.modules[name], "__spec__", None) is not source.spec:
        return False
    spec = spec_of(name)
    assert spec is not None
    return _read(spec) != source.content or _is_moved(source)


def drop(name: str) -> None:
    """Remove a recorded module, so that the next import reads its file again, and not Python's cached bytecode."""
    spec = _IMPORTED.pop(name).spec
    module = sys.modules.pop(name, None)
    package, _, attribute = name.rpartition(".")
    if module is not None and getattr(sys.modules.get(package), attribute, None) is module:
        delattr(sys.modules[package], attribute)  # `from package import module` looks there first
    if spec is not None and spec.cached:  # its time stamp may match the new source
        with contextlib.suppress(OSError):
            Path(spec.cached).unlink(missing_ok=True)


def _read(spec: ModuleSpec) -> bytes | None:
    """Return the source of a module, or None if it is not available."""
    if spec.origin is None:  # a folder without __init__.py has no code
        return b"" if spec.submodule_search_locations is not None else None
    read = getattr(spec.loader, "get_data", None)
    try:
        return bytes(Path(spec.origin).read_bytes() if read is None else read(spec.origin))
    except OSError:
        return None


def _is_older_than_process(spec: ModuleSpec | None) -> bool:
    """Return whether a file has not changed since this process started, or does not exist."""
    if spec is None:
        return True
    try:
        facts = os.stat(spec.origin or "")
    except OSError:
        return False
    return max(facts.st_mtime, facts.st_ctime) < _process_start()


@functools.cache
def _process_start() -> float:
    """Return the time at which this process started, comparable to times of files; 0 if the system does not tell."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return 0.0
    return time.time() - age
