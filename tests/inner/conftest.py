"""Fixtures that tests of environments share."""

import pytest
from jaxtyping import config as type_checks


@pytest.fixture
def _types_unchecked(monkeypatch):
    """As users have it: what they hand over is for us to check."""
    monkeypatch.setattr(type_checks, "jaxtyping_disable", True)
