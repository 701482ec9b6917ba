"""Fixtures that tests of environments share."""

import pytest
from jaxtyping import config as type_checks


@pytest.fixture
def _types_unchecked(monkeypatch):
    """As for users, whose input we have to check ourselves."""
    monkeypatch.setattr(type_checks, "jaxtyping_disable", True)
