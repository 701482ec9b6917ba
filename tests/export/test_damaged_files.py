"""Folders and zip files that are damaged: refused in one sentence, by `load_objective` and by the commands.

A file with intact content, such as a zip file with flipped unused bits, may be loaded, as exactly the same objective.
"""

import io
import os
import random
import struct
import zipfile

import pytest
from damage import (
    ARRAYS,
    SECTION,
    closed,
    drop,
    flipped,
    forms,
    header,
    lengths,
    npy,
    npz,
    packed_arrays,
    peak,
    put,
    refuse,
    refuse_or_load_the_same,
    seal,
    tree,
    zipped,
)
from refusals import assert_refused

from metadisco.cli import main


class TestFolders:
    @pytest.mark.parametrize("name", ["artefact.json", "arrays.npz"])
    def test_a_flipped_bit_is_noticed(self, sound, folder, name):
        whole = sound.text.encode() if name == "artefact.json" else sound.packed
        rng = random.Random(name)
        for bit in rng.sample(range(8 * len(whole)), 50):
            content = flipped(whole, bit)
            if name == "artefact.json":
                refuse_or_load_the_same(folder(content), sound)
            else:
                refuse(folder(sound.text, content), "arrays.npz was changed or damaged")

    @pytest.mark.parametrize("name", ["artefact.json", "arrays.npz"])
    def test_what_was_cut_is_refused(self, sound, folder, name):
        whole = sound.text.rstrip().encode() if name == "artefact.json" else sound.packed
        for length in lengths(whole):
            content = whole[:length]
            refuse(folder(content) if name == "artefact.json" else folder(sound.text, content), name)

    def test_arrays_that_are_missing_are_named(self, sound, folder):
        refuse(folder(sound.text, None), "arrays.npz is missing")

    def test_arrays_of_another_artefact_are_refused(self, sound, folder):
        packed = packed_arrays({name: array + 1 for name, array in sound.arrays.items()})
        refuse(folder(sound.text, packed), "arrays.npz was changed or damaged")

    def test_arrays_that_are_not_spoken_of_are_refused(self, sound, folder):
        refuse(folder(seal(put("arrays_sha256", None)(sound.data), None)), "arrays.npz")

    @pytest.mark.parametrize("name", ["artefact.json", "arrays.npz"])
    @pytest.mark.parametrize("thing", ["nothing", "folder", "fifo", "loop", "link to nowhere", "device"])
    def test_what_is_no_file_is_refused(self, sound, folder, name, thing):
        path = folder(sound.text)
        file = path / name
        file.unlink()
        if thing == "folder":
            file.mkdir()
        elif thing == "fifo":
            os.mkfifo(file)
        elif thing != "nothing":
            file.symlink_to({"loop": file, "link to nowhere": "nowhere", "device": "/dev/zero"}[thing])
        refuse(path)

    def test_other_files_beside_them_do_not_matter(self, sound, folder):
        path = folder(sound.text)
        (path / "README.md").write_text("mine")
        assert not refuse_or_load_the_same(path, sound)

    def test_a_file_too_large_is_not_read(self, sound, folder, monkeypatch):
        path = folder(sound.text)
        monkeypatch.setattr("metadisco.storage.package.MAX_BYTES", len(sound.text) - 1)
        refuse(path, "artefact.json is larger than")


def symlink(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


EXTRA = {
    "a file": "README.md",
    "a path upwards": "../artefact.json",
    "a folder": "artefact.json/",
    "arrays twice": "arrays.npz",
    "a link": symlink("link"),
}


class TestZipFiles:
    @pytest.mark.parametrize(
        "compression",
        [
            pytest.param(zipfile.ZIP_STORED, id="stored", marks=pytest.mark.slow),
            pytest.param(zipfile.ZIP_DEFLATED, id="deflated"),
        ],
    )
    def test_a_flipped_bit_is_noticed_or_does_not_matter(self, sound, archive, compression):
        whole = zipped(sound, compression)
        rng = random.Random(compression)
        directory = zipfile.ZipFile(io.BytesIO(whole)).start_dir
        bits = rng.sample(range(8 * directory), 50) + rng.sample(range(8 * directory, 8 * len(whole)), 20)
        refused = [refuse_or_load_the_same(archive(flipped(whole, bit)), sound) for bit in bits]
        assert sum(refused) >= 45

    @pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
    def test_what_was_cut_is_refused(self, sound, archive, compression):
        whole = zipped(sound, compression)
        for length in lengths(whole):
            refuse(archive(whole[:length]))

    @pytest.mark.parametrize("name", EXTRA.values(), ids=EXTRA)
    def test_a_member_too_many_is_refused_and_nothing_is_unpacked(self, sound, archive, tmp_path, name):
        content = npz([("artefact.json", sound.text), ("arrays.npz", sound.packed), (name, sound.text)])
        refuse(archive(content), "holds a member")
        assert [path.name for path in tmp_path.iterdir()] == ["place"]

    @pytest.mark.parametrize("names", [(), ("arrays.npz",), ("artefact.json",), ("artefact", "arrays.npz")])
    def test_members_that_are_missing_or_renamed_are_refused(self, sound, archive, names):
        content = npz([(name, sound.packed if name == "arrays.npz" else sound.text) for name in names])
        refuse(archive(content))

    def test_a_link_for_a_member_is_what_is_stored_there_and_not_followed(self, sound, archive, place):
        (place / "real.json").write_text(sound.text)
        refuse(archive(npz([(symlink("artefact.json"), str(place / "real.json")), ("arrays.npz", sound.packed)])))

    @pytest.mark.parametrize("flag", [0x01, 0x40], ids=["encrypted", "strongly"])
    def test_what_is_said_to_be_encrypted_is_refused(self, sound, archive, flag):
        whole = bytearray(zipped(sound))
        for place in (6, zipfile.ZipFile(io.BytesIO(whole)).start_dir + 8):
            whole[place] |= flag
        refuse(archive(bytes(whole)))

    @pytest.mark.parametrize("method", [8, 12, 65535])
    def test_another_way_of_compression_than_there_is_is_refused(self, sound, archive, method):
        whole = bytearray(zipped(sound))
        for place in (8, zipfile.ZipFile(io.BytesIO(whole)).start_dir + 10):
            whole[place : place + 2] = struct.pack("<H", method)
        refuse(archive(bytes(whole)))

    @pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(100), b"PK\x05\x06" + bytes(18), b"{}"])
    def test_what_is_no_zip_file_is_refused(self, archive, content):
        refuse(archive(content))

    def test_a_member_that_grows_beyond_all_bounds_is_not_unpacked(self, sound, archive, monkeypatch):
        limit = 2**20
        monkeypatch.setattr("metadisco.storage.files.MAX_BYTES", limit)
        for name in ("artefact.json", "arrays.npz"):
            content = {"artefact.json": sound.text.encode(), "arrays.npz": sound.packed} | {name: bytes(64 * limit)}
            path = archive(npz(content.items(), zipfile.ZIP_DEFLATED))
            assert path.stat().st_size < limit
            assert peak(lambda path=path: refuse(path, "more than")) < 8 * limit

    def test_arrays_that_grow_beyond_all_bounds_are_not_unpacked(self, sound, folder, monkeypatch):
        """Compressed arrays are as short as their archive is, and as large as they like."""
        limit = 2**20
        monkeypatch.setattr("metadisco.storage.files.MAX_BYTES", limit)
        size = 16 * limit
        array = npy(header(shape=f"({size},)"), bytes(4 * size))
        packed = npz([("output/bias.npy", array)], zipfile.ZIP_DEFLATED)
        assert len(packed) < limit
        path = folder(seal(sound.data, packed), packed)
        del array
        assert peak(lambda: refuse(path)) < 16 * limit


