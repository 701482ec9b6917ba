"""Meta-policies as source for PyTorch."""

import numpy as np
import pytest
from policies import SECTIONS, STATELESS, TOLERANCE, check_all, file_logits
from source_text import assert_helpers_are_used, assert_needs_its_library_alone, lint

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.export


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SECTIONS)
def test_logits_are_those_of_the_original(policies, name, dtype):
    given = file_logits(policies.module(name, "torch"), torch.tensor(policies.meta_states(name), dtype=dtype))
    assert {logits.dtype for logits in given} == {dtype}
    np.testing.assert_allclose(torch.stack(given, 1), policies.original(name), atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("name", SECTIONS)
def test_further_axes_come_first(policies, name):
    module, states = policies.module(name, "torch"), torch.tensor(policies.meta_states(name)[:, :3])
    memory = module.initial_memory((2, 1))
    for decision, expected in enumerate(file_logits(module, states)):
        ours, memory = module.act(states[:, None, decision], memory)
        assert ours.shape == (2, 1, expected.shape[-1])
        torch.testing.assert_close(ours[:, 0], expected)


@pytest.mark.parametrize("name", STATELESS)
def test_without_a_memory_logits_alone_are_returned(policies, name):
    module, states = policies.module(name, "torch"), torch.tensor(policies.meta_states(name))
    logits, memory = module.act(states, module.initial_memory())
    assert memory == ()
    torch.testing.assert_close(module.act(states), logits)
    logits += 1  # a separate result, not the weights of the file
    torch.testing.assert_close(module.act(states), logits - 1)


def test_files_check_themselves_and_find_a_changed_weight(policies):
    for (_, changed), said in check_all(policies, tuple(SECTIONS), "torch").items():
        assert ("SystemExit: differs from the original" in said) if changed else said == ""


@pytest.mark.parametrize("name", SECTIONS)
def test_a_file_is_what_a_person_would_have_written(policies, name):
    path = policies.path(name, "torch")
    assert_needs_its_library_alone(path, "torch")
    assert_helpers_are_used(path)
    assert lint(path) == ""
