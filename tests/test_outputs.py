"""Outputs of commands: existing files stay, or are replaced atomically with --force."""

import contextlib
import errno
import os
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from refusals import assert_refused

from metadisco.cli import main
from metadisco.errors import UserError
from metadisco.storage.outputs import check_file, write_output
from metadisco.storage.package import AGENTS, ARTEFACT, check_package, read_package, write_package

pytestmark = pytest.mark.usefixtures("place")
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


class KilledError(BaseException):
    """The process is killed here."""


def killed(number, write):
    """Write, and be killed at the n-th change of a name: nothing tidies up then."""
    calls = []

    def change(real, *arguments, **options):
        calls.append(1)
        if len(calls) >= number:
            raise KilledError
        real(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(KilledError):
        for name in ("replace", "link", "unlink"):
            patch.setattr(os, name, partial(change, getattr(os, name)))
        write()


@pytest.fixture
def locked(place, monkeypatch):
    """A folder that cannot be written to; said by the system here, as root may write everything."""
    locked, access = place / "locked", os.access
    locked.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: not Path(path).samefile(locked) and access(path, mode))
    return locked


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

    @pytest.mark.parametrize("command", COMMANDS)
    def test_a_link_into_a_folder_that_cannot_be_written_to_is_refused(self, locked, capsys, command):
        words, name = COMMANDS[command]
        (locked / "target").write_text("mine")
        for target in ("target", "nothing"):
            Path(name).symlink_to(locked / target)
            assert_refused([*words, name, "--force"], [words[-1], "locked", "written to"], capsys)
            Path(name).unlink()

    @pytest.mark.parametrize("name", ["agents", "agents.zip"])
    def test_a_link_in_the_place_of_a_folder_is_looked_through(self, locked, capsys, name):
        Path("link").symlink_to(locked)
        for path in ("link", f"link/{name}"):
            assert_refused([*TRAIN, "--save", path], ["--save", "link", "written to"], capsys)

    @pytest.mark.parametrize("command", COMMANDS)
    def test_a_folder_that_is_a_link_to_nothing_is_refused(self, capsys, command):
        words, name = COMMANDS[command]
        Path("link").symlink_to("nowhere")
        assert_refused([*words, f"link/{name}"], [words[-1], "link", "written to"], capsys)

    @pytest.mark.parametrize("name", ["agents.json", "arrays.npz"])
    def test_a_directory_in_the_place_of_a_file_of_a_folder_is_refused(self, capsys, name):
        write_package(Path("agents"), AGENTS, {}, {"x": np.ones(2)})
        (Path("agents") / name).unlink()
        (Path("agents") / name).mkdir()
        assert_refused([*TRAIN, "--save", "agents", "--force"], ["--save", name, "directory"], capsys)

    def test_a_folder_that_holds_one_is_refused(self, capsys):
        write_package(Path("agents"), AGENTS, {}, {})
        assert_refused([*TRAIN, "--save", "agents"], ["--save", "'agents'", "--force"], capsys)
        write_package(Path("first"), ARTEFACT, {}, {})
        words = ["export", "ppo", "--to", "artefact", "--output", "first"]
        assert_refused(words, ["--output", "'first'", "--force"], capsys)

    @pytest.mark.parametrize("folder", ["there", "not there"])
    @pytest.mark.parametrize(
        ("output", "save"),
        [
            ("ppo.zip", "./ppo.zip"), ("ag/agents.json", "ag"), ("ag/arrays.npz", "ag"), ("ag/deep/x.json", "./ag/"),
            ("x.json", "x.json/ag"), ("x.json", "x.json/ag.zip"), ("link/x.json", "ag"), ("ag/x.json", "."),
        ],
    )  # fmt: skip
    def test_an_output_that_would_destroy_the_other_is_refused(self, place, capsys, output, save, folder):
        Path("ag").mkdir() if folder == "there" else None
        Path("link").symlink_to("ag")
        words = [*TRAIN, "--output", output, "--save", save, "--force"]
        assert_refused(words, ["--output", repr(output), "--save"], capsys)
        assert {path.name for path in place.iterdir()} <= {"ag", "link"}

    @pytest.mark.parametrize(("name", "output"), [("a", "a/agents.json"), ("a/.", "link"), ("./a.zip", "a.zip")])
    def test_a_rollout_does_not_replace_its_agents(self, capsys, name, output):
        write_package(Path(name), AGENTS, {}, {"x": np.ones(2)})
        Path("link").symlink_to("a/arrays.npz")
        assert_refused(["rollout", name, "--output", output, "--force"], ["--output", repr(output)], capsys)

    @pytest.mark.parametrize("words", [["--config", "mine.json"], ["--objective", "mine.json@plain"]])
    def test_a_training_does_not_replace_what_it_reads(self, capsys, words):
        Path("mine.json").write_text("{}")
        train = [*TRAIN, *words, "--output", "./mine.json", "--force"]
        assert_refused(train, ["--output", "mine.json", words[0]], capsys)
        assert Path("mine.json").read_text() == "{}"

    @pytest.mark.parametrize("kind", ["folder", "zip file"])
    @pytest.mark.parametrize("holds", ["agents", "a note", "damaged"])
    def test_a_package_of_something_else_is_not_replaced(self, capsys, kind, holds):
        path = Path("a.zip" if kind == "zip file" else "a")
        if holds == "agents":
            write_package(path, AGENTS, {}, {"x": np.ones(2)})
        elif kind == "folder":
            path.mkdir()
            (path / "note").write_text("mine")
        elif holds == "a note":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("note", "mine")
        else:
            path.write_text("mine")
        before = {each: each.read_bytes() for each in Path().rglob("*") if each.is_file()}
        words = ["export", "ppo", "--to", "artefact", "--output", str(path), "--force"]
        assert_refused(words, ["--output", repr(str(path)), kind, "artefact.json"], capsys)
        assert {each: each.read_bytes() for each in Path().rglob("*") if each.is_file()} == before

    @pytest.mark.parametrize("command", COMMANDS)
    def test_a_folder_that_only_seems_to_be_writable_is_refused(self, monkeypatch, capsys, command):
        """As /proc is to root, or a file system that takes no such file."""

        def refuse(path, *_, **__):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))

        words, name = COMMANDS[command]
        Path("folder").mkdir()
        monkeypatch.setattr(Path, "touch", refuse)
        for at in (f"folder/{name}", f"folder/new/{name}"):
            assert_refused([*words, at, "--force"], [words[-1], "folder", "written to"], capsys)

    @pytest.mark.parametrize("command", COMMANDS)
    def test_a_folder_of_the_system_is_refused(self, capsys, command):
        words, name = COMMANDS[command]
        Path(name).symlink_to(f"/proc/nothing/{name}")
        for at in (f"/proc/{name}", name):
            assert_refused([*words, at, "--force"], [words[-1], "'/proc'", "written to"], capsys)

    @pytest.mark.parametrize("command", COMMANDS)
    def test_a_name_that_leaves_no_room_for_a_temporary_one_is_refused(self, capsys, command):
        words, name = COMMANDS[command]
        assert_refused([*words, "x" * (255 - len(name)) + name], ["shorter"], capsys)

    @pytest.mark.parametrize("words", [COMMANDS["artefact"][0], COMMANDS["agents"][0]])
    @pytest.mark.parametrize("force", [[], ["--force"]])
    def test_a_link_to_nothing_in_the_place_of_a_folder_is_refused(self, capsys, words, force):
        Path("link").symlink_to("nowhere")
        assert_refused([*words, "link", *force], [words[-1], "link", "written to"], capsys)


