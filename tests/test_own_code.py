"""Digests of code of one's own: what an edit changes, and what cannot be known."""

import importlib
import sys
import types

import numpy as np
import pytest

from metadisco.config import parse_config
from metadisco.imports import load_object
from metadisco.own_code import code_of, forget_edited
from metadisco.runs import RunDirectory
from metadisco.sources import find_source

FILES = {
    "own_env.py": "import os\nimport own_help\nfrom own_pack import deep\n\ndef make_env():\n    import own_late\n",
    "own_help.py": "GAIN = 1.0\n",
    "own_late.py": "GAIN = 1.0\n",
    "own_pack/__init__.py": "",
    "own_pack/deep/__init__.py": "from . import below\nfrom .. import beside\n",
    "own_pack/deep/below.py": "GAIN = 1.0\n",
    "own_pack/beside.py": "import importlib\n\nimportlib.import_module('own_named')\n",
    "own_named.py": "import own_env\n",
    "own_space/loss.py": "from own_space.more import GAIN\n",
    "own_space/more.py": "GAIN = 1.0\n",
    "own_apart.py": "GAIN = 1.0\n",
    "own_torn.py": "def (\n",
    "lib/site-packages/own_installed/__init__.py": "from own_installed.part import GAIN\n",
    "lib/site-packages/own_installed/part.py": "GAIN = 1.0\n",
}
ENV = "own_env:make_env"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with modules of one's own, which are forgotten afterwards."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / "lib" / "site-packages"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def load(name=ENV):
    return load_object(name, key="inner.env")


def edit(folder, name, text="GAIN = 2.0\n"):
    (folder / name).write_text(text)


def test_only_names_of_modules_that_there_are_have_code(folder):
    data = {"env": ENV, "others": ["brax/ant:positional", "ppo", "nowhere:make", ":", ".:x", "a..b:c", 3, None]}
    assert set(code_of(data)) == {ENV}


def test_nothing_is_imported(folder):
    code_of([ENV, "own_pack.deep:x"])
    assert not any(name.startswith("own_") for name in sys.modules)


@pytest.mark.parametrize("name", [name for name in FILES if name.split(".")[0] not in ("own_apart", "own_torn")])
def test_an_edit_of_any_module_that_is_imported_tells_in_those_that_import_it(folder, name):
    roots = [ENV, "own_space.loss:Loss", "own_installed:Loss"]
    before = code_of(roots)
    edit(folder, name, "X = 3\n" + FILES[name])
    after = code_of(roots)
    changed = [root for root in roots if before[root] != after[root]]
    assert changed == [roots[1] if "space" in name else roots[2] if "installed" in name else ENV]


def test_an_edit_of_what_is_not_imported_does_not(folder):
    before = code_of(ENV)
    edit(folder, "own_apart.py")
    assert code_of(ENV) == before


def test_it_is_the_same_wherever_the_files_lie_and_before_and_after_the_import(folder, tmp_path_factory, monkeypatch):
    before = code_of(ENV)
    load()
    assert code_of(ENV) == before
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in ("own_env.py", "own_help.py", "own_late.py", "own_named.py", "own_pack"):
        (folder / name).rename(elsewhere / name)
    monkeypatch.chdir(elsewhere)
    importlib.invalidate_caches()
    assert code_of(ENV) == before


@pytest.mark.parametrize("name", ["own_env.py", "own_help.py", "own_pack/deep/below.py"])
def test_what_was_imported_counts_until_the_next_command_which_imports_it_anew(folder, name):
    load()
    before = code_of(ENV)
    edit(folder, name, FILES[name].replace("1.0", "2.0") + "NEW = 1\n")
    assert code_of(ENV) == before
    forget_edited()
    after = code_of(ENV)
    assert after != before
    load()
    assert code_of(ENV) == after
    assert sys.modules[name.removesuffix(".py").replace("/", ".")].NEW == 1


def test_what_was_not_edited_stays_imported(folder):
    load()
    load("own_apart:GAIN")
    kept = sys.modules["own_apart"]
    edit(folder, "own_help.py")
    forget_edited()
    assert sys.modules["own_apart"] is kept
    assert not {"own_help", "own_env"} & sys.modules.keys()


def test_a_source_of_the_same_size_and_second_is_read_all_the_same(folder):
    assert load("own_help:GAIN") == 1.0
    edit(folder, "own_help.py")
    forget_edited()
    assert load("own_help:GAIN") == 2.0


def never_twice(name):
    return code_of(name) != code_of(name)


def test_a_reload_is_not_taken_for_what_was_imported_first(folder):
    load()
    before = code_of(ENV)
    edit(folder, "own_help.py")
    importlib.reload(sys.modules["own_help"])
    assert code_of(ENV) != before
    assert never_twice(ENV)  # the file is younger than this process, which may have read another one


def test_what_others_imported_from_a_file_younger_than_the_process_is_unknown(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    importlib.import_module("own_help")
    assert never_twice("own_help:GAIN")
    assert never_twice(ENV)


def test_a_module_without_a_file_is_unknown(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "own_typed", types.ModuleType("own_typed"))
    assert never_twice("own_typed:make_env")


@pytest.mark.parametrize("module", ["__main__", "own_main"])
def test_what_is_typed_into_a_notebook_is_unknown(folder, module, monkeypatch):
    """`__main__` has no file there."""
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    edit(folder, "own_main.py", "import __main__\n")
    assert never_twice(f"{module}:make_env")


def test_a_file_that_is_no_python_has_a_digest(folder):
    before = code_of("own_torn:x")
    edit(folder, "own_torn.py", "def ((\n")
    assert code_of("own_torn:x") != before


def test_the_identity_of_an_objective_holds_the_source_of_its_parametrisation(folder):
    run = RunDirectory(folder / "run")
    run.create(parse_config({"parametrisation": {"name": "own_space.loss:Loss"}}))
    run.write_centre(0, {"weight": np.zeros(1)})
    first = find_source("run")
    assert find_source("run").sha256 == first.sha256
    edit(folder, "own_apart.py")
    assert find_source("run").sha256 == first.sha256
    edit(folder, "own_space/more.py")
    assert find_source("run").sha256 != first.sha256
    assert "own_space.loss" not in sys.modules
