"""Whether exported files read as if a person had written them."""

import ast
import subprocess
import sys
from pathlib import Path

LIBRARIES = {"numpy": {"numpy"}, "jax": {"jax"}, "torch": {"torch", "functools"}}


def assert_needs_its_library_alone(path: Path, language: str, *on_demand: str) -> None:
    """Nothing is imported but the library, and functools for PyTorch; inside functions also the named modules."""
    imported, tree = set(), ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module)
        elif isinstance(node, ast.Import):
            imported |= {each.name.partition(".")[0] for each in node.names}
    assert imported <= LIBRARIES[language] | set(on_demand)
    at_once = {alias.name for each in tree.body if isinstance(each, ast.Import) for alias in each.names}
    assert {name.partition(".")[0] for name in at_once} <= LIBRARIES[language]


def assert_helpers_are_used(path: Path) -> None:
    """Each function and constant of the module that a caller has no use for is used by another."""
    tree = ast.parse(path.read_text())
    defined = {each.name for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith("_")}
    assigned = [target for each in tree.body if isinstance(each, ast.Assign) for target in each.targets]
    defined |= {each.id for each in assigned if isinstance(each, ast.Name)}
    assert defined
    for name in defined:
        elsewhere = [each for each in tree.body if getattr(each, "name", None) != name]
        loads = [node for each in elsewhere for node in ast.walk(each) if isinstance(node, ast.Name)]
        assert any(node.id == name and isinstance(node.ctx, ast.Load) for node in loads), name


def lint(path: Path) -> str:
    """Return the complaints of ruff about line lengths, unused names and imports, and style."""
    options = ["--isolated", "--no-cache", "--select", "F,E,W", "--line-length", "120", "--output-format", "concise"]
    ran = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *options, str(path)], capture_output=True, text=True, check=False
    )
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr
