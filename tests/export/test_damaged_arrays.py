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
    LONG,
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
    "a shape of true": npy(header(shape="(4, True)"), ONE),
    "a shape of a hundred axes": npy(header(shape=f"({'1,' * 100})"), ONE[:4]),
    "a shape in a list": npy(header(shape="[4]"), ONE),
    "more numbers than it says": npy(header(shape="(3,)"), ONE),
    "fewer numbers than it says": npy(header(shape="(5,)"), ONE),
    "no numbers": npy(header()),
    "objects": npy(header("'|O'"), b"\x80\x04N."),
    "a type of one that is cut": npy(header("('<f4',)"), ONE),
    "a type of none": npy(header("()"), ONE),
    "a type of a number": npy(header("5"), ONE),
    "a type that there is none": npy(header("'<q9'"), ONE),
    "a type of many bytes": npy(header("'<U999999999999'"), ONE),
    "fields of one that is cut": npy(header("[('a',)]"), ONE),
    "a header without a key": npy("{'descr': '<f4', 'shape': (4,)}\n", ONE),
    "a header with one more key": npy(header().replace("'shape'", "'more': 1, 'shape'"), ONE),
    "a header that is no dictionary": npy("[1]\n", ONE),
    "a header of lists for keys": npy("{[]: 1}\n", ONE),
    "a header that is cut": npy(header()[:40], ONE),
    "a header with a bracket left open": npy(header().replace("}", "").replace("(4,)", "(4,"), ONE),
    "a header with a quote left open": npy("{'descr': '<f4\n", ONE),
    "a header that is indented": npy("  1\n 2\n", ONE),
    "a header with words between": npy(header(shape="(4 4)"), ONE),
    "a header of Python 2": npy(header(shape="(4L,)"), ONE),
    "a header with a zero byte": npy(header().replace("'shape'", "\0'shape'"), ONE),
    "a header of brackets": npy("(" * 5000, ONE),
    "a header of signs": npy("-" * 9000 + "1", ONE),
    "a header that calls something": npy(header(shape="__import__('os').getcwd()"), ONE),
    "a long header": npy(header()[:-1] + " " * 20_000 + "\n", ONE),
    "a long key in the header": npy(f"{{'{'z' * 5000}': 1}}\n", ONE),
    "no header": b"\x93NUMPY\x01\x00",
    "half a magic number": b"\x93NUM",
    "another magic number": b"\x93NUMPI\x01\x00",
    "a format to come": npy(header(), ONE, version=(9, 0)),
    "nothing": b"",
}
MEMBERS = {
    "no arrays": [],
    "no array file": [("readme.txt", b"none")],
    "a path upwards": [("../../x.npy", npy(header(), ONE))],
    "a path from the root": [("/etc/x.npy", npy(header(), ONE))],
    "a folder": [("output/", b"")],
    "a name twice": [("a.npy", npy(header(), ONE)), ("a.npy", npy(header(), ONE))],
    "a name in two lines": [("a\nb.npy", npy(header(), ONE))],
    "a long name": [(f"{LONG}.npy", npy(header(), ONE))],
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
        """Not even where the size is what it should be."""
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


def test_there_are_many():
    assert sum(map(len, (NPY, MEMBERS, ARRAYS))) >= 60
