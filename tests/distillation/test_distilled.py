"""Files of distilled forms: found by name, refused where damaged, and loaded as the objectives that they say."""

import json

import jax
import numpy as np
import pytest
import sympy
from known_targets import huber
from samples import make_sample

from metadisco.distillation.families import DRIFT_FAMILIES, VALUE_FAMILIES, measure
from metadisco.distillation.forms import Forms, as_json
from metadisco.distillation.formulas import SYMBOLS, check_drift
from metadisco.distillation.targets import drift_target
from metadisco.distilled import FILE, find_distilled, read
from metadisco.errors import UserError
from metadisco.export.load import load_objective
from metadisco.expressions import apply, multiply, substitute, to_json, value_loss_of
from metadisco.objectives import clipped_squared_error, dpo, ppo, squared_error
from metadisco.sources import find_source, short_names

GAP = ["subtract", "r", 1]
DRIFTS = {"quadratic": ["square", GAP], "strong": ["multiply", 3, ["square", GAP]], "both": ["square", "log_ratio"]}
LOSSES = {"square": ["square", "error"], "both": ["absolute", "error"]}


def part(forms, closest):
    return {"closest": closest, "forms": {name: {"expression": form} for name, form in forms.items()}, "rejected": {}}


def content(**changes):
    """Return what is in a sound file of forms of a drift, or of what is given."""
    sound = {
        "format": "metadisco distilled forms",
        "version": 1,
        "source": "runs/somewhere",
        "trained_on": ["brax/ant:spring", "gymnax/CartPole-v1"],
        "constants": {"clip_eps": 0.1, "value_clip_eps": None},
        "policy": part(DRIFTS, "quadratic"),
    }
    return {key: value for key, value in {**sound, **changes}.items() if value != "left out"}


@pytest.fixture
def written(tmp_path):
    """Write a file of forms, and return its path."""

    def write(data=None, name=FILE, **changes):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content(**changes) if data is None else data), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(0)
    return make_sample(*rng.normal(size=(5, 40)) * np.array([0.3, 1, 2, 2, 2])[:, None])


def ratio_gap(sample):
    return np.exp(sample.log_ratio) - 1