# The command line. ----------------------------------------------------------------------------------------------------

UNUSABLE = {
    "changed": lambda sound: sound.text.replace("Apache-2.0", "MIT"),
    "a version to come": lambda sound: seal(put("version", 3)(sound.data), sound.packed),
    "an unknown kind": lambda sound: seal(put("objective", "kind", "learnt")(sound.data), sound.packed),
    "features to come": lambda sound: seal(put("objective", "feature_version", 2)(sound.data), sound.packed),
    "wider layers": lambda sound: seal(put(*SECTION, "hidden_sizes", [9])(sound.data), sound.packed),
    "a wrong setting": lambda sound: seal(put(*SECTION, "clip_eps", -1)(sound.data), sound.packed),
    "another scale": lambda sound: seal(put(*SECTION, "output_scale", 0.7)(sound.data), sound.packed),
    "null for pairs": lambda sound: seal(put("pairs", None)(sound.data), sound.packed),
}


class TestCommandLine:
    @pytest.mark.parametrize("target", ["numpy", "artefact"])
    @pytest.mark.parametrize("text", UNUSABLE.values(), ids=UNUSABLE)
    def test_export_refuses_what_cannot_be_loaded(self, sound, folder, place, capsys, text, target):
        path = folder(text(sound))
        output = place / ("out.py" if target == "numpy" else "out")
        before = tree(place)
        assert_refused(["export", str(path), "--to", target, "--output", str(output)], [str(path)], capsys)
        assert tree(place) == before

    @pytest.mark.parametrize(
        "change",
        [closed("pppo"), closed("ppo", {}), closed("ppo", {"clip_eps": 0.1}), forms({"value": ["power", "error"]})],
        ids=["unknown", "without constants", "without one", "no form"],
    )
    def test_export_refuses_closed_forms_that_cannot_be_loaded(self, sound, folder, place, capsys, change):
        path = folder(seal(change(sound.data), None), None)
        before = tree(place)
        words = ["export", str(path), "--to", "numpy", "--output", str(place / "out.py")]
        assert_refused(words, [], capsys)
        assert tree(place) == before

    @pytest.mark.parametrize("change", ARRAYS.values(), ids=ARRAYS)
    def test_export_refuses_arrays_that_do_not_fit(self, sound, folder, place, capsys, change):
        packed = packed_arrays(change(sound.arrays))
        path = folder(seal(sound.data, packed), packed)
        before = tree(place)
        words = ["export", str(path), "--to", "jax", "--output", str(place / "out.py")]
        assert_refused(words, [str(path)], capsys)
        assert tree(place) == before

    @pytest.mark.parametrize("key", ["metadisco", "trained_on", "call", "licence"])
    def test_export_does_not_fall_over_what_loading_does_not_need(self, sound, folder, place, capsys, key):
        path = folder(seal(drop(key)(sound.data), sound.packed))
        code = main(["export", str(path), "--to", "numpy", "--output", str(place / "out.py")])
        _, err = capsys.readouterr()
        assert code in (0, 2)
        assert err.count("\n") == (code == 2)
        assert (place / "out.py").exists() == (code == 0)

    @pytest.mark.parametrize("command", ["plot", "distil", "evaluate"])
    def test_other_commands_refuse_it_before_they_begin(self, sound, archive, place, capsys, command):
        path = archive(flipped(zipped(sound), 8 * 2000))
        words = {
            "plot": ["plot", str(path), "--output", "out"],
            "distil": ["distil", str(path), "--output", "out"],
            "evaluate": ["evaluate", "--objectives", str(path), "--envs", "gymnax/CartPole-v1", "--output", "out"],
        }[command]
        before = tree(place)
        assert_refused(words, [str(path), "zip file"], capsys)
        assert tree(place) == before
