"""Exported files for NumPy and JAX: losses and gradients of the original, and no other requirements."""

import ast
import subprocess
import sys

import jax
import numpy as np
import pytest
from exported import FEW, FORMS, LEARNED, NAMES, exported, load, make_forms, numpy_results
from loss_contract import TOLERANCES, assert_atoms, assert_values_and_slopes
from loss_samples import FIELDS, samples
from quick import quick
from self_checks import CLIPPED, OTHER_CLIP
from source_text import assert_helpers_are_used, assert_needs_its_library_alone, lint

from metadisco.cli import main
from metadisco.discoveries.save import content_of
from metadisco.discoveries.sources import find_source
from metadisco.objectives.expressions import (
    OPERATIONS,
    POLICY_VARIABLES,
    VALUE_VARIABLES,
    Node,
    from_json,
    names_in,
    parts_of,
)
from metadisco.storage.package import ARTEFACT, write_package

LANGUAGES = ("numpy", "jax")
SHAPES = ((), (6,), (2, 3))
SOME = slice(3000, 3006)


@pytest.mark.parametrize("dtype", quick(TOLERANCES, [np.float32]))
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", quick(NAMES, FEW))
def test_values_and_slopes_are_those_of_the_original(exports, name, language, dtype):
    assert_values_and_slopes(exports, name, language, dtype)


@pytest.mark.parametrize("dtype", quick(TOLERANCES, [np.float32]))
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", quick(NAMES, FEW))
def test_slopes_at_ratio_one_old_value_and_target_are_those_of_the_original(exports, name, language, dtype):
    assert_atoms(exports, name, language, dtype)


def test_the_forms_use_all_operations_and_progress():
    for part, variables in (("policy", POLICY_VARIABLES), ("value", VALUE_VARIABLES)):
        form = from_json(FORMS["all_operations"][part], variables, part)
        nodes = [each for each in (form, *parts_of(form)) if isinstance(each, Node)]
        assert {each.operation for each in nodes} == set(OPERATIONS)
        assert names_in(form) == set(variables)


class TestSelfCheck:
    @pytest.mark.parametrize("language", quick(LANGUAGES, ["numpy"]))
    @pytest.mark.parametrize("name", NAMES)
    def test_a_file_agrees_with_the_original_without_metadisco_and_without_a_warning(self, self_checks, name, language):
        assert self_checks(language)[name, ""] == ""

    @pytest.mark.parametrize("language", quick(LANGUAGES, ["numpy"]))
    @pytest.mark.parametrize("name", NAMES)
    def test_a_number_that_is_one_per_cent_off_is_found(self, self_checks, name, language):
        said = {change: each for (of, change), each in self_checks(language).items() if of == name}
        missed = {
            change for change, each in said.items() if not each.startswith("SystemExit: differs from the original")
        }
        assert len(said) > 1
        assert missed <= {"", OTHER_CLIP}

    @pytest.mark.parametrize("language", quick(LANGUAGES, ["numpy"]))
    @pytest.mark.parametrize("name", CLIPPED)
    def test_a_ratio_that_is_clipped_elsewhere_is_found(self, self_checks, name, language):
        assert self_checks(language)[name, OTHER_CLIP].startswith("SystemExit: differs from the original")

    @pytest.mark.parametrize("name", [name for name in LEARNED if name != "basis"])  # which is written as a formula
    def test_most_weights_matter_to_it(self, exports, name):
        module = load(exports.path(name, "numpy"))
        found = []
        for kernel, bias in (layer for layers in module.WEIGHTS.values() for layer in layers):
            for row in [*kernel, *([bias] if bias is not None else [])]:
                for place, weight in enumerate(row):
                    row[place] = 1.01 * weight
                    found.append(not agrees(module))
                    row[place] = weight
        assert agrees(module)
        assert np.mean(found) > 0.75

    @pytest.mark.parametrize(("factor", "status"), [(1, 0), (1.01, 1)])
    def test_its_exit_status_says_whether_it_agrees(self, exports, factor, status, tmp_path):
        line = "return drift - r * A"
        text = exports.path("ppo", "numpy").read_text()
        assert line in text
        (tmp_path / "changed.py").write_text(text.replace(line, f"return drift - {factor} * r * A"))
        command = [sys.executable, "changed.py"]
        ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert ran.returncode == status
        assert ("agree with the original" in ran.stdout) == (status == 0)


