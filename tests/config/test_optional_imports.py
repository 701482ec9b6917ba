"""Modules that appear, disappear or move while a process runs: cells are named after the imported code."""

import importlib
import sys
from pathlib import Path

import pytest

from metadisco.config.code.imports import load_object
from metadisco.config.code.own_code import code_of, forget_edited

ENV = "opt_env:GAIN"
OPTIONAL = "try:\n    {0}\nexcept ImportError:\n    GAIN = 1\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    forget()


def forget():
    for name in [name for name in sys.modules if name.startswith("opt_")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def write(name, text):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)
    importlib.invalidate_caches()


def load():
    return load_object(ENV, key="inner.env")


CHANGES = {
    "a module comes": ("from opt_help import GAIN", [], [("opt_help.py", "GAIN = 2\n")], 1, 2),
    "a module below a package comes": (
        "from opt_pack.help import GAIN", [("opt_pack/__init__.py", "")], [("opt_pack/help.py", "GAIN = 2\n")], 1, 2,
    ),
    "a package comes before a module": (
        "from opt_help import GAIN", [("opt_help.py", "GAIN = 2\n")], [("opt_help/__init__.py", "GAIN = 3\n")], 2, 3,
    ),
    "a module goes": ("from opt_help import GAIN", [("opt_help.py", "GAIN = 2\n")], [("opt_help.py", None)], 2, 1),
    "a module gives way to a package": (
        "from opt_help import GAIN", [("opt_help.py", "GAIN = 2\n")],
        [("opt_help.py", None), ("opt_help/__init__.py", "GAIN = 3\n")], 2, 3,
    ),
    "a package goes": (
        "from opt_help.deep import GAIN", [("opt_help/deep.py", "GAIN = 2\n")], [("opt_help/deep.py", None)], 2, 1,
    ),
    "what is imported by name comes": (
        "import importlib; GAIN = importlib.import_module(name='opt_help').GAIN",
        [], [("opt_help.py", "GAIN = 2\n")], 1, 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("between", ["opt_env", "opt_middle"])
@pytest.mark.parametrize("change", CHANGES)
def test_it_is_imported_anew_by_the_next_command_and_unknown_until_then(change, between):
    statement, before, after, old, new = CHANGES[change]
    if between != "opt_env":
        write("opt_env.py", f"from {between} import GAIN\n")
    write(f"{between}.py", OPTIONAL.format(statement))
    for name, text in before:
        write(name, text)
    assert load() == old
    named = code_of(ENV)
    assert named == code_of(ENV)
    for name, text in after:
        Path(name).unlink() if text is None else write(name, text)
    importlib.invalidate_caches()
    assert code_of(ENV) != code_of(ENV)  # neither the old nor the new one: whoever imports more now gets a mixture
    forget_edited()
    assert load() == new
    anew = code_of(ENV)
    assert anew == code_of(ENV) != named
    forget()
    assert load() == new
    assert code_of(ENV) == anew  # as in another process


def test_what_stays_missing_or_is_elsewhere_changes_nothing():
    write("opt_env.py", OPTIONAL.format("from opt_help import GAIN"))
    load()
    kept, named = sys.modules["opt_env"], code_of(ENV)
    write("opt_other.py", "GAIN = 2\n")
    forget_edited()
    assert sys.modules["opt_env"] is kept
    assert code_of(ENV) == named


def test_what_others_imported_before_a_helper_came_is_unknown(folder, monkeypatch):
    """Nobody looked whether it was there when the module was imported."""
    write("opt_env.py", OPTIONAL.format("from opt_help import GAIN"))
    monkeypatch.syspath_prepend(str(folder))
    importlib.import_module("opt_env")
    write("opt_help.py", "GAIN = 2\n")
    young = "opt_help"
    monkeypatch.setattr(
        "metadisco.config.code.modules._is_older_than_process", lambda spec: spec is None or spec.name != young
    )
    assert code_of(ENV) != code_of(ENV)


def test_a_module_of_a_folder_that_was_moved_to_is_not_taken_for_that_of_the_folder_before(folder, monkeypatch):
    for place, gain in (("one", 1), ("two", 2)):
        write(f"{place}/opt_env.py", f"GAIN = {gain}\n")
        monkeypatch.chdir(folder / place)
        forget_edited()
        assert load() == gain
        monkeypatch.chdir(folder)
