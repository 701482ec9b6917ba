"""The imports of Python source, read from its text without running it. Needs no JAX."""

import ast
import contextlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from importlib.machinery import ModuleSpec


def names_imported(source: bytes, name: str, spec: ModuleSpec) -> Iterator[str]:
    """Yield all modules that Python source may import; for `from a import b` both `a` and `a.b`."""
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    if name == "__main__":
        package = getattr(sys.modules[name], "__package__", None) or ""
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # a compiled or an invalid module
        return
    for node in ast.walk(tree):
        for named, anchor in _named_in(node):
            with contextlib.suppress(ImportError):  # as the import itself would raise
                absolute = importlib.util.resolve_name(named, anchor or package)
                yield from [absolute] if is_dotted(absolute) else []


def _named_in(node: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Yield the modules that a statement or call imports, and the package a relative import is resolved against."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, None) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = "." * node.level + (node.module or "")
        yield origin, None
        yield from ((f"{origin}.{alias.name}" if node.module else origin + alias.name, None) for alias in node.names)
    elif isinstance(node, ast.Call):
        called = getattr(node.func, "attr", getattr(node.func, "id", None))
        if called in ("import_module", "__import__"):
            given = dict(zip(("name", "package"), node.args, strict=False))
            given |= {word.arg: word.value for word in node.keywords if word.arg}
            name, anchor = (_text(given.get(key)) for key in ("name", "package"))
            yield from [(name, anchor)] if name else []


def _text(node: ast.AST | None) -> str | None:
    """Return the value of a string literal, or None for any other expression."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def is_dotted(name: str) -> bool:
    """Return whether this could be the name of a module."""
    return all(name.split("."))
