"""Commands in separate processes, and the contents of their run directories."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rows import timeless

COMMAND = (sys.executable, "-c", "from metadisco.cli import main; raise SystemExit(main())")
PATIENCE = 600  # seconds until one counts as hanging: physics take minutes to compile where cores are few


class Process:
    """A command in a process of its own; compiled programs are kept for the next one.

    Its output goes to files: a full pipe would block it.

    Args:
        words: arguments of `metadisco`.
        folder: for its output and compiled programs.
        compiled: folder for its compiled programs, if elsewhere.
    """

    def __init__(self, words: Sequence[str], folder: Path, compiled: Path | None = None):
        self._out, self._err = folder / "out.txt", folder / "err.txt"
        variables = {
            "JAX_COMPILATION_CACHE_DIR": str(compiled or folder / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "TF_CPP_MIN_LOG_LEVEL": "3",  # else XLA describes the machine for each program that it finds there
        }
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen([*COMMAND, *words], env=os.environ | variables, stdout=out, stderr=err)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def members(self) -> list[int]:
        """Return the processes that it has started itself, in order."""
        pid = self._process.pid
        return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self._process.poll() is None, self._err.read_text()
            assert time.monotonic() < deadline, self._err.read_text()
            time.sleep(0.005)

    def finish(self) -> tuple[int, str, str]:
        """Wait for the end; return exit code, stdout and stderr."""
        code = self._process.wait(PATIENCE)
        return code, self._out.read_text(), self._err.read_text()


def num_starts(run: Path) -> int:
    """Return how often the search of a run has begun."""
    path = run / "provenance.json"
    return len(json.loads(path.read_text())) if path.exists() else 0


def num_rows(run: Path) -> int:
    path = run / "metrics.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def rows_of(run: Path) -> list[dict[str, Any]]:
    """Return the rows of a run, without times."""
    return timeless(json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())


def centres_of(run: Path) -> dict[str, dict[str, bytes]]:
    """Return the bytes of every array of every centre."""
    centres = {}
    for path in sorted((run / "centres").glob("*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            centres[path.stem] = {name: arrays[name].tobytes() for name in arrays.files}
    return centres


def assert_same_run(run: Path, other: Path) -> None:
    assert rows_of(run) == rows_of(other)
    centres, expected = centres_of(run), centres_of(other)
    assert expected.keys() <= centres.keys()
    assert {name: centres[name] for name in expected} == expected