def agrees(module):
    try:
        module._check()
    except SystemExit:
        return False
    return True


class TestText:
    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("name", NAMES)
    def test_it_needs_its_library_alone(self, exports, name, language):
        assert_needs_its_library_alone(exports.path(name, language), language)

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("name", NAMES)
    def test_it_holds_no_helper_that_is_not_used(self, exports, name, language):
        assert_helpers_are_used(exports.path(name, language))

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_a_linter_finds_nothing(self, exports, language):
        assert lint({exports.path(name, language).parent for name in NAMES}.pop()) == ""

    @pytest.mark.parametrize("odd", ['"""', "\\x", "\\"])
    def test_an_odd_name_of_what_is_exported_stays_in_the_header(self, tmp_path, odd):
        source = make_forms(tmp_path / f"a name {odd}", FORMS["quantile"]).removesuffix("@given")
        module = exported(source, "numpy", tmp_path / "losses.py")
        assert "The losses of a name" in module.__doc__

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("place", ["trained_on", "licence"])
    def test_what_the_artefact_of_a_stranger_says_is_never_executed(self, exports, language, place, tmp_path):
        data, arrays = content_of(find_source(exports.source("value_loss")))
        told = 'here"""\nraise SystemExit("executed")\n"""'
        data |= {place: {**data["trained_on"], "envs": [told]} if place == "trained_on" else told}
        write_package(tmp_path / "artefact", ARTEFACT, data, arrays)
        path, sound = tmp_path / "losses.py", exports.path("value_loss", language)
        if main(["export", str(tmp_path / "artefact"), "--to", language, "--output", str(path)]) == 0:
            assert statements(path) == statements(sound)


def statements(path):
    """Return the statements of a file, without its header."""
    return [ast.dump(each) for each in ast.parse(path.read_text()).body[1:]]


class TestShapes:
    @pytest.mark.parametrize("name", NAMES)
    def test_numpy_keeps_shape_and_precision(self, exports, name):
        module, fields = exports.module(name, "numpy"), small_samples(np.float32)
        expected = numpy_results(module, fields)
        for shape in SHAPES:
            size = int(np.prod(shape))
            given = {field: fields[field][:size].reshape(shape) for field in FIELDS}
            for progress in (0.37, np.float32(0.37), np.full(shape, 0.37, np.float32)):
                for ours, theirs in zip(numpy_results(module, {**given, "progress": progress}), expected, strict=True):
                    assert np.shape(ours) == shape
                    assert np.asarray(ours).dtype == np.float32
                    np.testing.assert_allclose(ours, theirs[:size].reshape(shape), rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("name", NAMES)
    def test_jax_keeps_shape_and_precision(self, exports, name):
        module = exports.module(name, "jax")
        for shape in SHAPES:
            given, scalar = [jax.ShapeDtypeStruct(shape, np.float32)] * 3, jax.ShapeDtypeStruct((), np.float32)
            for loss in (module.policy_loss, module.value_loss):
                for result in (
                    jax.eval_shape(lambda *x, loss=loss: loss(*x, 0.37), *given),
                    jax.eval_shape(loss, *given, scalar),
                    jax.eval_shape(loss, *given, given[0]),
                ):
                    assert result.shape == shape
                    assert result.dtype == np.float32

    @pytest.mark.parametrize("name", NAMES)
    def test_numpy_leaves_its_arguments_as_they_are(self, exports, name):
        fields = small_samples(np.float64)
        before = {field: x.copy() for field, x in fields.items()}
        numpy_results(exports.module(name, "numpy"), fields)
        for field, x in fields.items():
            np.testing.assert_array_equal(x, before[field])


def small_samples(dtype):
    return {field: x[SOME] if x.ndim else x for field, x in samples(dtype).items()}
