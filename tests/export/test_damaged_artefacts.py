"""Artefacts that are damaged, changed or malicious: refused in one sentence, and nothing is executed or written.

What keeps its content, such as a zip file whose unused bits were flipped, may be loaded: as exactly the same objective.
"""

import contextlib
import functools
import hashlib
import io
import json
import os
import pickle
import random
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from exported import make_run
from refusals import assert_refused

from metadisco import Sample, UserError, load_objective
from metadisco.cli import main

SAMPLE = Sample(*jnp.asarray(np.random.default_rng(0).normal(size=(5, 7)), jnp.float32), progress=jnp.float32(0.4))
LONG = "x" * 10_000
MAX_MESSAGE = 400


class Sound:
    """A sound artefact, of which damaged ones are made."""

    def __init__(self, folder):
        self.text = (folder / "artefact.json").read_text(encoding="utf-8")
        self.packed = (folder / "arrays.npz").read_bytes()
        self.losses = losses(load_objective(folder))

    @property
    def data(self):
        return json.loads(self.text)

    @property
    def arrays(self):
        with np.load(io.BytesIO(self.packed), allow_pickle=False) as arrays:
            return dict(arrays)


def losses(objective):
    return objective.policy_loss(SAMPLE).tobytes() + objective.value_loss(SAMPLE).tobytes()


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound")
    run = make_run(path / "run", "value_loss_of_all_inputs")
    assert main(["export", run, "--to", "artefact", "--output", str(path / "artefact"), "--quiet"]) == 0
    return Sound(path / "artefact")


def digest(content):
    return hashlib.sha256(content).hexdigest()


def seal(data, packed):
    """Return artefact.json with checksums that are right: what somebody who changes it on purpose would write."""
    whole = {key: value for key, value in data.items() if key != "sha256"}
    if "arrays_sha256" in whole:
        whole["arrays_sha256"] = None if packed is None else digest(packed)
    whole["sha256"] = digest(json.dumps(whole, sort_keys=True).encode())
    return json.dumps(whole, indent=1) + "\n"


def npz(members, compression=zipfile.ZIP_STORED):
    """Return a zip archive of (name or ZipInfo, content)."""
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in members:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            archive.writestr(info, content, compression)
    return stream.getvalue()


def npy(header, content=b"", version=(1, 0)):
    """Return a file of one array, with any header."""
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header.encode("latin1") + content


