"""Selects a few of many similar cases for `make test`; `make test-slow` runs the others."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def quick(cases: Iterable[Any], chosen: Collection[Any]) -> list[Any]:
    """Return cases for `parametrize`; those that are not chosen are marked slow.

    Raises:
        AssertionError: a chosen case is not among them.
    """
    cases = list(cases)
    assert set(chosen) <= set(cases), set(chosen) - set(cases)
    return [case if case in chosen else pytest.param(case, marks=pytest.mark.slow) for case in cases]
