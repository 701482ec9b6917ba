"""Digests of user-defined code: the effect of an edit, and unknown source."""

import importlib
import importlib.metadata
import json
import sys
import types

import numpy as np
import pytest

from metadisco.cli import main
from metadisco.config import parse_config
from metadisco.config.code import modules
from metadisco.config.code.imports import load_object
from metadisco.config.code.own_code import code_of, forget_edited, source_of
from metadisco.discoveries.sources import find_source
from metadisco.reporting.parts import comparison_of, forms_of
from metadisco.storage.runs import RunDirectory

FILES = {
    "own_env.py": "import os\nimport own_help\nfrom own_pack import deep\n\ndef make_env():\n    import own_late\n",
    "own_help.py": "GAIN = 1.0\n",
    "own_late.py": "GAIN = 1.0\n",
    "own_pack/__init__.py": "",
    "own_pack/deep/__init__.py": "from . import below\nfrom .. import beside\n",
    "own_pack/deep/below.py": "GAIN = 1.0\n",
    "own_pack/beside.py": "import importlib\n\nimportlib.import_module('own_named')\n"
    "importlib.import_module('.near', __package__)\n__import__('own_pack.old')\n",
    "own_pack/near.py": "from importlib import import_module\n\nimport_module(name='.far', package='own_pack.deep')\n",
    "own_pack/deep/far.py": "GAIN = 1.0\n",
    "own_pack/old.py": "GAIN = 1.0\n",
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
    """A folder with user-defined modules, which are forgotten afterwards."""
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


@pytest.mark.parametrize(
    "line",
    [
        "importlib.import_module('.below', __package__)", "importlib.import_module('...below', 'own_pack')",
        "importlib.import_module('.below', computed)", "importlib.import_module('.')", "importlib.import_module('')",
        "importlib.import_module('..')", "importlib.import_module(name='a..b')", "importlib.import_module('\\0')",
        "importlib.import_module(' ')", "importlib.import_module('\\ud800')", "importlib.import_module(3)",
        "importlib.import_module()", "importlib.import_module(*names, **words)", "__import__('a.')",
        "__import__('below', globals(), None, [], 1)", "from .below import x", "from . import below",
        "from .... import x", "from own_help import *", "x" + ".y()" * 500,
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["own_env.py", "own_pack/__init__.py", "own_pack/deep/below.py"])
def test_an_import_that_cannot_work_stops_nothing(folder, name, line):
    """A user may have written it for the case that it fails, or never run it."""
    edit(folder, name, f"try:\n    {line}\nexcept Exception:\n    import own_late\n{FILES[name]}")
    before = code_of(ENV)
    edit(folder, "own_late.py")
    assert code_of(ENV) != before


def test_what_is_looked_up_leaves_the_path_of_modules_as_it_is(folder):
    before = list(sys.path)
    assert set(code_of(ENV)) == set(source_of(ENV)) == {ENV}
    assert sys.path == before


@pytest.mark.parametrize(("module", "library"), [("yaml", "PyYAML"), ("numpy", "numpy"), ("mujoco.mjx", "mujoco-mjx")])
def test_versions_of_other_packages_are_code_and_no_source(folder, module, library, monkeypatch):
    """A library is not always called as its module is."""
    edit(folder, "own_help.py", f"import {module}\n")
    code, source = code_of(ENV), source_of(ENV)
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0" if name == library else version(name))
    assert code_of(ENV) != code
    assert source_of(ENV) == source


def test_versions_of_what_is_not_imported_are_not(folder, monkeypatch):
    code = code_of(ENV)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0")
    assert code_of(ENV) == code


def test_this_package_is_nobodys_own(folder, monkeypatch):
    """Kept cells know its sources by themselves, and an objective is the same in another version."""
    edit(folder, "own_help.py", "import metadisco.parametrisations\n")
    names = [ENV, "metadisco.parametrisations:ValueLoss"]
    before = source_of(names), code_of(names)
    read = modules._read
    monkeypatch.setattr(modules, "_read", lambda spec: b"edited" if "metadisco" in spec.name else read(spec))
    assert (source_of(names), code_of(names)) == before


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


def test_what_was_imported_later_is_imported_anew_with_what_it_imports(folder):
    edit(folder, "own_late.py", "from own_help import GAIN\n")
    load()()
    assert sys.modules["own_late"].GAIN == 1.0
    edit(folder, "own_help.py")
    forget_edited()
    load()()
    assert sys.modules["own_late"].GAIN == 2.0


def never_twice(name):
    """Whether code is unknown; its source is the same, all the same, as far as it is known."""
    assert source_of(name) == source_of(name)
    assert name in source_of(name)
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


@pytest.fixture
def run(folder):
    run = RunDirectory(folder / "run")
    run.create(parse_config({"parametrisation": {"name": "own_space.loss:Loss"}}))
    run.write_centre(0, {"weight": np.zeros(1)})
    return run


def test_the_identity_of_an_objective_holds_the_source_of_its_parametrisation(folder, run):
    first = find_source("run")
    assert find_source("run").sha256 == first.sha256
    edit(folder, "own_apart.py")
    assert find_source("run").sha256 == first.sha256
    edit(folder, "own_space/more.py")
    assert find_source("run").sha256 != first.sha256
    assert "own_space.loss" not in sys.modules


FORMS = {
    "format": "metadisco distilled forms", "version": 1, "source": "run",
    "constants": {"clip_eps": 0.2, "value_clip_eps": None},
    "value": {"closest": "plain", "forms": {"plain": {"expression": ["square", "error"]}}},
}  # fmt: skip
RESULTS = {
    "baseline": "run", "seeds": 2, "envs": {}, "rows": [],
    "cells": [{"objective": "run", "env": "gymnax/CartPole-v1", "held_out": None}],
}  # fmt: skip


def write(file, data):
    file.parent.mkdir()
    file.write_text(json.dumps(data))


@pytest.mark.parametrize("change", ["an upgrade of jax", "an import from a file that is younger than the process"])
def test_closed_forms_and_evaluations_stay_those_of_their_run_after(change, folder, run, monkeypatch):
    edit(folder, "own_space/more.py", "import jax\n\nGAIN = 1.0\n")
    said = find_source("run").sha256
    write(run.path / "distilled" / "distilled.json", FORMS | {"source_sha256": said})
    write(run.path / "evaluation" / "results.json", RESULTS | {"objectives": {"run": said}})
    if "jax" in change:
        version = importlib.metadata.version
        monkeypatch.setattr(importlib.metadata, "version", lambda name: "99" if name == "jax" else version(name))
    else:
        monkeypatch.syspath_prepend(str(folder))
        importlib.import_module("own_space.loss")
    source = find_source("run")
    assert comparison_of(source, None, run.path / "evaluation").content is not None
    assert forms_of(source, None, run.path / "distilled").content is not None
    words = ["export", "run", "--form", "closed", "--to", "numpy", "--output", "closed.py"]
    assert main([*words, "--quiet"]) == 0
