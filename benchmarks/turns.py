"""Timing in turn: sides that are compared run one after the other in each round, never beside each other.

A side that needs a process of its own (other devices, other cores, its own memory) is a child that says some facts when
it is ready, then times one run for every request.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

COMPILE_ANEW = {"JAX_ENABLE_COMPILATION_CACHE": "false"}  # compile times are those of a first start


class Channel:
    """The child's end. Whatever else prints to standard output there, as Brax does, goes to standard error."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def send(self, value: Any) -> None:
        """Send facts, or seconds."""
        print(json.dumps(value), file=self._out, flush=True)

    def requests(self) -> Iterator[str]:
        """Yield the names that are asked for, until the parent has no more."""
        for line in sys.stdin:
            yield line.strip()

    def serve(
        self,
        facts: Mapping[str, Any],
        runs: Mapping[str, Callable[[], Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Run everything once, so that it is warm; then send facts and time each request by `clock`."""
        for run in runs.values():
            timed(run)
        self.send(facts)
        for name in self.requests():
            self.send(timed(runs[name], clock))


class Child:
    """The parent's end: a process of `script` that is given `specification`.

    Attributes:
        facts: sent by the child when it was ready. Waiting for it keeps children from compiling at the same time.
    """

    def __init__(self, script: str, specification: Mapping[str, Any]):
        command = [sys.executable, script, "--worker", json.dumps(specification)]
        environment = os.environ | COMPILE_ANEW
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.facts: dict[str, Any] = self._receive()

    def ask(self, name: str) -> float:
        """Let the child run its function `name`; return the seconds."""
        assert self._process.stdin is not None
        self._process.stdin.write(name + "\n")
        self._process.stdin.flush()
        return float(self._receive())

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a child ended without a word, exit code {self._process.wait()}; see above")
        return json.loads(line)

    def close(self) -> None:
        """Let the child end, and wait for that."""
        self._process.communicate()


def timed(run: Callable[[], Any], clock: Callable[[], float] = time.monotonic) -> float:
    """Return the seconds until the result of `run` has been computed."""
    begun = clock()
    result = run()
    if "jax" in sys.modules:
        sys.modules["jax"].block_until_ready(result)
    return clock() - begun


def cpu_seconds(run: Callable[[], Any]) -> float:
    """Return the seconds that all threads of this process take to run it; other programs count little."""
    return timed(run, time.process_time)


def in_turn(sides: Mapping[str, Callable[[], float]], num_rounds: int) -> dict[str, list[float]]:
    """Time every side once per round; a side returns its own seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(num_rounds):
        for name, side in sides.items():
            seconds[name].append(side())
    return seconds


def ask_in_turn(children: Mapping[str, Child], num_rounds: int) -> dict[str, list[float]]:
    """Ask every child for the function of its name once per round, then let all of them end."""
    seconds = in_turn({name: partial(child.ask, name) for name, child in children.items()}, num_rounds)
    for child in set(children.values()):
        child.close()
    return seconds


def rate(frames: int, seconds: list[float]) -> int:
    """Return frames per second, the median over rounds."""
    return round(statistics.median(frames / each for each in seconds))


def ratio(above: list[float], below: list[float]) -> dict[str, Any]:
    """Return the ratio of two sides in each round, and the median of that."""
    rounds = [a / b for a, b in zip(above, below, strict=True)]
    return {"median": statistics.median(rounds), "rounds": rounds}
