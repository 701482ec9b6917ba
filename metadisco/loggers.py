"""Optional places for metrics besides metrics.jsonl. None of them needs a network."""

import importlib.util
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from metadisco.config import LoggingConfig
from metadisco.errors import UserError

MAX_QUEUE = 10_000  # numbers that wait to be written; more than a row has, so that a row never blocks


class Logger(Protocol):
    """Takes one row of metrics per generation."""

    def log(self, row: Mapping[str, Any]) -> None:
        """Keep the numbers of a row; what is not a number is left out."""

    def close(self) -> None:
        """Write out what is pending."""


class TensorBoardLogger:
    """TensorBoard events under `tensorboard/` of the run directory.

    A thread of tensorboardX writes them. If it dies, as on a full disk, later rows would be waited for without end, so
    that what killed it is raised here.
    """

    def __init__(self, run_path: Path):
        from tensorboardX import SummaryWriter  # noqa: PLC0415 - optional

        self._writer = SummaryWriter(str(run_path / "tensorboard"), max_queue=MAX_QUEUE)
        self._trouble: BaseException | None = None
        self._report = threading.excepthook
        threading.excepthook = self._note

    def _note(self, failure: threading.ExceptHookArgs) -> None:
        """Keep what killed a thread of tensorboardX."""
        if type(failure.thread).__module__.startswith("tensorboardX."):
            self._trouble = failure.exc_value
        else:
            self._report(failure)

    def log(self, row: Mapping[str, Any]) -> None:
        """Write one scalar per number."""
        if self._trouble is not None:
            raise self._trouble
        for name, value in _numbers(row).items():
            self._writer.add_scalar(name, value, row["generation"])

    def close(self) -> None:
        """Flush the events; where that fails what becomes of the thread, and of closing again at exit, is not told."""
        try:
            if self._trouble is not None:
                raise self._trouble
            self._writer.close()
        except OSError:
            self._writer.file_writer.event_writer._closed = True
            raise
        threading.excepthook = self._report


class WandbLogger:
    """Weights & Biases, offline unless the environment variable WANDB_MODE says otherwise."""

    def __init__(self, run_path: Path, config: LoggingConfig, settings: Mapping[str, Any]):
        import wandb  # noqa: PLC0415 - optional

        self._run = wandb.init(
            project=config.wandb_project,
            name=run_path.name,
            dir=str(run_path),
            config=dict(settings),
            mode=os.environ.get("WANDB_MODE", "offline"),
        )

    def log(self, row: Mapping[str, Any]) -> None:
        """Log the numbers of one generation."""
        self._run.log(_numbers(row), step=row["generation"])

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


def check_loggers(config: LoggingConfig) -> None:
    """Refuse a logger whose library is not installed.

    Raises:
        UserError: saying what to install.
    """
    for wanted, module, extra in (
        (config.tensorboard, "tensorboardX", "tensorboard"),
        (config.wandb, "wandb", "wandb"),
    ):
        if wanted and importlib.util.find_spec(module) is None:
            raise UserError(f"logging.{extra}: {module} is not installed; pip install 'metadisco[{extra}]'")


def make_loggers(config: LoggingConfig, run_path: Path, settings: Mapping[str, Any]) -> list[Logger]:
    """Return the loggers that a config asks for."""
    loggers: list[Logger] = []
    if config.tensorboard:
        loggers.append(TensorBoardLogger(run_path))
    if config.wandb:
        loggers.append(WandbLogger(run_path, config, settings))
    return loggers


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value) for name, value in row.items() if isinstance(value, int | float) and name != "generation"
    }
