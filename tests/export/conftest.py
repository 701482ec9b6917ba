"""Exported files, made and checked once."""

import functools

import pytest

pytest.register_assert_rewrite("loss_contract")

from exported import Exports  # noqa: E402
from self_checks import check_all  # noqa: E402


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    return Exports(tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="session")
def self_checks(exports, tmp_path_factory):
    """Return what the files of a language, and those with one number changed, say of themselves."""
    return functools.cache(lambda language: check_all(exports, language, tmp_path_factory.mktemp("changed")))
