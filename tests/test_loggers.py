"""Optional loggers: events are written without a network, and a missing library is named."""

import importlib.util

import pytest

from metadisco.config import LoggingConfig
from metadisco.errors import UserError
from metadisco.loggers import check_loggers, make_loggers

ROW = {"generation": 3, "fitness_mean": 1.5, "fitness_best": None, "step_skipped": False}


def test_tensorboard_events_are_written_into_the_run_directory(tmp_path):
    (logger,) = make_loggers(LoggingConfig(tensorboard=True), tmp_path, {})
    logger.log(ROW)
    logger.close()
    (events,) = (tmp_path / "tensorboard").iterdir()
    content = events.read_bytes()
    assert b"fitness_mean" in content
    assert b"fitness_best" not in content


def test_no_logger_is_made_unless_asked_for(tmp_path):
    assert make_loggers(LoggingConfig(), tmp_path, {}) == []


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "tensorboardX"), ("wandb", "wandb")])
def test_a_missing_library_is_refused_with_what_to_install(monkeypatch, name, module):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None if wanted == module else real(wanted))
    with pytest.raises(UserError, match=rf"logging\.{name}: .*pip install 'metadisco\[{name}\]'"):
        check_loggers(LoggingConfig(**{name: True}))
