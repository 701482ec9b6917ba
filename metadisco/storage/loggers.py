"""Optional loggers besides metrics.jsonl. None of them requires a network."""

import importlib.util
import json
import os
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from metadisco.config import LoggingConfig
from metadisco.errors import UserError
from metadisco.storage.files import write_atomically

WANDB = "wandb.json"
"""File in the run directory with the id of the run at Weights & Biases."""
MAX_QUEUE = 10_000  # pending numbers; more than one row has, so that logging a row never blocks


class Logger(Protocol):
    """Takes one row of metrics per generation."""

    def log(self, row: Mapping[str, Any]) -> None:
        """Log the numbers of a row; other entries are ignored."""

    def close(self) -> None:
        """Flush pending rows."""


class TensorBoardLogger:
    """TensorBoard events under `tensorboard/` of the run directory.

    A thread of tensorboardX writes them. If it dies, for example on a full disk, later rows would block forever; so its
    exception is raised here.
    """

    def __init__(self, run_path: Path):
        from tensorboardX import SummaryWriter  # noqa: PLC0415 - optional

        self._writer = SummaryWriter(str(run_path / "tensorboard"), max_queue=MAX_QUEUE)
        self._failure: BaseException | None = None
        self._report = threading.excepthook
        threading.excepthook = self._store_failure

    def _store_failure(self, failure: threading.ExceptHookArgs) -> None:
        """Store the exception of a thread of tensorboardX."""
        if type(failure.thread).__module__.startswith("tensorboardX."):
            self._failure = failure.exc_value
        else:
            self._report(failure)

    def log(self, row: Mapping[str, Any]) -> None:
        """Write one scalar per number."""
        if self._failure is not None:
            raise self._failure
        for name, value in _numbers(row).items():
            self._writer.add_scalar(name, value, row["generation"])

    def close(self) -> None:
        """Flush the events; after a failure no further errors of the thread, or of closing at exit, are reported."""
        try:
            if self._failure is not None:
                raise self._failure
            self._writer.close()
        except OSError:
            self._writer.file_writer.event_writer._closed = True
            raise
        threading.excepthook = self._report


class WandbLogger:
    """Weights & Biases, offline unless the environment variable WANDB_MODE says otherwise.

    A continued run stays one run there, by the id in `wandb.json`. Weights & Biases drops rows whose step does not
    increase; so repeated generations get new steps, and plots use `generation` as their axis.
    """

    def __init__(self, run_path: Path, config: LoggingConfig, settings: Mapping[str, Any], num_again: int):
        import wandb  # noqa: PLC0415 - optional

        mode = os.environ.get("WANDB_MODE", "offline")
        run_id, again = _read_wandb(run_path / WANDB)
        self._again = again + num_again
        write_atomically(run_path / WANDB, json.dumps({"id": run_id, "again": self._again}) + "\n")
        self._run = wandb.init(
            project=config.wandb_project,
            name=run_path.name,
            dir=str(run_path),
            config=dict(settings),
            mode=mode,
            id=run_id,
            resume=None if mode == "offline" else "allow",  # offline, the id joins the parts of a run
        )
        self._run.define_metric("generation")
        self._run.define_metric("*", step_metric="generation")

    def log(self, row: Mapping[str, Any]) -> None:
        """Log the numbers of one generation."""
        generation = row["generation"]
        self._run.log(_numbers(row) | {"generation": generation}, step=generation + self._again)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


def _read_wandb(path: Path) -> tuple[str, int]:
    """Return the id of a run at Weights & Biases and its number of repeated generations; a new id if there is none."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return str(kept["id"]), int(kept["again"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return os.environ.get("WANDB_RUN_ID") or secrets.token_hex(8), 0


def check_loggers(config: LoggingConfig) -> None:
    """Refuse a logger whose library is not installed.

    Raises:
        UserError: saying what to install.
    """
    for wanted, module, extra in (
        (config.tensorboard, "tensorboardX", "tensorboard"),
        (config.wandb, "wandb", "wandb"),
    ):
        if wanted and not _is_installed(module):
            raise UserError(f"logging.{extra}: {module} is not installed; pip install 'metadisco[{extra}]'")


def _is_installed(module: str) -> bool:
    """Whether a library is installed; a folder of its name, such as Weights & Biases leaves, does not count."""
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None


def make_loggers(
    config: LoggingConfig, run_path: Path, settings: Mapping[str, Any], num_again: int = 0
) -> list[Logger]:
    """Return the loggers of a config.

    Args:
        config: selects the loggers.
        run_path: the run directory.
        settings: of the run.
        num_again: number of logged generations that are about to be repeated.
    """
    loggers: list[Logger] = []
    if config.tensorboard:
        loggers.append(TensorBoardLogger(run_path))
    if config.wandb:
        loggers.append(WandbLogger(run_path, config, settings, num_again))
    return loggers


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value) for name, value in row.items() if isinstance(value, int | float) and name != "generation"
    }