class TestFinding:
    def test_a_file_or_its_folder_means_the_closest_form(self, written):
        path = written()
        for name in (path, path.parent):
            found = find_distilled(str(name))
            assert found.path == path
            assert found.expressions == {"policy": DRIFTS["quadratic"]}
            assert found.trained_on == ("brax/ant:spring", "gymnax/CartPole-v1")
            assert found.constants == {"clip_eps": 0.1, "value_clip_eps": None}

    def test_another_form_is_named_after_an_at_sign(self, written):
        path = written()
        for name in (path, path.parent):
            assert find_distilled(f"{name}@strong").expressions == {"policy": DRIFTS["strong"]}

    def test_the_file_may_have_another_name(self, written):
        path = written(name="mine.json")
        assert find_distilled(str(path)).expressions == {"policy": DRIFTS["quadratic"]}
        assert find_distilled(f"{path}@strong").expressions == {"policy": DRIFTS["strong"]}
        assert find_distilled(str(path.parent)) is None

    def test_a_path_that_holds_an_at_sign_is_a_path(self, written):
        path = written(name=f"run@16/{FILE}")
        for name in (path, path.parent):
            assert find_distilled(str(name)).expressions == {"policy": DRIFTS["quadratic"]}
            assert find_distilled(f"{name}@strong").expressions == {"policy": DRIFTS["strong"]}

    def test_where_both_losses_were_distilled_a_form_of_one_leaves_the_other_at_its_closest(self, written):
        path = written(value=part(LOSSES, "square"))
        closest = {"policy": DRIFTS["quadratic"], "value": LOSSES["square"]}
        assert find_distilled(str(path)).expressions == closest
        assert find_distilled(f"{path}@strong").expressions == {**closest, "policy": DRIFTS["strong"]}
        assert find_distilled(f"{path}@square").expressions == closest
        both = {"policy": DRIFTS["both"], "value": LOSSES["both"]}
        assert find_distilled(f"{path}@both").expressions == both

    @pytest.mark.parametrize("name", ["ppo", "", "nowhere", "nowhere.json", "nowhere.json@ppo", "@", "x\0y", "a/b@c"])
    def test_what_names_no_file_is_none(self, name, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert find_distilled(name) is None

    def test_a_folder_without_the_file_or_with_a_folder_in_its_place_is_none(self, tmp_path):
        assert find_distilled(str(tmp_path)) is None
        (tmp_path / FILE).mkdir()
        assert find_distilled(str(tmp_path)) is None

    def test_a_name_too_long_for_a_file_is_no_objective(self):
        with pytest.raises(UserError, match="no objective"):
            load_objective("x" * 5000)

    def test_an_unknown_form_is_refused_with_those_there_are(self, written):
        path = written()
        with pytest.raises(UserError) as refused:
            find_distilled(f"{path}@stron")
        sentence = str(refused.value)
        assert str(path) in sentence
        assert "'stron', allowed: both, quadratic, strong; did you mean 'strong'?" in sentence


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


class TestLoading:
    def test_a_drift_is_mirrored_and_the_value_loss_is_ppos_own(self, written, sample):
        objective = load_objective(written())
        surrogate = np.exp(sample.log_ratio) * sample.advantage
        np.testing.assert_allclose(
            objective.policy_loss(sample), ratio_gap(sample) ** 2 - surrogate, rtol=1e-5, atol=1e-6
        )
        np.testing.assert_array_equal(objective.value_loss(sample), squared_error()(sample))

    def test_the_value_loss_is_clipped_by_the_constant_of_the_file(self, written, sample):
        objective = load_objective(written(constants={"clip_eps": 0.1, "value_clip_eps": 0.4}))
        np.testing.assert_array_equal(objective.value_loss(sample), clipped_squared_error(0.4)(sample))

    def test_a_form_by_name(self, written, sample):
        path = written()
        surrogate = np.exp(sample.log_ratio) * sample.advantage
        drift = load_objective(f"{path.parent}@strong").policy_loss(sample) + surrogate
        np.testing.assert_allclose(drift, 3 * ratio_gap(sample) ** 2, rtol=1e-4, atol=1e-5)

    def test_a_value_loss_stands_beside_ppos_own_policy_loss(self, written, sample):
        objective = load_objective(written(policy="left out", value=part(LOSSES, "both")))
        np.testing.assert_array_equal(objective.policy_loss(sample), ppo(0.1).policy_loss(sample))
        np.testing.assert_allclose(objective.value_loss(sample), np.abs(sample.value - sample.target), rtol=1e-6)

    def test_both_parts(self, written, sample):
        objective = load_objective(written(value=part(LOSSES, "square")))
        np.testing.assert_allclose(objective.value_loss(sample), (sample.value - sample.target) ** 2, rtol=1e-5)
        assert (objective.policy_loss(sample) != ppo(0.1).policy_loss(sample)).any()

    def test_constants_cannot_be_set_for_what_was_distilled(self, written):
        path = written()
        with pytest.raises(UserError, match="made with its constants, so that clip_eps"):
            load_objective(path, clip_eps=0.3)

    def test_losses_are_differentiable(self, written, sample):
        objective = load_objective(written(value=part(LOSSES, "square")))
        slope = jax.grad(lambda value: objective.value_loss(sample._replace(value=value)).sum())(sample.value)
        np.testing.assert_allclose(slope, 2 * (sample.value - sample.target), rtol=1e-5)


class TestSources:
    def test_distilled_forms_are_known_without_being_loaded(self, written):
        path = written(value=part(LOSSES, "square"))
        source = find_source(f"{path}@strong")
        assert source.name == f"{path}@strong"
        assert source.parts == ("policy", "value")
        assert source.trained_on == {"brax/ant", "gymnax/CartPole-v1"}
        assert source.run is None
        assert source.config is None

    def test_what_was_not_trained_was_trained_on_nothing(self, written):
        assert find_source(str(written(trained_on=None))).trained_on is None
        assert find_source(str(written(trained_on="left out"))).trained_on is None
        assert find_source("dpo") == ("dpo", ["dpo", {"value_clip_eps": 0.2, "alpha": 2.0, "beta": 0.6}], None,
                                      ("policy",), None, None, None)  # fmt: skip

    def test_the_identity_is_what_the_losses_depend_on(self, written):
        path = written(value=part(LOSSES, "square"))
        identity = find_source(str(path)).identity
        assert json.loads(json.dumps(identity)) == identity
        assert find_source(f"{path}@quadratic").identity == identity
        assert find_source(f"{path}@strong").identity != identity
        moved = written(source="another name", value=part(LOSSES, "square"), name="moved/away.json")
        assert find_source(str(moved)).identity == identity
        clipped = written(constants={"clip_eps": 0.3, "value_clip_eps": None}, value=part(LOSSES, "square"))
        assert find_source(str(clipped)).identity != identity

    def test_forms_are_called_by_their_names(self, written):
        path = written()
        names = [f"{path.parent}@strong", f"{path}@quadratic", "runs/strong", "ppo"]
        assert list(short_names(names).values()) == ["form strong", "form quadratic", "strong", "ppo"]
        assert find_source(names[0]).short_name == "form strong"

    def test_two_of_one_name_keep_their_full_names(self):
        names = ["a/run", "b/run", "ppo"]
        assert short_names(names) == dict(zip(names, names, strict=True))

    def test_what_names_nothing_is_refused(self, tmp_path):
        with pytest.raises(UserError, match="or the path of a run or of distilled forms"):
            find_source(str(tmp_path))


FAMILIES = {family.name: family for family in (*DRIFT_FAMILIES, *VALUE_FAMILIES)}
CONSTANTS = {"coef": 0.7, "scale": 1.0, "left": 0.3, "width": 0.456}
WRITTEN_LOSSES = {name: substitute(FAMILIES[name].expression, CONSTANTS) for name in ("log_cosh", "quantile")}
WRITTEN_LOSSES["second input"] = multiply(1 / 3, apply("square", "error"), "target")


@pytest.fixture(scope="module")
def data():
    """A file of forms with known constants, as they are written."""
    target = drift_target(dpo().policy_loss, num_points=50)
    drifts = {name: substitute(FAMILIES[name].expression, CONSTANTS) for name in ("quadratic", "kl", "total_variation")}
    fits = {name: measure(name, each, target) for name, each in drifts.items()}
    verdicts = {name: check_drift(each.expression) for name, each in fits.items()}
    rejected = {"total_variation": (fits.pop("total_variation"), verdicts["total_variation"].reason)}
    squares = huber(0.7)._replace(others={"target": np.zeros(600)})
    value_fits = [measure(name, each, squares, {"scale": 1.0}, 1.0) for name, each in WRITTEN_LOSSES.items()]
    forms = {
        "policy": as_json(Forms(list(fits.values()), verdicts, rejected)),
        "value": as_json(Forms(value_fits, {}, {})),
    }
    return json.loads(json.dumps(content(**forms), allow_nan=False))


class TestForms:
    """What a distillation writes is what it found."""

    def test_a_file_of_them_is_read_and_loaded(self, written, sample, data):
        path = written(data)
        assert read(path) == data
        objective = load_objective(path)
        drift = objective.policy_loss(sample) + np.exp(sample.log_ratio) * sample.advantage
        np.testing.assert_allclose(drift, 0.7 * ratio_gap(sample) ** 2, rtol=1e-4, atol=1e-5)
        for name, expression in WRITTEN_LOSSES.items():
            loss = load_objective(f"{path}@{name}").value_loss
            np.testing.assert_array_equal(loss(sample), value_loss_of(expression)(sample))

    def test_the_first_is_the_closest_and_what_was_rejected_cannot_be_loaded(self, written, data):
        assert data["policy"]["closest"] == "quadratic"
        assert data["value"]["closest"] == next(iter(WRITTEN_LOSSES))
        assert data["policy"]["rejected"]["total_variation"]["reason"].startswith("∂D/∂r")
        assert "total_variation" not in data["policy"]["forms"]
        with pytest.raises(UserError, match="'total_variation'"):
            load_objective(f"{written(data)}@total_variation")

    def test_a_drift_is_marked_with_how_it_is_known_to_be_one(self, data):
        assert {form["nonnegative"] for form in data["policy"]["forms"].values()} == {"by form"}
        assert all("nonnegative" not in form for form in data["value"]["forms"].values())

    def test_the_formula_for_sympy_has_the_exact_constants(self, data):
        for name, expression in WRITTEN_LOSSES.items():
            form = data["value"]["forms"][name]
            formula = sympy.sympify(form["sympy"])
            point = {"error": -0.37, "target": 1.9, "old_value": 0.0}
            with jax.enable_x64(True):
                sample = make_sample(value=1.53, target=1.9)
                expected = float(value_loss_of(expression)(sample))
            assert float(formula.subs({SYMBOLS[key]: value for key, value in point.items()})) == pytest.approx(
                expected, rel=1e-12
            )

    def test_every_form_is_an_expression_with_its_text_and_size(self, data):
        for form, expression in zip(data["value"]["forms"].values(), WRITTEN_LOSSES.values(), strict=True):
            assert form["expression"] == to_json(expression)
            assert form["text"]
            assert form["latex"]
            assert form["scale"] == 1.0
