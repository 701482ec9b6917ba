"""Exported files, made and checked once."""

import functools

import pytest

from metadisco.cli import main

pytest.register_assert_rewrite("damage", "loss_contract")

from damage import Sound  # noqa: E402
from exported import Exports, make_run  # noqa: E402
from self_checks import check_all  # noqa: E402


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    return Exports(tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="session")
def self_checks(exports, tmp_path_factory):
    """Return what the files of a language, and those with one number changed, say of themselves."""
    return functools.cache(lambda language: check_all(exports, language, tmp_path_factory.mktemp("changed")))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A sound artefact."""
    path = tmp_path_factory.mktemp("sound")
    run = make_run(path / "run", "value_loss_of_all_inputs")
    assert main(["export", run, "--to", "artefact", "--output", str(path / "artefact"), "--quiet"]) == 0
    return Sound(path / "artefact")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def folder(place, sound):
    """(artefact.json, arrays.npz or None) -> the folder of them."""

    def folder(text, packed=sound.packed):
        path = place / "artefact"
        path.mkdir(exist_ok=True)
        (path / "artefact.json").write_bytes(text.encode() if isinstance(text, str) else text)
        (path / "arrays.npz").unlink(missing_ok=True)
        if packed is not None:
            (path / "arrays.npz").write_bytes(packed)
        return path

    return folder


@pytest.fixture
def archive(place):
    """(content) -> the zip file of it."""

    def archive(content):
        path = place / "artefact.zip"
        path.write_bytes(content)
        return path

    return archive
