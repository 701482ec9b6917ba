"""A changed or malicious artefact is refused in one sentence, and nothing is executed or written."""

import json

import numpy as np
import pytest
from damage import (
    LONG,
    SECTION,
    closed,
    drop,
    forms,
    nested,
    packed_arrays,
    pairs,
    put,
    refuse,
    refuse_or_load_the_same,
    seal,
)

SAID = {
    "another format": (put("format", "metadisco plot"), "no discovery"),
    "no format": (drop("format"), "no discovery"),
    "no version": (drop("version"), "version None"),
    **{f"version {value!r}": (put("version", value), f"version {value!r}") for value in (0, 3, True, "1", None, [1])},
    "no objective": (drop("objective"), "kind None"),
    "no kind": (drop("objective", "kind"), "kind None"),
    "an unknown kind": (put("objective", "kind", "learnt"), "kind 'learnt'"),
    "learned, said to be forms": (put("objective", "kind", "forms"), "expressions"),
    "no parametrisation": (drop(*SECTION), "parametrisation"),
    "a parametrisation in words": (put(*SECTION, "value_loss"), "parametrisation"),
    "no name of a parametrisation": (drop(*SECTION, "name"), "name"),
    "a number for a name": (put(*SECTION, "name", 3), "name"),
    "an unknown parametrisation": (put(*SECTION, "name", "value_los"), "'value_los' is not built in"),
    "an empty name": (put(*SECTION, "name", ""), "not built in"),
    "a name of nothing but a colon": (put(*SECTION, "name", ":"), "not built in"),
    "a name of two lines": (put(*SECTION, "name", "one\ntwo"), "not built in"),
    "another parametrisation of ours": (put(*SECTION, "name", "lpo_drift"), "parametrisation."),
    "no version of features": (drop("objective", "feature_version"), "version None of the features"),
    **{
        f"version {value!r} of features": (put("objective", "feature_version", value), "of the features")
        for value in (0, 3, True, "1", None, [1])
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
    "an expression nested 200 deep": (forms({"policy": nested("negate", 200, "r")}), "nested"),
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
    "an empty object": b"{}",
    "no text": b"\x80\x04N.",
    "arrays in arrays": b"[" * 100_000,
    "more lists in a list": (HEAD + '"a": ' + "[" * 970 + "]" * 970 + "}").encode(),
    "a number of 5000 digits": (HEAD + '"a": ' + "1" * 5000 + "}").encode(),
    **{f"a number {number}": (HEAD + f'"a": {number}}}').encode() for number in ("NaN", "-1e999", "0x10")},
}
EDITS = {
    "cut in two": lambda text: text[: len(text) // 2],
    "something after it": lambda text: text + "x",
    "a number too large": lambda text: text.replace('"clip_eps": 0.2', '"clip_eps": 1e999'),
    "one more key": lambda text: text.replace('"version": 2,', '"version": 2, "comment": "mine",'),
    "no checksum": lambda text: text.replace('"sha256"', '"sha"'),
    "a key twice, the last one wrong": lambda text: text.replace('"version": 2,', '"version": 2, "version": 3,'),
    "a key twice, the last one changed": lambda text: text.replace('"seed": 0', '"seed": 0, "seed": 1'),
    "another licence": lambda text: text.replace("Apache-2.0", "MIT"),
}
SAME = {
    "a key twice, the last one right": lambda text: text.replace(
        '"version": 2,', '"version": 3, "version": 2,'
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


class TestCode:
    """A user-defined parametrisation may be named, but a name is not an order."""

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
