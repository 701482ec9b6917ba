"""Damaged artefacts, and checks that they are refused."""

import functools
import hashlib
import io
import json
import os
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from metadisco import Sample, UserError, load_objective

SAMPLE = Sample(*jnp.asarray(np.random.default_rng(0).normal(size=(5, 7)), jnp.float32), progress=jnp.float32(0.4))
LONG = "x" * 10_000
MAX_MESSAGE = 400
SECTION = ("objective", "parametrisation")
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


class Sound:
    """A valid artefact, from which damaged ones are made."""

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


def digest(content):
    return hashlib.sha256(content).hexdigest()


def seal(data, packed):
    """Return artefact.json with correct checksums, as after a deliberate change."""
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


def header(descr="'<f4'", shape="(4,)", fortran="False"):
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


def npy(header, content=b"", version=(1, 0)):
    """Return a file of one array, with any header."""
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header.encode("latin1") + content


def packed_arrays(arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def zipped(sound, compression=zipfile.ZIP_STORED):
    return npz([("artefact.json", sound.text), ("arrays.npz", sound.packed)], compression)


def lengths(whole):
    """Return lengths for truncation, few at the beginning, many at the end."""
    return sorted({0, 1, 4, 30, *(len(whole) * share // 8 for share in range(1, 8)), len(whole) - 22, len(whole) - 1})


def tree(place):
    """Return contents and modification times of a directory."""
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
    """Check that an artefact is refused or gives exactly the same objective; return whether it was refused."""
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


def put(*keys_and_value):
    """Return the change that puts a value below some keys."""
    *keys, last, value = keys_and_value

    def change(data):
        functools.reduce(lambda each, key: each[key], keys, data)[last] = value
        return data

    return change


def drop(*keys):
    """Return the change that removes everything below some keys."""
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


def peak(action):
    """Return the peak memory of a call."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
