"""Reads the imports of the package, those inside functions included, and keeps its floors apart."""

import ast
from pathlib import Path

import pytest

import metadisco

ROOT = Path(metadisco.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
FLOORS = (
    ("__main__",), ("cli", "former"), ("commands",), ("api",), ("reporting",), ("plotting",), ("export",),
    ("distillation", "tuning"), ("evaluation", "evolution"), ("problems",), ("discoveries",), ("storage",),
    ("parametrisations", "outer"), ("inner",), ("objectives",), ("config",), ("types", "errors", "_version"),
)  # fmt: skip
"""From the top: a layer imports those below it, and none beside or above it."""
LEVELS = {part: level for level, floor in enumerate(FLOORS) for part in floor}


def module_of(file: Path) -> str:
    """Return the dotted name of a file below the package, without the package: `inner.ppo`; empty for its root."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def absolute(node: ast.ImportFrom, file: Path) -> str:
    """Return the module of `from X import …`, relative dots resolved."""
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
    assert "metadisco.problems" in IMPORTS["evolution.run"]  # inside a function
    assert "metadisco.config.root" in IMPORTS["config.parse"]  # relative
    assert "metadisco.inner.ppo" in IMPORTS["inner.train"]  # a module from its package
    assert {"config", "errors", "outer", "types"} <= parts_imported("outer.strategy")


def test_every_part_has_its_floor():
    parts = {module.split(".")[0] for module in IMPORTS if module}
    assert parts <= LEVELS.keys()


def test_the_root_of_the_package_holds_six_modules_at_most():
    assert len([file for file in FILES if file.parent == ROOT]) <= 6


@pytest.mark.parametrize("module", [module for module in IMPORTS if module])
def test_imports_go_down(module):
    part = module.split(".")[0]
    below = {other for other, level in LEVELS.items() if level > LEVELS[part]}
    assert parts_imported(module) - {part} <= below


def test_no_module_imports_itself_by_way_of_others():
    modules = set(IMPORTS)
    ours = {
        module: {name.removeprefix("metadisco.") for name in names if name.removeprefix("metadisco.") in modules}
        for module, names in IMPORTS.items()
    }
    remaining = dict(ours)
    while leaves := [module for module, names in remaining.items() if not (names - {module}) & remaining.keys()]:
        for module in leaves:
            del remaining[module]
    assert remaining == {}


COMMANDS = (
    "evolve",
    "train",
    "tune",
    "rollout",
    "evaluate",
    "plot",
    "distil",
    "export",
    "report",
    "card",
    "reference",
    "listing",
    "keys",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_imports_another(command):
    others = {f"metadisco.commands.{other}" for other in COMMANDS if other != command}
    for module in modules_in(f"commands.{command}"):
        assert not {name for name in IMPORTS[module] if any(f"{name}.".startswith(f"{each}.") for each in others)}


@pytest.mark.parametrize("folder", ["analysis", "benchmarks", "experiments"])
def test_no_script_calls_the_command_line(folder):
    for file in sorted((ROOT.parent / folder).rglob("*.py")):
        assert not {name for name in imports_of(file) if name.startswith(("metadisco.cli", "metadisco.commands"))}, file


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("gymnax", "inner.envs.gymnax"),
        ("brax", "inner.envs.brax"),
        ("mujoco", "inner.envs.brax"),
        ("evosax", "outer.strategy"),
        ("orbax", "storage.checkpoints"),
        ("tensorboardX", "storage.loggers"),
        ("wandb", "storage.loggers"),
        ("ruamel", "config.text"),
        ("optuna", "tuning.study"),
        ("latex2mathml", "reporting.mathml"),
        ("markdown_it", "reporting.studies"),
    ],
)
def test_a_library_that_may_change_is_named_in_one_file(library, home):
    users = {module for module, names in IMPORTS.items() if any(name.split(".")[0] == library for name in names)}
    assert users == {home}
