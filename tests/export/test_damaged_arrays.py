"""Arrays of a damaged or malicious artefact, with checksums that are right: refused, and nothing is executed."""

import contextlib
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from damage import (
    ARRAYS,
    header,
    npy,
    npz,
    packed_arrays,
    refuse,
    seal,
)

ONE = b"\0" * 16
NPY = {
    "a million million numbers": npy(header(shape="(1000000000000,)"), ONE),
    "a million million times none": npy(header(shape="(1000000000000, 0)")),
    "a shape beyond all numbers": npy(header(shape=f"({2**70}, 0)")),
    "a negative shape": npy(header(shape="(-1, -4)"), ONE),
    "more numbers than it says": npy(header(shape="(3,)"), ONE),
    "fewer numbers than it says": npy(header(shape="(5,)"), ONE),
    "objects": npy(header("'|O'"), b"\x80\x04N."),
    "a type of many bytes": npy(header("'<U999999999999'"), ONE),
    "a header of Python 2": npy(header(shape="(4L,)"), ONE),
    "a header of brackets": npy("(" * 5000, ONE),
    "a header that calls something": npy(header(shape="__import__('os').getcwd()"), ONE),
    "half a magic number": b"\x93NUM",
}
MEMBERS = {
    "no arrays": [],
    "no array file": [("readme.txt", b"none")],
    "a path upwards": [("../../x.npy", npy(header(), ONE))],
    "a name twice": [("a.npy", npy(header(), ONE)), ("a.npy", npy(header(), ONE))],
    "an archive in the archive": [("Dense_0/kernel.npy", npz([("a.npy", npy(header(), ONE))]))],
}


class TestArrays:
    @pytest.mark.parametrize("content", NPY.values(), ids=NPY)
    def test_an_array_that_cannot_be_is_refused(self, sound, folder, content):
        packed = npz([("output/bias.npy", content)])
        refuse(folder(seal(sound.data, packed), packed))

    @pytest.mark.parametrize("members", MEMBERS.values(), ids=MEMBERS)
    def test_members_that_do_not_belong_there_are_refused(self, sound, folder, members):
        packed = npz(members)
        refuse(folder(seal(sound.data, packed), packed))

    @pytest.mark.parametrize("change", ARRAYS.values(), ids=ARRAYS)
    def test_arrays_that_do_not_fit_are_refused(self, sound, folder, change):
        packed = packed_arrays(change(sound.arrays))
        refuse(folder(seal(sound.data, packed), packed), "array")

    @pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x04N.", b"PK\x05\x06" + bytes(18)])
    def test_what_is_no_archive_is_refused(self, sound, folder, content):
        refuse(folder(seal(sound.data, content), content))

    @pytest.mark.parametrize(
        "compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["deflate", "bzip2", "lzma"]
    )
    def test_compressed_arrays_that_are_damaged_are_refused(self, sound, folder, compression):
        with zipfile.ZipFile(io.BytesIO(sound.packed)) as archive:
            whole = npz([(name, archive.read(name)) for name in archive.namelist()], compression)
        for place in range(60, 100, 4):
            packed = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
            refuse(folder(seal(sound.data, packed), packed))

    def test_nothing_is_unpickled(self, sound, folder, place):
        """Not even if the size is right."""
        marker = place / "ran"

        class Trap:
            def __reduce__(self):
                return Path.touch, (marker,)

        pickled = pickle.dumps(Trap())
        pickled += b"." * (-len(pickled) % 8)
        array = npy(header("'|O'", f"({len(pickled) // 8},)"), pickled)
        packed = npz([("output/bias.npy", array)])
        refuse(folder(seal(sound.data, packed), packed), "output/bias")
        assert not marker.exists()
        with np.load(io.BytesIO(packed), allow_pickle=True) as arrays, contextlib.suppress(AttributeError):
            arrays["output/bias"]
        assert marker.exists()  # the trap was one
