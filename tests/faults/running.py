"""Commands that are disturbed: a launcher that starts them quickly, and assertions on the finished run."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import PATIENCE, assert_same_run

LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


class RunningCommand:
    """A running command.

    Args:
        pid: its process.
        launcher: who waits for it.
        folder: for its output.
    """

    def __init__(self, pid: int, launcher: "Launcher", folder: Path):
        self.pid, self._launcher, self._folder = pid, launcher, folder
        self._code: int | None = None

    def send(self, *numbers: int, pause: float = 0.0) -> None:
        """Send signals, as long as the process is there."""
        for number in numbers:
            if self._launcher.has_ended():
                return
            os.kill(self.pid, number)
            time.sleep(pause)

    def wait_until(self, condition: Callable[[], bool], pause: float = 0.002) -> bool:
        """Return true once a condition holds, false if the command ends before."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if self._launcher.has_ended():
                return False
            assert time.monotonic() < deadline, (self._folder / "err.txt").read_text()
            time.sleep(pause)
        return True

    def finish(self) -> Ended:
        """Wait for the end."""
        code = self._launcher.code()
        return Ended(code, (self._folder / "out.txt").read_text(), (self._folder / "err.txt").read_text())


class Launcher:
    """Starts commands, one at a time, in children of a process that has done the imports.

    Args:
        folder: for output and compiled programs of commands.
        variables: of the environment, beside those of this process.
    """

    def __init__(self, folder: Path, **variables: str):
        self._folder = folder
        variables |= {
            "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        self._process = subprocess.Popen(
            [sys.executable, str(LAUNCHER)],
            env=os.environ | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._pending = b""
        self._pid: int | None = None
        os.set_blocking(self._process.stdout.fileno(), False)
        try:
            assert self._next_line() == "ready"
        except BaseException:
            self.close()
            raise

    def start(self, words: Sequence[str], *, err: Path | None = None, toy: bool = True) -> RunningCommand:
        """Start a command.

        Args:
            words: arguments of `metadisco`.
            err: where its stderr goes, if not to a file of the launcher's.
            toy: whether a toy takes the place of the meta-problem.
        """
        order = {
            "words": list(words),
            "out": str(self._folder / "out.txt"),
            "err": str(err or self._folder / "err.txt"),
            "toy": toy,
        }
        if self._pid is not None:  # a test that failed has left it
            os.kill(self._pid, signal.SIGKILL)
            self.code()
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._pid = int(self._next_line())
        return RunningCommand(self._pid, self, self._folder)

    def has_ended(self) -> bool:
        """Whether the current command has ended."""
        self._pending += self._process.stdout.read() or b""
        return b"\n" in self._pending

    def _next_line(self) -> str:
        deadline = time.monotonic() + PATIENCE
        while not self.has_ended():
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.001)
        line, self._pending = self._pending.split(b"\n", 1)
        return line.decode()

    def code(self) -> int:
        """Wait for the current command; return its exit code."""
        code = int(self._next_line())
        self._pid = None
        return code

    def run(self, words: Sequence[str]) -> Ended:
        return self.start(words).finish()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


def files_of(run: Path) -> dict[Path, bytes]:
    """Return the contents of every file of a run."""
    return {path.relative_to(run): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def newest_state(run: Path) -> dict[str, Any]:
    """Return the newest checkpoint's generation, steps, and the checksum over the bits of the whole search state."""
    newest = max((path for path in (run / "checkpoints").iterdir() if path.name.isdecimal()), key=lambda p: int(p.name))
    return json.loads((newest / "progress" / "metadata").read_text())


def assert_equal_in_every_bit(run: Path, other: Path) -> None:
    """Compare rows without times, centres, and the state that the last checkpoint holds."""
    assert_same_run(run, other)
    state = newest_state(run)
    assert len(state["sha256"]) == 64
    assert state == newest_state(other)


def assert_one_sentence(ended: Ended, code: int, *told: str) -> None:
    """Check the exit code and that the last line, and no traceback before it, explains the error."""
    assert ended.code == code, ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err and "Error" not in ended.err, ended.err
    complaints = [line for line in ended.err.splitlines() if line.startswith("metadisco: ")]
    assert complaints == ended.err.splitlines()[-1:], ended.err
    for text in told:
        assert text in complaints[0], ended.err