class TestForce:
    def test_a_file_is_replaced(self):
        Path("my_loss.py").write_text("mine")
        words = ["export", "ppo", "--to", "numpy", "--output", "my_loss.py", "--force", "--quiet"]
        assert main(words) == 0
        assert "def policy_loss" in Path("my_loss.py").read_text()

    def test_a_new_file_needs_none_and_minds_none(self):
        for name, force in (("a", False), ("b", True), ("new/folder/a", False), ("new/b", True)):
            write_output(Path(name), "new", force)
            assert Path(name).read_text() == "new"

    def test_a_link_stays_one_and_what_it_means_is_replaced(self, tmp_path):
        target = tmp_path / "target"
        target.write_text("old")
        Path("link").symlink_to(target)
        write_output(Path("link"), "new", force=True)
        assert Path("link").is_symlink()
        assert target.read_text() == "new"

    def test_the_folders_that_a_link_means_are_made(self):
        Path("link").symlink_to("missing/deep/target")
        check_file(Path("link"), "output", force=True)
        assert not Path("missing").exists()
        write_output(Path("link"), "new", force=True)
        assert Path("missing/deep/target").read_text() == "new"

    @pytest.mark.parametrize(("name", "number"), [("a", 1), ("a", 2), ("a.zip", 1)])
    def test_an_artefact_is_replaced_whole_or_not_at_all(self, place, full, name, number):
        write_package(Path(name), ARTEFACT, {"is": "old"}, {"x": np.zeros(2)})
        before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
        full(number)
        with pytest.raises(OSError, match="No space"):
            write_package(Path(name), ARTEFACT, {"is": "new"}, {"x": np.ones(2)}, force=True)
        assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


class TestKills:
    """Between the moments at which files get their names, or lose them."""

    ARRAYS = ({}, {"x": np.ones(2)})

    @pytest.mark.parametrize("number", [1, 2])
    def test_a_zip_file_is_the_old_or_the_new_one(self, number):
        path = Path("a.zip")
        write_package(path, ARTEFACT, {"is": "old"}, self.ARRAYS[1])
        killed(number, lambda: write_package(path, ARTEFACT, {"is": "new"}, {"x": np.zeros(2)}, force=True))
        assert read_package(path, ARTEFACT).data["is"] == ("old" if number == 1 else "new")

    @pytest.mark.parametrize("number", [1, 2, 3, 4])
    @pytest.mark.parametrize("old", [None, *ARRAYS])
    @pytest.mark.parametrize("new", ARRAYS)
    def test_a_folder_is_the_old_or_the_new_one_or_refused_and_can_be_written_again(self, old, new, number):
        path, replaced = Path("a"), {name: 1 - array for name, array in (old or {}).items()}
        if old is not None:
            write_package(path, ARTEFACT, {"is": "old"}, replaced)
        killed(number, lambda: write_package(path, ARTEFACT, {"is": "new"}, new, force=old is not None))
        with contextlib.suppress(UserError):
            package = read_package(path, ARTEFACT)
            np.testing.assert_equal(package.arrays, {"old": replaced, "new": new}[package.data["is"]])
        with pytest.raises(UserError, match="`force`"):
            check_package(path, ARTEFACT, "output", force=False)
        check_package(path, ARTEFACT, "output", force=True)
        write_package(path, ARTEFACT, {"is": "new"}, new, force=True)
        np.testing.assert_equal(read_package(path, ARTEFACT).arrays, new)
