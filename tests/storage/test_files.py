"""Atomic writes, and arrays that are restored bit for bit or refused."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from metadisco.errors import UserError
from metadisco.storage.files import check_writable, read_arrays, with_nulls, write_arrays, write_atomically

ARRAYS = {
    "Dense_0/kernel": np.asarray([[0.1, -0.0], [np.pi, 1e-45]], np.float32),
    "file": np.arange(3),  # the name of an argument of `np.savez`
    "flags": np.asarray([True, False]),
    "nothing": np.zeros((0, 2)),
    "one": np.asarray(np.nan),
}


class TestAtomicWrites:
    def test_an_atomic_write_leaves_the_old_file_when_it_fails(self, tmp_path):
        path = tmp_path / "file"
        write_atomically(path, "old")
        with pytest.raises(UnicodeEncodeError):
            write_atomically(path, "new \ud800")
        assert path.read_text() == "old"

    def test_the_text_is_there_to_the_byte_and_nothing_beside_it(self, tmp_path):
        path = tmp_path / "file"
        for text in ("a longer text\n", "Δ\r\n"):
            write_atomically(path, text)
            assert path.read_bytes() == text.encode()
        assert list(tmp_path.iterdir()) == [path]

    def test_permissions_of_the_old_file_are_kept(self, tmp_path):
        path = tmp_path / "file"
        path.write_text("old")
        path.chmod(0o640)
        write_atomically(path, "new")
        assert path.read_text() == "new"
        assert path.stat().st_mode & 0o777 == 0o640

    def test_arrays_that_cannot_be_written_leave_the_old_ones(self, tmp_path):
        path = tmp_path / "arrays.npz"
        write_arrays(path, ARRAYS)
        before = path.read_bytes()
        with pytest.raises(ValueError, match="allow_pickle"):
            write_arrays(path, {"x": np.zeros(2), "y": np.asarray([{}])})
        assert path.read_bytes() == before


class TestArrays:
    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "deep" / "arrays.npz"
        write_arrays(path, ARRAYS)
        return path

    def assert_refused(self, path, told=None):
        with pytest.raises(UserError, match=told) as caught:
            read_arrays(path)
        assert str(path) in str(caught.value)

    def test_come_back_bit_for_bit_whatever_they_are_called(self, path):
        read = read_arrays(path)
        assert list(read) == list(ARRAYS)
        for name, array in ARRAYS.items():
            assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
            assert read[name].tobytes() == array.tobytes()

    def test_are_read_by_numpy_alone(self, path):
        with np.load(path, allow_pickle=False) as read:
            assert set(read.files) == set(ARRAYS)

    def test_none_are_a_file_as_well(self, tmp_path):
        write_arrays(tmp_path / "none.npz", {})
        assert read_arrays(tmp_path / "none.npz") == {}

    def test_writing_again_replaces_all(self, path):
        write_arrays(path, {"x": np.ones(2)})
        assert list(read_arrays(path)) == ["x"]
        assert list(path.parent.iterdir()) == [path]

    def test_a_file_that_was_cut_is_refused(self, path):
        whole = path.read_bytes()
        for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            self.assert_refused(path)

    @pytest.mark.parametrize("bit", range(8))
    @pytest.mark.parametrize("name", ["Dense_0/kernel", "file"])
    def test_a_flipped_bit_in_an_array_is_noticed(self, path, name, bit):
        whole = bytearray(path.read_bytes())
        data = ARRAYS[name].tobytes()
        assert whole.count(data) == 1
        whole[whole.index(data) + len(data) // 2] ^= 1 << bit
        path.write_bytes(whole)
        self.assert_refused(path)

    def test_nothing_is_unpickled(self, tmp_path):
        marker = tmp_path / "ran"

        class Trap:
            def __reduce__(self):
                return Path.touch, (marker,)

        path = tmp_path / "arrays.npz"
        np.savez(path, x=np.asarray([Trap()], dtype=object))
        self.assert_refused(path, "is no array")
        assert not marker.exists()
        with np.load(path, allow_pickle=True) as arrays:
            assert arrays["x"].size == 1
        assert marker.exists()  # the trap was one

    @pytest.mark.parametrize("content", [b"", b"seed: 3\n", b"PK\x03\x04", b"\x80\x04N."])
    def test_what_is_no_archive_is_refused(self, tmp_path, content):
        path = tmp_path / "arrays.npz"
        path.write_bytes(content)
        self.assert_refused(path, "cannot be read as arrays")

    def test_a_single_array_is_refused(self, tmp_path):
        path = tmp_path / "array.npy"
        np.save(path, np.zeros(2))
        self.assert_refused(path, "cannot be read as arrays")

    def test_an_archive_of_something_else_is_refused_with_its_name(self, tmp_path):
        path = tmp_path / "arrays.npz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "none")
        self.assert_refused(path, "'readme.txt' is no array")

    def test_a_missing_file_and_a_folder_are_refused(self, tmp_path):
        self.assert_refused(tmp_path / "nowhere.npz", "No such file")
        self.assert_refused(tmp_path, "cannot be read as arrays")


class TestNulls:
    def test_stand_for_what_json_cannot_hold(self):
        array = np.asarray([[0.5, np.nan], [np.inf, -np.inf]], np.float32)
        assert with_nulls(array) == [[0.5, None], [None, None]]

    def test_finite_numbers_come_through_json_bit_for_bit(self):
        array = np.asarray([0.1, -0.0, 5e-324, 1e308])
        assert np.asarray(json.loads(json.dumps(with_nulls(array), allow_nan=False))).tobytes() == array.tobytes()

    def test_whole_numbers_stay_whole(self):
        assert json.dumps(with_nulls(np.asarray([1, 2**62]))) == f"[1, {2**62}]"

    def test_the_array_stays_as_it_was(self):
        array = np.asarray([1.0, np.nan])
        with_nulls(array)
        np.testing.assert_array_equal(array, [1.0, np.nan])


class TestCheckWritable:
    @pytest.fixture
    def locked(self, tmp_path, monkeypatch):
        """A folder that the mocked system calls read-only, since root may write everywhere."""
        folder, access = tmp_path / "locked", os.access
        folder.mkdir()
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder and access(path, mode))
        return folder

    def test_what_could_be_made_is_accepted_and_not_made(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for path in (tmp_path, tmp_path / "deep" / "run", Path("run"), Path(".")):
            check_writable(path, "run")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("below", [".", "run", "deep/run"])
    def test_a_folder_that_cannot_be_written_to_is_refused_with_its_name(self, locked, below):
        with pytest.raises(UserError, match=f"^output: {str(locked)!r} is no directory that can be written to"):
            check_writable(locked / below, "output")

    @pytest.mark.parametrize("below", [".", "run", "deep/run"])
    def test_a_file_in_the_way_is_refused_with_its_name(self, tmp_path, below):
        file = tmp_path / "file"
        file.touch()
        with pytest.raises(UserError, match=f"^run: {str(file)!r} is no directory"):
            check_writable(file / below, "run")
