"""How every command refuses unusable input."""

from collections.abc import Sequence

import pytest

from metadisco.cli import main


def assert_refused(words: Sequence[str], told: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Check that a command ends with code 2 and one line on stderr that contains all parts."""
    capsys.readouterr()
    assert main(list(words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("metadisco: ")
    assert "Traceback" not in err
    for part in told:
        assert part in err
