"""The files of a distillation agree with its results."""

import json

import jax
import numpy as np
import pytest
import sympy
from known_targets import huber
from samples import make_sample
from written_forms import content, ratio_gap

from metadisco.discoveries.distilled import read
from metadisco.discoveries.load import load_objective
from metadisco.distillation.families import DRIFT_FAMILIES, VALUE_FAMILIES, measure
from metadisco.distillation.forms import Forms, as_json
from metadisco.distillation.formulas import SYMBOLS, check_drift
from metadisco.distillation.targets import drift_target
from metadisco.errors import UserError
from metadisco.objectives import dpo
from metadisco.objectives.expressions import apply, multiply, substitute, to_json, value_loss_of

FAMILIES = {family.name: family for family in (*DRIFT_FAMILIES, *VALUE_FAMILIES)}
CONSTANTS = {"coef": 0.7, "scale": 1.0, "left": 0.3, "width": 0.456}
WRITTEN_LOSSES = {name: substitute(FAMILIES[name].expression, CONSTANTS) for name in ("log_cosh", "quantile")}
WRITTEN_LOSSES["second input"] = multiply(1 / 3, apply("square", "error"), "target")


@pytest.fixture(scope="module")
def data():
    """A file of forms with known constants."""
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
    """The file agrees with the forms."""

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