def packed_arrays(arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


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


def tree(place):
    """Return all that is in a directory, and when it was written."""
    paths = (Path(root) / name for root, folders, files in os.walk(place) for name in (*folders, *files))
    return {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in paths}


def assert_message(error, path):
    message = str(error)
    assert str(path) in message
    assert "\n" not in message
    assert len(message.replace(str(path), "")) < MAX_MESSAGE


def refuse(path, told=""):
    """Check that an artefact is refused as it should be."""
    before = tree(path.parent)
    with pytest.raises(UserError) as refused:
        load_objective(path)
    assert told in str(refused.value)
    assert_message(refused.value, path)
    assert tree(path.parent) == before


def refuse_or_load_the_same(path, sound):
    """Check that an artefact is refused, or gives the very same objective; return whether it was refused."""
    before = tree(path.parent)
    try:
        objective = load_objective(path)
    except UserError as error:
        assert_message(error, path)
        refused = True
    else:
        assert losses(objective) == sound.losses
        refused = False
    assert tree(path.parent) == before
    return refused


# What artefact.json may say, with checksums that are right. -----------------------------------------------------------


def put(*keys_and_value):
    """Return the change that puts a value below some keys."""
    *keys, last, value = keys_and_value

    def change(data):
        functools.reduce(lambda each, key: each[key], keys, data)[last] = value
        return data

    return change


def drop(*keys):
    """Return the change that removes what is below some keys."""
    *above, last = keys

    def change(data):
        del functools.reduce(lambda each, key: each[key], above, data)[last]
        return data

    return change


def closed(name="ppo", settings=None, **others):
    objective = {"kind": "closed", "name": name, "settings": {} if settings is None else settings, **others}
    return put("objective", objective)


def forms(expressions, constants=None):
    constants = {"clip_eps": 0.2, "value_clip_eps": 0.2} if constants is None else constants
    return put("objective", {"kind": "forms", "constants": constants, "expressions": expressions})


def pairs(change):
    """Return the change of all columns of the pairs."""

    def changed(data):
        for part in data["pairs"].values():
            part.update({name: change(column) for name, column in part.items()})
        return data

    return changed


def nested(operation, depth, inner):
    return functools.reduce(lambda inside, _: [operation, inside], range(depth), inner)


SECTION = ("objective", "parametrisation")
SAID = {
    "another format": (put("format", "metadisco plot"), "no objective"),
    "no format": (drop("format"), "no objective"),
    "a list for a format": (put("format", []), "no objective"),
    "no version": (drop("version"), "version None"),
    **{f"version {value!r}": (put("version", value), f"version {value!r}") for value in (0, 2, True, "1", None, [1])},
    "no objective": (drop("objective"), "kind None"),
    "a list for an objective": (put("objective", []), "kind None"),
    "no kind": (drop("objective", "kind"), "kind None"),
    "an unknown kind": (put("objective", "kind", "learnt"), "kind 'learnt'"),
    "a kind in a list": (put("objective", "kind", ["learned"]), "kind"),
    "a kind in an object": (put("objective", "kind", {}), "kind"),
    "learned, said to be closed": (put("objective", "kind", "closed"), "name"),
    "learned, said to be forms": (put("objective", "kind", "forms"), "expressions"),
    "no parametrisation": (drop(*SECTION), "parametrisation"),
    "a parametrisation in words": (put(*SECTION, "value_loss"), "parametrisation"),
    "no name of a parametrisation": (drop(*SECTION, "name"), "name"),
    "a number for a name": (put(*SECTION, "name", 3), "name"),
    "an unknown parametrisation": (put(*SECTION, "name", "value_los"), "'value_los' is not one of ours"),
    "an empty name": (put(*SECTION, "name", ""), "not one of ours"),
    "a name of nothing but a colon": (put(*SECTION, "name", ":"), "not one of ours"),
    "a name of two lines": (put(*SECTION, "name", "one\ntwo"), "not one of ours"),
    "another parametrisation of ours": (put(*SECTION, "name", "lpo_drift"), "parametrisation."),
    "no version of features": (drop("objective", "feature_version"), "version None of the features"),
    **{
        f"version {value!r} of features": (put("objective", "feature_version", value), "of the features")
        for value in (0, 2, True, "1", None, [1])
    },
    "an unknown setting": (put(*SECTION, "hidden_size", [8]), "hidden_size"),
    "a setting of the wrong type": (put(*SECTION, "clip_eps", "wide"), "clip_eps"),
    "a setting out of range": (put(*SECTION, "clip_eps", -0.2), "clip_eps"),
    "an input that there is none": (put(*SECTION, "inputs", ["error", "advantage"]), "inputs"),
    "an input twice": (put(*SECTION, "inputs", ["error", "error", "target"]), "inputs"),
    "an input less": (put(*SECTION, "inputs", ["old_value", "error"]), "'Dense_0/kernel' is float32[3, 8]"),
    "inputs in another order": (put(*SECTION, "inputs", ["error", "old_value", "target"]), "stored sample"),
    "wider layers": (put(*SECTION, "hidden_sizes", [9]), "expected float32"),
    "a layer more": (put(*SECTION, "hidden_sizes", [8, 8]), "lacks the array 'Dense_1/bias'"),
    "no layers": (put(*SECTION, "hidden_sizes", []), "'Dense_0/"),
    "hidden sizes left out": (drop(*SECTION, "hidden_sizes"), "Dense_"),
    "null for hidden sizes": (put(*SECTION, "hidden_sizes", None), "hidden_sizes"),
    "a width of zero": (put(*SECTION, "hidden_sizes", [0]), "hidden_sizes"),
    "a negative width": (put(*SECTION, "hidden_sizes", [-8]), "hidden_sizes"),
    "a width of true": (put(*SECTION, "hidden_sizes", [True]), "hidden_sizes"),
    "a huge width": (put(*SECTION, "hidden_sizes", [2**40]), "hidden_sizes"),
    "huge layers": (put(*SECTION, "hidden_sizes", [65_536, 65_536]), "expected float32"),
    "another scale": (put(*SECTION, "output_scale", 0.51), "value_loss of stored sample"),
    "another start": (put(*SECTION, "start", "random"), "value_loss of stored sample"),
    "another clip_eps": (put(*SECTION, "clip_eps", 0.3), "policy_loss of stored sample"),
    "no checksum of arrays": (drop("arrays_sha256"), "arrays.npz"),
    "trained on a number": (put("trained_on", 3), "trained_on"),
    "trained on an empty list": (put("trained_on", []), "trained_on"),
    "trained on nothing said": (put("trained_on", {}), "trained_on"),
    "trained on envs in words": (put("trained_on", "envs", "gymnax/CartPole-v1"), "trained_on"),
    "trained on numbers": (put("trained_on", "envs", [1]), "trained_on"),
    "no pairs": (drop("pairs"), "pairs"),
    "null for pairs": (put("pairs", None), "pairs"),
    "pairs in a list": (put("pairs", [1, 2]), "pairs"),
    "pairs without inputs": (drop("pairs", "inputs"), "pairs"),
    "pairs without an input": (drop("pairs", "inputs", "progress"), "pairs"),
    "pairs without an output": (drop("pairs", "outputs", "value_gradient"), "pairs"),
    "pairs of no samples": (pairs(lambda column: []), "pairs"),
    "a shorter column": (put("pairs", "inputs", "value", [0.5]), "pairs"),
    "columns of lists": (pairs(lambda column: [[each] for each in column]), "pairs"),
    "a number for each column": (pairs(lambda column: column[0]), "pairs"),
    "text in a column": (put("pairs", "inputs", "value", 3, "much"), "pairs"),
    "an object in a column": (put("pairs", "outputs", "value_loss", 3, {}), "pairs"),
    "a list in a column": (put("pairs", "outputs", "value_loss", 3, [1, 2]), "pairs"),
    "a number of 400 digits in": (put("pairs", "inputs", "value", 3, 10**400), "pairs"),
    "a number of 400 digits out": (put("pairs", "outputs", "value_loss", 3, 10**400), ""),
    "null for an input": (put("pairs", "inputs", "target", 3, None), "stored sample 3"),
    "null for an output": (put("pairs", "outputs", "value_loss", 3, None), "value_loss of stored sample 3"),
    "another output": (put("pairs", "outputs", "policy_gradient", 5, 0.123), "policy_gradient of stored sample 5"),
}
CLOSED_SAID = {
    "an unknown closed objective": (closed("pppo"), "'pppo'"),
    "a closed objective called by a number": (closed(3), "name"),
    "settings in a list": (put("objective", {"kind": "closed", "name": "ppo", "settings": []}), "settings"),
    "an unknown constant": (closed(settings={"alpha": 1.0}), "alpha"),
    "a negative constant": (closed(settings={"clip_eps": -1.0}), "clip_eps"),
    "a constant in words": (closed(settings={"clip_eps": "0.2"}), "clip_eps"),
    "another closed objective": (closed("dpo"), "stored sample"),
    "no constants of forms": (put("objective", {"kind": "forms", "expressions": {"value": "error"}}), "constants"),
    "constants of forms that are not there": (forms({"value": "error"}, {"clip_eps": 0.2}), "value_clip_eps"),
    "no expressions": (forms({}), "expressions"),
    "expressions in a list": (forms(["error"]), "expressions"),
    "an expression of something else": (forms({"entropy": "error"}), "entropy"),
    "an unknown operation": (forms({"policy": ["power", "r", 2]}), "power"),
    "a variable of the other loss": (forms({"policy": ["square", "error"]}), "error"),
    "too few arguments": (forms({"value": ["add", "error"]}), "add"),
    "an expression of null": (forms({"value": None}), "value"),
    "an expression of true": (forms({"value": True}), "value"),
    "an expression nested 200 deep": (forms({"policy": nested("negate", 200, "r")}), "nested"),
    "a number of 400 digits in an expression": (forms({"policy": ["add", "r", 10**400]}), "digits"),
    "another form": (forms({"value": ["square", "error"]}), "stored sample"),
}
TOO_LONG = {
    "version": put("version", LONG),
    "kind": put("objective", "kind", LONG),
    "name": put(*SECTION, "name", LONG),
    "version of features": put("objective", "feature_version", LONG),
    "setting": put(*SECTION, "clip_eps", LONG),
    "key": put(*SECTION, LONG, 1),
    "digits": put(*SECTION, "clip_eps", 10**4000),
}


class TestWhatIsSaid:
    def test_the_seal_of_these_tests_is_that_of_the_writer(self, sound, folder):
        assert seal(sound.data, sound.packed) == sound.text
        assert not refuse_or_load_the_same(folder(sound.text), sound)

    @pytest.mark.parametrize(("change", "told"), SAID.values(), ids=SAID)
    def test_what_cannot_be_is_refused_though_its_checksums_are_right(self, sound, folder, change, told):
        refuse(folder(seal(change(sound.data), sound.packed)), told)

    @pytest.mark.parametrize(("change", "told"), CLOSED_SAID.values(), ids=CLOSED_SAID)
    def test_closed_forms_that_cannot_be_are_refused(self, sound, folder, change, told):
        refuse(folder(seal(change(sound.data), None), None), told)

    @pytest.mark.parametrize("change", TOO_LONG.values(), ids=TOO_LONG)
    def test_what_is_told_of_long_words_is_short(self, sound, folder, change):
        refuse(folder(seal(change(sound.data), sound.packed)))

    def test_a_closed_form_with_arrays_is_refused(self, sound, folder):
        refuse(folder(seal(closed()(sound.data), sound.packed)), "arrays")

    @pytest.mark.parametrize("seed", range(12))
    def test_changed_weights_are_noticed_by_the_stored_pairs(self, sound, folder, seed):
        rng = np.random.default_rng(seed)
        arrays = sound.arrays
        name = list(arrays)[seed % len(arrays)]
        place = tuple(rng.integers(size) for size in arrays[name].shape)
        arrays[name][place] += rng.choice([-1, 1]) * 0.1
        packed = packed_arrays(arrays)
        refuse(folder(seal(sound.data, packed), packed), "of stored sample")

    def test_weights_that_are_no_numbers_are_noticed_by_the_stored_pairs(self, sound, folder):
        for value in (np.nan, np.inf, -np.inf):
            packed = packed_arrays({name: np.full_like(array, value) for name, array in sound.arrays.items()})
            refuse(folder(seal(sound.data, packed), packed), "of stored sample")


# How artefact.json may be written. ------------------------------------------------------------------------------------

HEAD = '{"format": "metadisco objective", "version": 1, '
TEXTS = {
    "empty": b"",
    "a space": b" ",
    "null": b"null",
    "a list": b"[]",
    "an empty object": b"{}",
    "no text": b"\x80\x04N.",
    "another encoding": '{"é": 1}'.encode("latin-1"),
    "half a letter": b'{"a": "\xc3"}',
    "a zero byte": b"\0",
    "arrays in arrays": b"[" * 100_000,
    "objects in objects": b'{"a":' * 100_000,
    "lists in a list": (HEAD + '"a": ' + "[" * 800 + "]" * 800 + "}").encode(),
    "more lists in a list": (HEAD + '"a": ' + "[" * 970 + "]" * 970 + "}").encode(),
    "a number of 5000 digits": (HEAD + '"a": ' + "1" * 5000 + "}").encode(),
    "a number of 4000 digits": (HEAD + '"a": ' + "1" * 4000 + "}").encode(),
    **{
        f"a number {number}": (HEAD + f'"a": {number}}}').encode()
        for number in ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "nan", "0x10", "01", "+1", "1.")
    },
}
EDITS = {
    "cut in two": lambda text: text[: len(text) // 2],
    "two documents": lambda text: text * 2,
    "something after it": lambda text: text + "x",
    "another number": lambda text: text.replace('"clip_eps": 0.2', '"clip_eps": 0.3'),
    "a number too large": lambda text: text.replace('"clip_eps": 0.2', '"clip_eps": 1e999'),
    "no number": lambda text: text.replace('"clip_eps": 0.2', '"clip_eps": NaN'),
    "one more key": lambda text: text.replace('"version": 1,', '"version": 1, "comment": "mine",'),
    "no checksum": lambda text: text.replace('"sha256"', '"sha"'),
    "a key twice, the last one wrong": lambda text: text.replace('"version": 1,', '"version": 1, "version": 2,'),
    "a key twice, the last one changed": lambda text: text.replace('"seed": 0', '"seed": 0, "seed": 1'),
    "another licence": lambda text: text.replace("Apache-2.0", "MIT"),
    "another env": lambda text: text.replace("CartPole-v1", "Acrobot-v1"),
}
SAME = {
    "a key twice, the last one right": lambda text: text.replace(
        '"version": 1,', '"version": 2, "version": 1,'
    ).encode(),
    "a byte order mark": lambda text: text.encode("utf-8-sig"),
    "two bytes a letter": lambda text: text.encode("utf-16"),
    "other line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "no spaces": lambda text: json.dumps(json.loads(text), separators=(",", ":")).encode(),
    "keys in another order": lambda text: json.dumps(json.loads(text), sort_keys=True).encode(),
}


class TestText:
    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_what_says_no_objective_is_refused(self, folder, text):
        refuse(folder(text), "artefact.json")

    @pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
    def test_what_was_edited_is_refused(self, sound, folder, edit):
        text = edit(sound.text)
        assert text != sound.text
        refuse(folder(text))

    @pytest.mark.parametrize("edit", SAME.values(), ids=SAME)
    def test_what_says_the_same_is_refused_or_gives_the_same(self, sound, folder, edit):
        content = edit(sound.text)
        assert content != sound.text.encode()
        refuse_or_load_the_same(folder(content), sound)


# What arrays.npz may hold, with checksums that are right. -------------------------------------------------------------


def header(descr="'<f4'", shape="(4,)", fortran="False"):
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


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
ARRAYS = {
    "an array is missing": lambda arrays: {k: v for k, v in arrays.items() if k != "output/bias"},
    "an array too many": lambda arrays: {**arrays, "output/scale": np.ones(1, np.float32)},
    "an array of another name": lambda arrays: {f"policy/{name}": array for name, array in arrays.items()},
    "arrays of double precision": lambda arrays: {k: v.astype(np.float64) for k, v in arrays.items()},
    "arrays of half precision": lambda arrays: {k: v.astype(np.float16) for k, v in arrays.items()},
    "arrays of whole numbers": lambda arrays: {k: v.astype(np.int32) for k, v in arrays.items()},
    "arrays of truth values": lambda arrays: {k: v.astype(bool) for k, v in arrays.items()},
    "arrays of complex numbers": lambda arrays: {k: v.astype(np.complex64) for k, v in arrays.items()},
    "arrays of another byte order": lambda arrays: {k: v.astype(">f4") for k, v in arrays.items()},
    "arrays of text": lambda arrays: {k: v.astype("U8") for k, v in arrays.items()},
    "arrays transposed": lambda arrays: {k: v.T for k, v in arrays.items()},
    "arrays of one axis": lambda arrays: {k: v.ravel() for k, v in arrays.items()},
    "arrays of one axis more": lambda arrays: {k: v[None] for k, v in arrays.items()},
    "arrays without numbers": lambda arrays: {k: v[:0] for k, v in arrays.items()},
    "two arrays swapped": lambda arrays: {**arrays, "output/kernel": arrays["output/bias"]},
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


class TestCode:
    """A parametrisation of one's own may be named, but a name is not an order."""

    @pytest.mark.parametrize(
        ("name", "settings"),
        [
            ("os:mkdir", lambda marker: {"path": str(marker)}),
            ("os:system", lambda marker: {"command": f"touch {marker}"}),
            ("shutil:copy", lambda marker: {"src": "artefact/artefact.json", "dst": str(marker)}),
            ("json:loads", lambda marker: {"s": "{}"}),
            ("os:getcwd", lambda marker: {}),
            ("os:nothing", lambda marker: {}),
            ("sys:exit", lambda marker: {}),
        ],
        ids=["mkdir", "system", "copy", "loads", "getcwd", "nothing", "exit"],
    )
    def test_a_function_of_a_module_that_happens_to_be_imported_is_not_called(
        self, sound, folder, place, name, settings
    ):
        marker = place / "ran"
        said = {"kind": "learned", "parametrisation": {"name": name, **settings(marker)}, "feature_version": None}
        refuse(folder(seal(put("objective", said)(sound.data), sound.packed)))
        assert not marker.exists()


# Folders and zip files. -----------------------------------------------------------------------------------------------


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def zipped(sound, compression=zipfile.ZIP_STORED):
    return npz([("artefact.json", sound.text), ("arrays.npz", sound.packed)], compression)


def lengths(whole):
    """Return lengths at which to cut something, few at the beginning, many at the end."""
    return sorted({0, 1, 4, 30, *(len(whole) * share // 8 for share in range(1, 8)), len(whole) - 22, len(whole) - 1})


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
        monkeypatch.setattr("metadisco.package.MAX_BYTES", len(sound.text) - 1)
        refuse(path, "artefact.json is larger than")


def symlink(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


EXTRA = {
    "a file": "README.md",
    "a path upwards": "../artefact.json",
    "a path from the root": "/etc/passwd",
    "a path of another system": "C:\\artefact.json",
    "a path upwards of another system": "..\\artefact.json",
    "a folder": "artefact.json/",
    "another case": "ARRAYS.NPZ",
    "here": "./arrays.npz",
    "the same twice": "artefact.json",
    "arrays twice": "arrays.npz",
    "a name after a zero": "arrays.npz\0.exe",
    "two lines": "a\nb",
    "a long name": LONG,
    "a link": symlink("link"),
}


class TestZipFiles:
    @pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
    def test_a_flipped_bit_is_noticed_or_does_not_matter(self, sound, archive, compression):
        whole = zipped(sound, compression)
        rng = random.Random(compression)
        directory = zipfile.ZipFile(io.BytesIO(whole)).start_dir
        bits = rng.sample(range(8 * directory), 50) + rng.sample(range(8 * directory, 8 * len(whole)), 20)
        refused = [refuse_or_load_the_same(archive(flipped(whole, bit)), sound) for bit in bits]
        assert sum(refused) >= 45

    def test_flipped_bits_in_names_and_sizes_are_told_shortly(self, sound, archive):
        whole = zipped(sound)
        directory = zipfile.ZipFile(io.BytesIO(whole)).start_dir
        for start in (0, directory):
            for bit in range(8 * (start + 18), 8 * (start + 30), 5):
                refuse_or_load_the_same(archive(flipped(whole, bit)), sound)

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

    @pytest.mark.parametrize("flag", [0x01, 0x20, 0x40, 0x41], ids=["encrypted", "patched", "strongly", "both"])
    def test_what_is_said_to_be_encrypted_is_refused(self, sound, archive, flag):
        whole = bytearray(zipped(sound))
        for place in (6, zipfile.ZipFile(io.BytesIO(whole)).start_dir + 8):
            whole[place] |= flag
        refuse(archive(bytes(whole)))

    @pytest.mark.parametrize("method", [1, 6, 8, 9, 12, 14, 93, 95, 98, 99, 65535])
    def test_another_way_of_compression_than_there_is_is_refused(self, sound, archive, method):
        whole = bytearray(zipped(sound))
        for place in (8, zipfile.ZipFile(io.BytesIO(whole)).start_dir + 10):
            whole[place : place + 2] = struct.pack("<H", method)
        refuse(archive(bytes(whole)))

    @pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
    def test_damage_under_another_compression_is_refused(self, sound, archive, compression):
        whole = zipped(sound, compression)
        for place in range(48, 148, 10):
            refuse(archive(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]))

    @pytest.mark.parametrize("where", [20, 24, 42], ids=["packed size", "size", "offset"])
    @pytest.mark.parametrize("number", [0, 1, 2**31, 2**32 - 2, 2**32 - 1])
    def test_a_stated_size_or_place_that_is_wrong_is_not_believed(self, sound, archive, where, number):
        whole = bytearray(zipped(sound))
        start = zipfile.ZipFile(io.BytesIO(whole)).start_dir + where
        whole[start : start + 4] = struct.pack("<I", number)
        refuse_or_load_the_same(archive(bytes(whole)), sound)

    @pytest.mark.parametrize("number", [10**12, 2**63 - 1, 2**63, 2**64 - 1])
    @pytest.mark.parametrize("field", range(3), ids=["size", "packed size", "offset"])
    def test_sizes_and_places_of_64_bits_are_not_believed(self, sound, archive, field, number):
        numbers = [len(sound.text), len(sound.text), 0]
        numbers[field] = number
        refuse_or_load_the_same(archive(with_zip64(zipped(sound), numbers)), sound)

    def test_what_stands_before_or_after_it_does_not_matter(self, sound, archive):
        whole = zipped(sound)
        for content in (b"#!/bin/sh\nexit\n" + whole, whole + b"x", whole + whole, b"x" * 70_000 + whole):
            refuse_or_load_the_same(archive(content), sound)

    @pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(100), b"PK\x05\x06" + bytes(18), b"{}"])
    def test_what_is_no_zip_file_is_refused(self, archive, content):
        refuse(archive(content))

    def test_a_member_that_grows_beyond_all_bounds_is_not_unpacked(self, sound, archive, monkeypatch):
        limit = 2**20
        monkeypatch.setattr("metadisco.files.MAX_BYTES", limit)
        for name in ("artefact.json", "arrays.npz"):
            content = {"artefact.json": sound.text.encode(), "arrays.npz": sound.packed} | {name: bytes(64 * limit)}
            path = archive(npz(content.items(), zipfile.ZIP_DEFLATED))
            assert path.stat().st_size < limit
            assert peak(lambda path=path: refuse(path, "more than")) < 8 * limit

    def test_arrays_that_grow_beyond_all_bounds_are_not_unpacked(self, sound, folder, monkeypatch):
        """Compressed arrays are as short as their archive is, and as large as they like."""
        limit = 2**20
        monkeypatch.setattr("metadisco.files.MAX_BYTES", limit)
        size = 16 * limit
        array = npy(header(shape=f"({size},)"), bytes(4 * size))
        packed = npz([("output/bias.npy", array)], zipfile.ZIP_DEFLATED)
        assert len(packed) < limit
        path = folder(seal(sound.data, packed), packed)
        del array
        assert peak(lambda: refuse(path)) < 16 * limit


def with_zip64(whole, numbers):
    """Return a zip file whose first member has size, packed size and place in a field of 64 bits each."""
    start = zipfile.ZipFile(io.BytesIO(whole)).start_dir
    end = whole.rindex(b"PK\x05\x06")
    name = struct.unpack_from("<H", whole, start + 28)[0]
    extra = struct.pack("<HHQQQ", 1, 24, *numbers)
    entry = bytearray(whole[start : start + 46])
    entry[20:28], entry[30:32], entry[42:46] = b"\xff" * 8, struct.pack("<H", len(extra)), b"\xff" * 4
    tail = bytearray(whole[end:])
    tail[12:16] = struct.pack("<I", struct.unpack_from("<I", tail, 12)[0] + len(extra))
    after = start + 46 + name
    return whole[:start] + bytes(entry) + whole[start + 46 : after] + extra + whole[after:end] + bytes(tail)


def peak(action):
    """Return how much memory something takes at most."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# The command line. ----------------------------------------------------------------------------------------------------

UNUSABLE = {
    "changed": lambda sound: sound.text.replace("Apache-2.0", "MIT"),
    "a version to come": lambda sound: seal(put("version", 2)(sound.data), sound.packed),
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


def test_there_are_many():
    tables = (SAID, CLOSED_SAID, TOO_LONG, TEXTS, EDITS, SAME, NPY, MEMBERS, ARRAYS, EXTRA, UNUSABLE)
    assert sum(map(len, tables)) >= 200
