"""What commands are told to write: what is there stays, or with --force is replaced whole or not at all."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from refusals import assert_refused

from metadisco.cli import main
from metadisco.errors import MachineError
from metadisco.outputs import write_output
from metadisco.package import AGENTS, ARTEFACT, read_package, write_package

TRAIN = ["train", "--objective", "ppo", "--env", "gymnax/CartPole-v1"]
COMMANDS = {
    "numpy": (["export", "ppo", "--to", "numpy", "--output"], "my_loss.py"),
    "jax": (["export", "dpo", "--to", "jax", "--output"], "my_loss.py"),
    "torch": (["export", "lpo_drift_classic", "--form", "closed", "--to", "torch", "--output"], "my_loss.py"),
    "artefact": (["export", "ppo", "--to", "artefact", "--output"], "first.zip"),
    "curves": ([*TRAIN, "--output"], "ppo.json"),
    "agents": ([*TRAIN, "--save"], "agents.zip"),
    "rollout": (["rollout", "agents", "--output"], "returns.json"),
    "report": (["report", "lpo_drift_classic", "--no-visits", "--output"], "page.html"),
}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def full(monkeypatch):
    """(n) -> the disk is full when the n-th file is to be written."""

    def full(number):
        calls = []

        def fsync(_):
            calls.append(1)
            if len(calls) == number:
                raise OSError(errno.ENOSPC, "No space left on device", "here")

        monkeypatch.setattr(os, "fsync", fsync)

    return full


class TestRefusals:
    @pytest.mark.parametrize("command", COMMANDS)
    @pytest.mark.parametrize("kind", ["file", "link", "link to nothing"])
    def test_a_file_that_is_there_is_refused_before_anything_is_done(self, place, capsys, command, kind):
        words, name = COMMANDS[command]
        if kind == "file":
            Path(name).write_text("mine")
        else:
            Path("target").write_text("mine") if kind == "link" else None
            Path(name).symlink_to("target")
        before = {path.name: path.read_text() for path in place.iterdir() if path.exists()}
        assert_refused([*words, name], [words[-1], repr(name), "--force"], capsys)
        assert {path.name: path.read_text() for path in place.iterdir() if path.exists()} == before
        assert Path("target").exists() == (kind == "link")

    @pytest.mark.parametrize("command", COMMANDS)
    def test_a_directory_or_a_pipe_is_refused_with_force_as_well(self, capsys, command):
        words, name = COMMANDS[command]
        os.mkfifo(name)
        assert_refused([*words, name, "--force"], [words[-1], repr(name)], capsys)
        Path(name).unlink()
        Path(name).mkdir()
        assert_refused([*words, name, "--force"], [words[-1], repr(name)], capsys)

    def test_a_folder_that_holds_one_is_refused(self, capsys):
        write_package(Path("agents"), AGENTS, {}, {})
        assert_refused([*TRAIN, "--save", "agents"], ["--save", "'agents'", "--force"], capsys)
        write_package(Path("first"), ARTEFACT, {}, {})
        words = ["export", "ppo", "--to", "artefact", "--output", "first"]
        assert_refused(words, ["--output", "'first'", "--force"], capsys)

    def test_one_path_for_two_outputs_is_refused(self, capsys):
        words = [*TRAIN, "--output", "ppo.zip", "--save", "./ppo.zip", "--force"]
        assert_refused(words, ["--output", "ppo.zip", "--save"], capsys)


class TestForce:
    def test_a_file_is_replaced(self):
        Path("my_loss.py").write_text("mine")
        words = ["export", "ppo", "--to", "numpy", "--output", "my_loss.py", "--force", "--quiet"]
        assert main(words) == 0
        assert "def policy_loss" in Path("my_loss.py").read_text()

    def test_a_new_file_needs_none_and_minds_none(self):
        for name, force in (("a", False), ("b", True)):
            write_output(Path(name), "new", force)
            assert Path(name).read_text() == "new"

    def test_a_link_stays_one_and_what_it_means_is_replaced(self, tmp_path):
        target = tmp_path / "target"
        target.write_text("old")
        Path("link").symlink_to(target)
        write_output(Path("link"), "new", force=True)
        assert Path("link").is_symlink()
        assert target.read_text() == "new"

    @pytest.mark.parametrize(("name", "number"), [("a", 1), ("a", 2), ("a.zip", 1)])
    def test_an_artefact_is_replaced_whole_or_not_at_all(self, place, full, name, number):
        write_package(Path(name), ARTEFACT, {"is": "old"}, {"x": np.zeros(2)})
        before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
        full(number)
        with pytest.raises(OSError, match="No space"):
            write_package(Path(name), ARTEFACT, {"is": "new"}, {"x": np.ones(2)}, force=True)
        assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


class TestWhatAppearsMeanwhile:
    """Between the check and the end of a training."""

    @pytest.mark.parametrize("links", [True, False])
    def test_a_file_stays_and_the_new_one_is_beside_it(self, place, monkeypatch, links):
        if not links:  # a file system that has none

            def refuse(*_):
                raise OSError(errno.EPERM, "Operation not permitted")

            monkeypatch.setattr(Path, "hardlink_to", refuse)
        Path("ppo.json").write_text("theirs")
        Path("ppo-1.json").write_text("theirs as well")
        with pytest.raises(MachineError, match=r"ppo-2\.json"):
            write_output(Path("ppo.json"), "ours", force=False)
        contents = {path.name: path.read_text() for path in place.iterdir()}
        assert contents == {"ppo.json": "theirs", "ppo-1.json": "theirs as well", "ppo-2.json": "ours"}

    @pytest.mark.parametrize("name", ["agents", "agents.zip"])
    @pytest.mark.parametrize("arrays", [{}, {"x": np.ones(2)}])
    def test_agents_stay_and_the_new_ones_are_beside_them(self, name, arrays):
        write_package(Path(name), AGENTS, {"are": "theirs"}, {})
        with pytest.raises(MachineError, match="agents-1"):
            write_package(Path(name), AGENTS, {"are": "ours"}, arrays)
        beside = Path(name).with_stem("agents-1")
        assert read_package(Path(name), AGENTS).data["are"] == "theirs"
        assert read_package(beside, AGENTS).data["are"] == "ours"

    def test_a_file_in_the_place_of_a_folder_stays(self):
        Path("agents").write_text("theirs")
        with pytest.raises(MachineError, match="agents-1"):
            write_package(Path("agents"), AGENTS, {"are": "ours"}, {})
        assert Path("agents").read_text() == "theirs"
        assert read_package(Path("agents-1"), AGENTS).data["are"] == "ours"
