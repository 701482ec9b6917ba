"""Reads the imports of the package, those inside functions included, and keeps its layers apart."""

import ast
from pathlib import Path

import pytest

import metadisco

ROOT = Path(metadisco.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
TOP = ("__main__", "cli", "commands")  # what nothing below may know of
SIDES = ("inner", "outer", "parametrisations")
HEAVY = {"jax", "flax", "optax", "evosax", "gymnax", "brax"}  # to import
SEES_ALL = ("problems", "evaluation", "commands", "cli", "export")


def module_of(file: Path) -> str:
    """Return the dotted name of a file below the package, without the package: `inner.ppo`; empty for its root."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def absolute(node: ast.ImportFrom, file: Path) -> str:
    """Return what `from X import …` imports from, relative dots resolved."""
    if not node.level:
        return node.module or ""
    package = ["metadisco", *file.relative_to(ROOT).parts[:-1]]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def imports_of(file: Path) -> set[str]:
    """Return the dotted names that a file imports; for `from a import b` both `a` and `a.b`."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = absolute(node, file)
            names |= {origin} | {f"{origin}.{alias.name}" for alias in node.names}
    return names


IMPORTS = {module_of(file): imports_of(file) for file in FILES}


def parts_imported(module: str) -> set[str]:
    """Return which parts of ours (first names below the package) a module imports."""
    return {name.split(".")[1] for name in IMPORTS[module] if name.startswith("metadisco.")}


def modules_in(part: str) -> list[str]:
    found = [module for module in IMPORTS if module == part or module.startswith(f"{part}.")]
    assert found, part
    return found


def test_imports_are_found_wherever_they_stand():
    """Guards the reader itself: an import that it did not see could break every rule."""
    assert "metadisco.problems" in IMPORTS["commands.evolve"]  # inside a function
    assert "metadisco.config.root" in IMPORTS["config.parse"]  # relative
    assert "metadisco.inner.ppo" in IMPORTS["inner.train"]  # a module from its package
    assert {"config", "errors", "outer", "types"} <= parts_imported("outer.strategy")


def test_types_import_nothing_of_ours():
    assert parts_imported("types") == set()


def test_errors_import_nothing_of_ours():
    assert parts_imported("errors") == set()


@pytest.mark.parametrize("module", modules_in("config"))
def test_config_imports_only_itself_and_errors(module):
    assert parts_imported(module) <= {"config", "errors"}


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [
        ("inner", {"parametrisations", "problems", "outer", "export", "runs", "checkpoints", *TOP}),
        ("outer", {"inner", "parametrisations", "problems", "export", "runs", "checkpoints", *TOP}),
        ("parametrisations", {"inner", "outer", "problems", "export", "runs", "checkpoints", *TOP}),
        ("problems", {"outer", "export", "runs", "checkpoints", *TOP}),
        ("export", {"inner", "outer", "problems", "checkpoints", *TOP}),
        ("runs", {"inner", "outer", "parametrisations", "problems", *TOP}),
        ("objectives", {"inner", "outer", "parametrisations", "problems", "export", "runs", *TOP}),
    ],
)
def test_a_part_does_not_know_what_is_beside_or_above_it(part, forbidden):
    seen = {module: parts_imported(module) & forbidden for module in modules_in(part)}
    assert {module: sorted(parts) for module, parts in seen.items() if parts} == {}


def test_only_problems_and_tools_see_several_sides():
    several = {
        module
        for module in IMPORTS
        if len(parts_imported(module) & set(SIDES)) > 1 and module.split(".")[0] not in SEES_ALL
    }
    assert several == set()


@pytest.mark.parametrize("part", ["inner", "outer", "parametrisations", "problems", "config"])
def test_nothing_below_imports_the_command_line(part):
    assert not any(parts_imported(module) & set(TOP) for module in modules_in(part))


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("gymnax", "inner.envs.gymnax"),
        ("brax", "inner.envs.brax"),
        ("mujoco", "inner.envs.brax"),
        ("evosax", "outer.strategy"),
        ("orbax", "checkpoints"),
        ("tensorboardX", "loggers"),
        ("wandb", "loggers"),
        ("ruamel", "config.text"),
    ],
)
def test_a_library_that_may_change_is_named_in_one_file(library, home):
    users = {module for module, names in IMPORTS.items() if any(name.split(".")[0] == library for name in names)}
    assert users == {home}


EARLY = ("config", "errors", "cli", "display", "files", "interrupt", "runs", "rows", "lock", "deadline", "notices",
         "commands.grid", "commands.recorder", "commands.evolve")  # fmt: skip


@pytest.mark.parametrize("part", EARLY)
def test_what_refuses_early_does_not_import_jax(part):
    for module in modules_in(part):
        assert not {name.split(".")[0] for name in IMPORTS[module]} & HEAVY


@pytest.mark.parametrize("file", FILES, ids=[module_of(file) or "metadisco" for file in FILES])
def test_a_file_imports_names_one_by_one_and_leaves_printing_to_the_commands(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    stars = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"]
    assert stars == []
    if module_of(file).split(".")[0] in ("cli", "commands", "display"):
        return
    prints = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert prints == []
