"""Optional loggers: events are written without a network, and a missing library is named."""

import importlib.util
import json
import sys
from types import SimpleNamespace

import pytest

from metadisco.config import LoggingConfig, parse_config
from metadisco.errors import UserError
from metadisco.evolution.deadline import Deadline
from metadisco.evolution.display import Display
from metadisco.evolution.recorder import RunRecorder
from metadisco.storage.loggers import check_loggers, make_loggers
from metadisco.storage.runs import RunDirectory

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


class FakeWandb:
    """A model of Weights & Biases: it drops rows whose step does not exceed the last one of the run."""

    def __init__(self):
        self.rows = {}
        self.metrics = {}
        self.started = []

    def init(self, *, id, **settings):
        self.started.append({"id": id, **settings})
        kept = self.rows.setdefault(id, [])

        def log(numbers, step):
            if not kept or step > kept[-1]["step"]:
                kept.append({"step": step, **numbers})

        def define_metric(name, step_metric=None):
            self.metrics[name] = step_metric

        return SimpleNamespace(env_steps=0, log=log, define_metric=define_metric, finish=lambda: None)


@pytest.fixture
def wandb(monkeypatch):
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("WANDB_RUN_ID", raising=False)
    return fake


EVALUATOR = SimpleNamespace(
    env_steps=0, num_devices=1, num_processes=1, platform="cpu", chunk_size=1, chunk_bytes=None, compile_seconds=0.0,
    num_baselines=0, num_baselines_per_generation=0,
)  # fmt: skip


def record(path, done, generations):
    """Start or continue a run, as after a kill with `done` generations in the checkpoint, and log rows."""
    lock, interrupt = SimpleNamespace(env_steps=0, check=lambda: None), SimpleNamespace(begin=lambda: None)
    config = parse_config({"logging": {"wandb": True}})
    recorder = RunRecorder(RunDirectory(path), config, Display(True), lock, Deadline(None, 0.0), interrupt)
    recorder.done = done
    recorder.start(EVALUATOR)
    for generation in generations:
        recorder.log({"generation": generation, "fitness_mean": float(generation), "seconds": 0.1})


class TestWandb:
    @pytest.mark.parametrize("mode", ["offline", "online"])
    def test_a_run_that_is_killed_and_continued_is_one_run_in_which_no_row_is_lost(
        self, wandb, monkeypatch, tmp_path, mode
    ):
        monkeypatch.setenv("WANDB_MODE", mode)
        record(tmp_path / "run", 0, range(5))
        record(tmp_path / "run", 2, range(2, 4))
        record(tmp_path / "run", 3, range(3, 6))
        record(tmp_path / "run", 6, range(6, 8))
        ((run_id, rows),) = wandb.rows.items()
        assert [row["generation"] for row in rows] == [*range(5), *range(2, 4), *range(3, 6), *range(6, 8)]
        assert all(row["fitness_mean"] == row["generation"] for row in rows)
        assert wandb.metrics == {"generation": None, "*": "generation"}
        assert json.loads((tmp_path / "run" / "wandb.json").read_text())["id"] == run_id
        assert {each["resume"] for each in wandb.started} == {None if mode == "offline" else "allow"}

    def test_runs_of_two_directories_are_two(self, wandb, tmp_path):
        for name in ("one", "other"):
            record(tmp_path / name, 0, range(2))
        assert [len(rows) for rows in wandb.rows.values()] == [2, 2]

    def test_offline_is_the_default_and_a_damaged_file_begins_anew(self, wandb, tmp_path):
        (tmp_path / "wandb.json").write_text("{")
        (logger,) = make_loggers(LoggingConfig(wandb=True), tmp_path, {})
        logger.log(ROW)
        logger.close()
        assert [each["mode"] for each in wandb.started] == ["offline"]
        assert list(wandb.rows) == [json.loads((tmp_path / "wandb.json").read_text())["id"]]


def test_a_folder_that_is_named_like_a_library_is_not_taken_for_it(monkeypatch, tmp_path):
    """Weights & Biases leaves such a folder in the working directory."""
    (tmp_path / "wandb").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    with pytest.raises(UserError, match=r"logging\.wandb: wandb is not installed"):
        check_loggers(LoggingConfig(wandb=True))


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "tensorboardX"), ("wandb", "wandb")])
def test_a_missing_library_is_refused_with_what_to_install(monkeypatch, name, module):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None if wanted == module else real(wanted))
    with pytest.raises(UserError, match=rf"logging\.{name}: .*pip install 'metadisco\[{name}\]'"):
        check_loggers(LoggingConfig(**{name: True}))
