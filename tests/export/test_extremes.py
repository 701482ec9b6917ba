"""Exported files for NumPy and JAX at NaN, at infinity and close to overflow."""

import pytest
from exported import FEW, NAMES
from loss_contract import TOLERANCES, assert_extremes, assert_nan
from quick import quick

LANGUAGES = ("numpy", "jax")


@pytest.mark.parametrize("language", quick(LANGUAGES, ["numpy"]))
@pytest.mark.parametrize("name", quick(NAMES, FEW))
def test_nan_in_gives_nan_out(exports, name, language):
    assert_nan(exports, name, language)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("language", quick(LANGUAGES, ["numpy"]))
@pytest.mark.parametrize("name", quick(NAMES, FEW))
def test_losses_of_extreme_inputs_are_nan_or_infinite_where_the_original_is(exports, name, language, dtype):
    assert_extremes(exports, name, language, dtype)
