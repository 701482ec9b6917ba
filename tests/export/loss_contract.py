"""The contract of every exported file, in any language."""

from typing import Any

import numpy as np
from exported import LEARNED, Exports
from loss_samples import EXTREMES, rows, samples

TOLERANCES = {np.float32: 1e-5, np.float64: 1e-10}


def relative_error(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the error relative to the expected value, or to 1 if that is smaller."""
    return np.abs(found - expected) / np.maximum(1, np.abs(expected))


def assert_values_and_slopes(exports: Exports, name: str, language: str, dtype: Any) -> None:
    """Values and slopes are those of the original, in either precision.

    Equal patterns of NaN and infinity, and close where there is no kink: to the original in the same precision or in
    double precision; or no further from the latter than twice the original in the same precision, which for r beyond
    some hundreds is the rounding of r A - (r - clip r) A.
    """
    found, expected = exports.results(name, language, dtype)["ordinary"], exports.expected(name, dtype)["ordinary"]
    for ours, theirs, truth, kink in zip(found, *expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        assert kink.mean() < 0.01
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
        np.testing.assert_array_equal(np.isinf(ours), np.isinf(theirs))
        compared = ~kink & np.isfinite(theirs)
        to_theirs, to_truth, own = (
            relative_error(found, x)[compared] for found, x in ((ours, theirs), (ours, truth), (theirs, truth))
        )
        assert np.where(to_truth <= 2 * own, 0, np.minimum(to_theirs, to_truth)).max() <= TOLERANCES[dtype]
        assert (own > TOLERANCES[dtype]).mean() < 0.02


def assert_atoms(exports: Exports, name: str, language: str, dtype: Any) -> None:
    """At r = 1, and where the value is the old one or the target, even slopes at kinks are those of the original."""
    expected = exports.expected(name, dtype)["atoms"].given
    for ours, theirs in zip(exports.results(name, language, dtype)["atoms"], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])


def assert_nan(exports: Exports, name: str, language: str) -> None:
    """NaN in gives NaN out: losses where the original's are, slopes at least where the original's are.

    In PyTorch the slopes of |x| and of a maximum at NaN are 0, or those of the argument that is a number: slopes by the
    value are not compared where the old value is NaN, nor for forms of |V - target|; losses are.
    """
    expected = exports.expected(name, np.float32)["nan"].given
    found = exports.results(name, language, np.float32)["nan"]
    constant = np.isnan(samples(np.float32)["old_value"][rows("nan")]) | (name in ("quantile", "kinks"))
    constant &= language == "torch"
    for number in (0, 2):
        assert np.isnan(expected[number]).any()
        np.testing.assert_array_equal(np.isnan(found[number]), np.isnan(expected[number]))
    assert np.isnan(found[1])[np.isnan(expected[1])].all()
    assert np.isnan(found[3])[np.isnan(expected[3]) & ~constant].all()


def assert_extremes(exports: Exports, name: str, language: str, dtype: Any) -> None:
    """Losses of extreme inputs are NaN or infinite where the original's are.

    Whether a sum of products with ±3e38 overflows in single precision depends on its order, which is not compared.
    """
    expected, found = (
        exports.expected(name, dtype)["extremes"].given,
        exports.results(name, language, dtype)["extremes"],
    )
    fields = {field: x[rows("extremes")] for field, x in samples(dtype).items() if x.ndim}
    limit = 1e38 if name in LEARNED and dtype == np.float32 else max(EXTREMES)
    for number, part in ((0, ("log_ratio", "advantage")), (2, ("value", "old_value", "target"))):
        large = [np.isfinite(fields[field]) & (np.abs(fields[field]) > limit) for field in part]
        compared = ~np.any(large, 0)
        for pattern in (np.isnan, np.isposinf, np.isneginf):
            wrong = compared & (pattern(found[number]) != pattern(expected[number]))
            first = int(np.argmax(wrong))
            assert not wrong.any(), (
                f"{wrong.sum()} differ, such as { ({field: fields[field][first] for field in part}) }: "
                f"{expected[number][first]} expected, got {found[number][first]}"
            )
