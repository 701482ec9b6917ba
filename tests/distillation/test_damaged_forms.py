"""Files of distilled forms that are damaged: each is refused in one sentence that names it."""

import json

import pytest
from written_forms import DRIFTS, content, part

from metadisco.discoveries.distilled import FILE
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.sources import find_source
from metadisco.errors import UserError

NEST = 100_000
DAMAGE = {
    "no object": ([], "no file of distilled forms"),
    "null": (None, "no file of distilled forms"),
    "another format": (content(format="metadisco plot"), "no file of distilled forms"),
    "no format": (content(format="left out"), "no file of distilled forms"),
    "a later version": (content(version=2), "version 2, allowed: 1"),
    "no version": (content(version="left out"), "version None"),
    "a version in words": (content(version="1"), "version '1'"),
    "no constants": (content(constants="left out"), "clip_eps"),
    "constants in a list": (content(constants=[0.2, 0.2]), "clip_eps"),
    "no clip_eps": (content(constants={"value_clip_eps": 0.2}), "clip_eps"),
    "no value_clip_eps": (content(constants={"clip_eps": 0.2}), "value_clip_eps"),
    "a negative clip_eps": (content(constants={"clip_eps": -0.2, "value_clip_eps": 0.2}), "clip_eps"),
    "an infinite clip_eps": (content(constants={"clip_eps": float("inf"), "value_clip_eps": 0.2}), "clip_eps"),
    "a clip_eps that is no number": (content(constants={"clip_eps": float("nan"), "value_clip_eps": 0.2}), "clip_eps"),
    "a huge clip_eps": (content(constants={"clip_eps": 10**400, "value_clip_eps": 0.2}), "clip_eps"),
    "a huge value_clip_eps": (content(constants={"clip_eps": 0.2, "value_clip_eps": 10**400}), "value_clip_eps"),
    "a true clip_eps": (content(constants={"clip_eps": True, "value_clip_eps": 0.2}), "clip_eps"),
    "a zero value_clip_eps": (content(constants={"clip_eps": 0.2, "value_clip_eps": 0}), "value_clip_eps"),
    "trained on a number": (content(trained_on=3), "trained_on"),
    "trained on text": (content(trained_on="gymnax/CartPole-v1"), "trained_on"),
    "trained on numbers": (content(trained_on=[1]), "trained_on"),
    "no part": (content(policy="left out"), "holds no form"),
    "an empty part": (content(policy={}), "policy lacks forms"),
    "null for a part": (content(policy=None), "policy lacks forms"),
    "a part in a list": (content(value=[]), "value lacks forms"),
    "forms in a list": (content(policy={"closest": 0, "forms": [DRIFTS]}), "policy lacks forms"),
    "no expression": (content(policy={"closest": "a", "forms": {"a": {}}}), "expression"),
    "a form in a list": (content(policy={"closest": "a", "forms": {"a": []}}), "expression"),
    "no forms": (content(policy=part({}, "quadratic")), "'quadratic' as the closest form, which it lacks"),
    "closest is missing": (content(policy=part(DRIFTS, "huber")), "'huber' as the closest form, which it lacks"),
    "no closest": (content(policy={"forms": part(DRIFTS, "")["forms"]}), "None as the closest form"),
    "closest in a list": (content(policy=part(DRIFTS, ["quadratic"])), "closest"),
    "closest in an object": (content(policy=part(DRIFTS, {})), "closest"),
    "an unknown variable": (content(policy=part({"a": ["square", "error"]}, "a")), "policy: got the variable 'error'"),
    "an unknown operation": (content(policy=part({"a": ["power", "r", 2]}, "a")), "'power'"),
    "too few arguments": (content(value=part({"a": ["add", "error"]}, "a")), "value: got 1 arguments of add"),
    "an infinite number": (content(policy=part({"a": ["add", "r", float("inf")]}, "a")), "the number inf"),
    "a huge number": (content(policy=part({"a": ["add", "r", 10**400]}, "a")), "policy: got"),
    "an object for an expression": (content(policy=part({"a": {"add": [1, 2]}}, "a")), "policy: got {'add': [1, 2]}"),
    "null for an expression": (content(policy=part({"a": None}, "a")), "policy: got None"),
}
NO_JSON = {
    "empty": b"",
    "cut short": json.dumps(content()).encode()[:-40],
    "no text": b"\xff\xfe\x00\x01",
    "a number of too many digits": b'{"version": ' + b"1" * 5000 + b"}",
    "lists in lists": b"[" * NEST,
    "objects in objects": b'{"policy":' * NEST,
    "a second document": json.dumps(content()).encode() * 2,
}


class TestDamage:
    @pytest.mark.parametrize(("data", "told"), DAMAGE.values(), ids=DAMAGE)
    def test_is_refused_in_one_sentence_that_names_the_file(self, written, data, told):
        path = written(json.loads(json.dumps(data)) if data is not None else json.loads("null"), name="folder/f.json")
        if data is None:
            path.write_text("null")
        with pytest.raises(UserError) as refused:
            load_objective(path)
        sentence = str(refused.value)
        assert sentence.startswith(f"{path}: ")
        assert told in sentence
        assert "\n" not in sentence

    @pytest.mark.parametrize("data", NO_JSON.values(), ids=NO_JSON)
    def test_what_is_no_json_is_refused_as_such(self, tmp_path, data):
        path = tmp_path / FILE
        path.write_bytes(data)
        for name in (path, tmp_path, f"{path}@form"):
            with pytest.raises(UserError, match="cannot be read as JSON") as refused:
                load_objective(name)
            assert str(path) in str(refused.value)
            assert "\n" not in str(refused.value)

    def test_an_expression_nested_without_end_is_refused(self, tmp_path):
        depth = 700
        expression = '["negate",' * depth + '"r"' + "]" * depth
        path = tmp_path / FILE
        path.write_text(json.dumps(content(policy=part({"a": "HERE"}, "a"))).replace('"HERE"', expression))
        with pytest.raises(UserError) as refused:
            load_objective(path)
        assert str(refused.value).startswith(f"{path}: policy: ")

    def test_a_damaged_form_that_is_not_meant_does_not_matter(self, written):
        path = written(policy=part({**DRIFTS, "broken": ["power"]}, "quadratic"))
        load_objective(path)
        with pytest.raises(UserError, match="power"):
            load_objective(f"{path}@broken")

    def test_a_source_refuses_what_cannot_be_read_as_well(self, written):
        with pytest.raises(UserError, match="version 3"):
            find_source(str(written(version=3)))
