"""Signals are handled at any time, even if Python cannot interrupt the main thread."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import PATIENCE

from metadisco.evolution.interrupt import Interrupt

TERM, INT = signal.SIGTERM, signal.SIGINT


def send(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_the_first_signal_asks_for_a_stop_and_those_after_it_do_nothing():
    said = []
    with Interrupt(said.append) as interrupt:
        interrupt.begin()
        assert not interrupt.requested
        send(TERM)
        wait_for(lambda: said)
        assert interrupt.requested
        send(*[TERM] * 200, INT, *[TERM] * 200)
        time.sleep(0.1)
    assert len(said) == 1 and said[0].startswith("SIGTERM: finishing the current generation")


def test_signals_at_the_end_do_nothing():
    said = []
    with Interrupt(said.append) as interrupt:
        interrupt.begin()
        interrupt.end()
        send(INT, INT, TERM)
        time.sleep(0.1)
    assert (said, interrupt.requested) == ([], False)


def test_handlers_are_as_before_afterwards():
    before = [signal.getsignal(number) for number in (INT, TERM)]
    with Interrupt(print):
        assert [signal.getsignal(number) for number in (INT, TERM)] != before
    assert [signal.getsignal(number) for number in (INT, TERM)] == before
    assert signal.set_wakeup_fd(-1) == -1


DEAF = """
import ctypes, os, sys
from metadisco.evolution.interrupt import Interrupt
with Interrupt(lambda *words: print(*words, flush=True)) as interrupt:
    interrupt.prepare(lambda *words: print(*words, flush=True), [lambda: print("left", flush=True)], "the command")
    if "search" in sys.argv:
        interrupt.begin()
    print("ready", flush=True)
    for _ in range(1000):
        ctypes.CDLL(None).sleep(60)  # like JAX: the main thread runs no Python
"""


def has_taken(process):
    """Whether no signal waits for a process: of two alike that wait one is lost."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    return process.poll() is not None or int(fields["ShdPnd"], 16) == 0


@pytest.mark.parametrize(
    ("phase", "numbers", "told"),
    [
        ("start", [TERM], "SIGTERM: stopped before the search began, nothing was written; to restart: the command"),
        ("start", [INT], "SIGINT: stopped before the search began, nothing was written; to restart: the command"),
        ("search", [INT, INT], "stopped immediately; to continue from the last checkpoint: the command"),
        ("search", [TERM, INT, TERM, INT], "stopped immediately; to continue from the last checkpoint: the command"),
    ],
)
def test_a_stop_at_once_does_not_wait_for_the_main_thread(phase, numbers, told):
    process = subprocess.Popen([sys.executable, "-c", DEAF, phase], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "ready\n"
        for number in numbers:
            process.send_signal(number)
            wait_for(lambda: has_taken(process))
        assert process.wait(PATIENCE) == 0
        assert process.stdout.read().splitlines()[-2:] == [told, "left"]


def test_in_a_process_that_ends_with_it_later_signals_change_no_exit_code():
    code = """
import os, signal, sys, time
from metadisco.evolution.interrupt import Interrupt
with Interrupt(lambda *words: print(*words, flush=True), is_last=True) as interrupt:
    interrupt.begin()
    os.kill(os.getpid(), signal.SIGTERM)
    while not interrupt.requested:
        time.sleep(0.01)
os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGINT)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("SIGTERM: finishing the current generation")
