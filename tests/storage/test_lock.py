"""One command per run directory, even after killed ones."""

import errno
import fcntl
import os

import pytest

from metadisco.errors import MachineError, UserError
from metadisco.storage.lock import RunLock


def quiet(sentence):
    raise AssertionError(sentence)


def test_a_directory_that_was_made_for_the_lock_goes_with_it(tmp_path):
    with RunLock(tmp_path / "deep" / "run", quiet):
        assert (tmp_path / "deep" / "run" / "lock").read_text().startswith(f"process {os.getpid()} on ")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_in_which_something_was_kept_stays(tmp_path):
    with RunLock(tmp_path / "run", quiet):
        (tmp_path / "run" / "config.yaml").touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.yaml"]


def test_the_second_is_refused_with_who_is_there(tmp_path):
    with (
        RunLock(tmp_path, quiet),
        pytest.raises(UserError, match=rf"in use by another command, process {os.getpid()} on"),
    ):
        RunLock(tmp_path, quiet).__enter__()
    with RunLock(tmp_path, quiet):
        pass


def test_a_refusal_leaves_the_lock_of_the_first(tmp_path):
    with RunLock(tmp_path, quiet) as first:
        for _ in range(3):
            with pytest.raises(UserError):
                RunLock(tmp_path, quiet).__enter__()
        first.check()


def test_a_file_that_a_kill_left_behind_is_no_lock(tmp_path):
    (tmp_path / "lock").write_text("process 1 on another machine, with a long name that is longer than ours\n")
    with RunLock(tmp_path, quiet):
        assert (tmp_path / "lock").read_text().count("process") == 1


def test_a_directory_that_was_deleted_or_replaced_is_noticed(tmp_path):
    run = tmp_path / "run"
    with RunLock(run, quiet) as lock:
        lock.check()
        run.rename(tmp_path / "elsewhere")
        with pytest.raises(MachineError, match="deleted or replaced"):
            lock.check()
        run.mkdir()
        (run / "lock").touch()
        with pytest.raises(MachineError, match="deleted or replaced"):
            lock.check()
    assert (run / "lock").exists()  # it was not ours


def test_where_files_cannot_be_locked_that_is_said(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    said = []
    with RunLock(tmp_path, said.append):
        assert len(said) == 1 and "without locks" in said[0]


def test_a_place_where_no_directory_can_be_made_is_told_by_the_system(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory"):
        RunLock(tmp_path / "file" / "run", quiet).__enter__()
