"""`metadisco evolve` in several processes: starts those of this machine, forwards signals, and explains their end.

JAX aborts a process when another one has ended, with pages of output. So each process of a job has a parent that does
not initialise JAX: it reads this output and explains in one sentence what happened.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple

from metadisco.commands.evolve.causes import AGAIN, Ending, explain
from metadisco.commands.evolve.run import check_run, limit_words, read_config
from metadisco.errors import UserError
from metadisco.outer.team import JOIN_TIMEOUT, Place, num_cores

START = "from metadisco.cli import main; raise SystemExit(main())"
STDERR = 2  # its file descriptor; `sys.stderr` may be an object that cannot be passed to a process
POLL = 0.05  # seconds
GRACE = 1.0  # seconds that the other processes have to end by themselves after one has failed
LONGEST_WAIT = 1_000_000  # maximum of --join-timeout in seconds; JAX counts milliseconds
EXIT_TIMEOUT = 60.0  # seconds within which all processes must end after the first one has finished


class Child(NamedTuple):
    """A process started by the launcher."""

    process: "subprocess.Popen[bytes]"
    log: IO[bytes]
    """Output of its libraries."""
    screen: IO[bytes] | None
    """Its messages for the user; None if they are shown directly."""


def launch(
    config_path: Path, overrides: Sequence[str], run_path: Path, quiet: bool, max_hours: str | None, processes: int
) -> int:
    """Evolve in several processes on the CPU of this machine; return the exit code.

    Raises:
        UserError: for invalid input; no process has been started then.
    """
    if processes < 1:
        raise UserError(f"--processes: got {processes}, allowed: at least 1")
    config = read_config(config_path, overrides)
    if processes > config.outer.num_evaluations:
        raise UserError(
            f"--processes: got {processes}, allowed: 1 to {config.outer.num_evaluations}, the evaluations of a "
            "generation"
        )
    check_run(run_path, config)
    devices = config.outer.num_devices or processes * max(1, num_cores() // processes)
    if devices % processes:
        raise UserError(f"outer.num_devices: got {devices}, allowed: a multiple of --processes {processes}")
    address = f"127.0.0.1:{_free_port()}"
    variables = {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(devices // processes),
        "JAX_COORDINATOR_BIND_ADDRESS": address,
    }
    words = _words(config_path, overrides, run_path, quiet, max_hours)
    again = ("--processes", str(processes))
    places = [Place(address, processes, number, again=again) for number in range(processes)]
    return _Launcher(words, places, variables).run()


def launch_member(
    config_path: Path, overrides: Sequence[str], run_path: Path, quiet: bool, max_hours: str | None, place: Place
) -> int:
    """Evolve as one of several processes that are started externally, on one or several machines; return the exit code.

    Raises:
        UserError: for invalid input; no process has been started then.
    """
    place = complete(place._replace(again=("--distributed", *_options(place))), os.environ)
    config = read_config(config_path, overrides)
    if place.process_id == 0:
        check_run(run_path, config)
    return _Launcher(_words(config_path, overrides, run_path, quiet, max_hours), [place], {}).run()


def complete(place: Place, variables: "os._Environ[str] | dict[str, str]") -> Place:
    """Fill in options that were not given from JAX's environment variables.

    Raises:
        UserError: for invalid values.
    """
    given = {
        "coordinator": ("--coordinator", "JAX_COORDINATOR_ADDRESS", str),
        "num_processes": ("--num-processes", "JAX_NUM_PROCESSES", int),
        "process_id": ("--process-id", "JAX_PROCESS_ID", int),
    }
    for field, (_, variable, kind) in given.items():
        if getattr(place, field) is None and variable in variables:
            try:
                place = place._replace(**{field: kind(variables[variable])})
            except ValueError as error:
                raise UserError(f"{variable}: got {variables[variable]!r}, allowed: a whole number") from error
    names = {field: f"{option} (or {variable})" for field, (option, variable, _) in given.items()}
    host, _, port = (place.coordinator or "host:1").rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 2**16:
        raise UserError(f"{names['coordinator']}: got {place.coordinator!r}, allowed: HOST:PORT")
    if place.num_processes is not None and place.num_processes < 1:
        raise UserError(f"{names['num_processes']}: got {place.num_processes}, allowed: at least 1")
    if place.process_id is not None and not 0 <= place.process_id < (place.num_processes or 2**31):
        allowed = f"0 to {place.num_processes - 1}" if place.num_processes else "0 or more"
        raise UserError(f"{names['process_id']}: got {place.process_id}, allowed: {allowed}")
    if not 1 <= place.join_timeout <= LONGEST_WAIT:
        raise UserError(f"--join-timeout: got {place.join_timeout}, allowed: 1 to {LONGEST_WAIT} seconds")
    return place


def _words(
    config_path: Path, overrides: Sequence[str], run_path: Path, quiet: bool, max_hours: str | None
) -> list[str]:
    """Return the command line that all processes share."""
    return ["evolve", str(config_path), *overrides, "--run", str(run_path), *limit_words(max_hours),
            *(["--quiet"] if quiet else [])]  # fmt: skip


def _options(place: Place) -> list[str]:
    """Return the options with address and number of a process."""
    options = [] if place.join_timeout == JOIN_TIMEOUT else ["--join-timeout", str(place.join_timeout)]
    for name in ("coordinator", "num_processes", "process_id"):
        value = getattr(place, name)
        options += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    return options


def _free_port() -> int:
    """Return an unused port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Launcher:
    """Starts processes, forwards signals to them, and waits for their end."""

    def __init__(self, words: Sequence[str], places: Sequence[Place], variables: dict[str, str]):
        self._words, self._places, self._variables = words, places, variables
        self._children: list[Child] = []
        self._signals: list[int] = []
        self._ended: set[int] = set()
        """Indices of the children that the launcher has ended."""

    def run(self) -> int:
        """Run the job; explain errors and return the exit code."""
        before = {number: signal.signal(number, self._pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for place in self._places:
                self._children.append(self._start(place))
            for number in self._signals[:1]:  # received before all processes were started
                self._send(number)
            self._wait()
        finally:
            for child in self._children:
                child.process.kill()
                child.process.wait()
            for number, handler in before.items():
                signal.signal(number, handler)
        return self._report()

    def _start(self, place: Place) -> Child:
        """Start one process; the first one writes to the user's screen, the others to one file each."""
        log = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended
        screen = tempfile.TemporaryFile() if self._children else None  # noqa: SIM115
        number = screen.fileno() if screen else os.dup(STDERR)
        options = ["--distributed", *_options(place), "--member", f"{number}", f"--again={shlex.join(place.again)}"]
        path = os.pathsep.join(filter(None, sys.path))
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, *self._words, *options],
            env=os.environ | {"PYTHONPATH": path} | self._variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[number],
            process_group=0,  # so that Ctrl-C reaches the launcher only
        )
        if screen is None:
            os.close(number)
        return Child(process, log, screen)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        """Forward a signal; a second SIGINT kills all processes."""
        at_once = number == signal.SIGINT and bool(self._signals)
        self._signals.append(number)
        self._send(signal.SIGKILL if at_once else number)

    def _send(self, number: int) -> None:
        for child in self._children:
            if child.process.poll() is None:
                child.process.send_signal(number)

    @property
    def _at_once(self) -> bool:
        return len(self._signals) > 1 and signal.SIGINT in self._signals[1:]

    def _wait(self) -> None:
        """Wait for all processes; end the others some time after one has failed or finished."""
        deadline = float("inf")
        while None in (codes := [child.process.poll() for child in self._children]):
            if any(codes):
                deadline = min(deadline, time.monotonic() + GRACE)
            elif 0 in codes:
                deadline = min(deadline, time.monotonic() + EXIT_TIMEOUT)
            if time.monotonic() >= deadline:
                self._ended = {number for number, code in enumerate(codes) if code is None}
                return
            time.sleep(POLL)

    def _report(self) -> int:
        """Explain errors, if any, and return the exit code."""
        again = shlex.join(["metadisco", *self._words, *self._places[0].again])
        endings = [
            Ending(place.process_id, None if number in self._ended else child.process.returncode,
                   _text(child.log), _text(child.screen))
            for number, (place, child) in enumerate(zip(self._places, self._children, strict=True))
        ]  # fmt: skip
        code, sentence = explain(endings, self._places[0], self._signals)
        if sys.stderr.isatty():
            print("\x1b[?25h", end="", file=sys.stderr)  # show the cursor, which a live bar hides
        if self._at_once:
            print(f"stopped immediately; to continue from the last checkpoint: {again}", file=sys.stderr)
            return 0
        if sentence:
            print(sentence.replace(AGAIN, again), file=sys.stderr)
        return code


def _text(file: IO[bytes] | None) -> str:
    """Return the content of a temporary file."""
    if file is None:
        return ""
    file.seek(0)
    return file.read().decode(errors="replace")
