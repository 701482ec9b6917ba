"""Exported files for PyTorch: losses and gradients of the original in JAX, and transformations of PyTorch."""

import math

import numpy as np
import pytest
from exported import NAMES, load, torch_results
from loss_contract import TOLERANCES, assert_atoms, assert_extremes, assert_nan, assert_values_and_slopes
from loss_samples import FIELDS, samples
from self_checks import CLIPPED, OTHER_CLIP
from source_text import assert_helpers_are_used, assert_needs_its_library_alone, lint

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.export

SHAPES = ((), (6,), (2, 3))
SOME = slice(3000, 3006)
LOSSES = {
    "policy_loss": ("log_ratio", "old_log_prob", "advantage"),
    "value_loss": ("value", "old_value", "target"),
}


@pytest.fixture
def module(exports, name):
    return exports.module(name, "torch")


@pytest.fixture(scope="module")
def fields():
    """A few samples in single precision."""
    some = {field: torch.tensor(samples(np.float32)[field][SOME]) for field in FIELDS}
    return {**some, "old_log_prob": torch.zeros(6)}


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", NAMES)
def test_values_and_slopes_are_those_of_the_original(exports, name, dtype):
    assert_values_and_slopes(exports, name, "torch", dtype)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", NAMES)
def test_slopes_at_ratio_one_old_value_and_target_are_those_of_the_original(exports, name, dtype):
    assert_atoms(exports, name, "torch", dtype)


@pytest.mark.parametrize("name", NAMES)
def test_nan_in_gives_nan_out(exports, name):
    assert_nan(exports, name, "torch")


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", NAMES)
def test_losses_of_extreme_inputs_are_nan_or_infinite_where_the_original_is(exports, name, dtype):
    assert_extremes(exports, name, "torch", dtype)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_shape_and_precision_are_kept_however_progress_is_given(module, fields, loss, shape):
    size, function = math.prod(shape), getattr(module, loss)
    whole = [fields[field] for field in LOSSES[loss]]
    given = [x[:size].reshape(shape) for x in whole]
    for dtype in (torch.float32, torch.float64):
        expected = function(*(x.to(dtype) for x in whole), torch.tensor(0.25, dtype=dtype))[:size].reshape(shape)
        for progress in (0.25, torch.tensor(0.25), torch.tensor(0.25, dtype=dtype), torch.full(shape, 0.25)):
            ours = function(*(x.to(dtype) for x in given), progress)
            assert ours.shape == shape
            assert ours.dtype == dtype
            torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NAMES)
def test_each_sample_can_have_a_progress_of_its_own(module, fields, loss):
    function, given = getattr(module, loss), [fields[field] for field in LOSSES[loss]]
    progress = torch.tensor([0.0, 0.2, 0.4, 0.6, 0.8, 0.9])
    alone = [function(*(x[i] for x in given), float(progress[i])) for i in range(6)]
    torch.testing.assert_close(function(*given, progress), torch.stack(alone))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NAMES)
def test_results_are_on_the_device_of_the_inputs(module, fields, loss):
    given = [fields[field].to("meta") for field in LOSSES[loss]]
    for progress in (0.25, torch.tensor(0.25, device="meta"), torch.full((6,), 0.25, device="meta")):
        ours = getattr(module, loss)(*given, progress)
        assert ours.device.type == "meta"
        assert ours.dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_the_default_precision_does_not_matter(exports, name):
    fields = {field: x[SOME] if x.ndim else x for field, x in samples(np.float32).items()}
    expected = torch_results(load(exports.path(name, "torch")), fields)
    torch.set_default_dtype(torch.float64)
    try:
        found = torch_results(load(exports.path(name, "torch")), fields)
    finally:
        torch.set_default_dtype(torch.float32)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # within PyTorch, of its own
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NAMES)
def test_torch_func_gives_the_same_slopes(module, fields, loss):
    function, (x, *rest) = getattr(module, loss), [fields[field] for field in LOSSES[loss]]
    tracked = x.clone().requires_grad_()
    values = function(tracked, *rest, 0.25)
    (slopes,) = torch.autograd.grad(values.sum(), tracked)
    found = torch.func.vmap(torch.func.grad_and_value(function), in_dims=(0, 0, 0, None))(x, *rest, 0.25)
    torch.testing.assert_close(found, (slopes, values.detach()))
    forward = torch.func.jvp(lambda x: function(x, *rest, 0.25), (x,), (torch.ones_like(x),))
    torch.testing.assert_close(forward, (values.detach(), slopes))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("first", [torch.inference_mode, torch.no_grad])
@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_trained_with_after_it_was_evaluated_without_gradients(exports, name, fields, loss, first):
    function = getattr(load(exports.path(name, "torch")), loss)
    x, *rest = [fields[field] for field in LOSSES[loss]]
    with first():
        expected = function(x, *rest, 0.25)
    parameter = x.clone().requires_grad_()
    ours = function(parameter, *rest, 0.25)
    ours.mean().backward()
    assert parameter.grad is not None
    torch.testing.assert_close(ours.detach(), expected.clone())


@pytest.mark.parametrize("name", NAMES)
def test_a_file_agrees_with_the_original_without_metadisco_and_jax_and_without_a_warning(self_checks, name):
    assert self_checks("torch")[name, ""] == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_number_that_is_one_per_cent_off_is_found(self_checks, name):
    said = {change: each for (of, change), each in self_checks("torch").items() if of == name}
    missed = {change for change, each in said.items() if not each.startswith("SystemExit: differs from the original")}
    assert len(said) > 1
    assert missed <= {"", OTHER_CLIP}


@pytest.mark.parametrize("name", CLIPPED)
def test_a_ratio_that_is_clipped_elsewhere_is_found(self_checks, name):
    assert self_checks("torch")[name, OTHER_CLIP].startswith("SystemExit: differs from the original")


@pytest.mark.parametrize("name", NAMES)
def test_its_text_needs_its_library_alone_and_holds_no_helper_that_is_not_used(exports, name):
    assert_needs_its_library_alone(exports.path(name, "torch"), "torch")
    assert_helpers_are_used(exports.path(name, "torch"))


@pytest.mark.parametrize("name", NAMES)
def test_a_linter_finds_nothing(exports, name):
    assert lint(exports.path(name, "torch")) == ""
