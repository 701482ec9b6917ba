"""Explains why a job of several processes ended, from exit codes and from JAX's output before it ends a process."""

import re
import signal
from collections.abc import Sequence
from typing import NamedTuple

from metadisco.outer.team import Place, cannot_listen

AGAIN = "{again}"
"""Placeholder of the command that resumes the run."""

RESUME = f"to continue from the last checkpoint: {AGAIN}"
SHOWN_LINES = 20  # number of lines of library output to show if there is no better explanation

SILENT = re.compile(r"stopped sending heartbeats\):\s*((?:\d+\s+)+)")
LEADER_GONE = "Failed to send RPC to coordination service"
PORT_TAKEN = "Failed to add port to server"
NOT_JOINED = "/tensorflow.CoordinationService/RegisterTask"
TWICE = re.compile(r"ALREADY_EXISTS|different incarnation|duplicate", re.IGNORECASE)


class Ending(NamedTuple):
    """How a process ended."""

    process_id: int | None
    """None if the scheduler has chosen it."""
    code: int | None
    """Python's `returncode`; None if the process was ended because another one failed."""
    log: str
    """Output of its libraries."""
    messages: str
    """Messages for the user that have not been shown."""


def explain(endings: Sequence[Ending], place: Place, signals: Sequence[int]) -> tuple[int, str]:
    """Return the exit code of a job, and a message that explains its end, if needed.

    Args:
        endings: how the processes that were started here ended.
        place: address and number of the first of them.
        signals: signals that were received and forwarded.
    """
    bad = [ending for ending in endings if ending.code]
    if not bad:
        return _unfailed(endings)
    asked = {-number for number in signals} | {128 + number for number in signals}
    if all(ending.code in asked for ending in bad):
        return 0, f"stopped before the search began; to restart: {AGAIN}"
    killed = [ending for ending in bad if ending.code < 0 and ending.code != -signal.SIGABRT]  # type: ignore[operator]
    if killed and not any(PORT_TAKEN in ending.log for ending in bad):
        return 1, _killed(killed, place, len(endings))
    for ending in bad:
        if ending.code is not None and ending.code > 0:
            unseen = ending is not endings[0] or "Traceback" in ending.log or "metadisco: " in ending.log
            return ending.code, ending.messages.rstrip() or (_tail(ending) if unseen else "")
    return _aborted(bad, place)


def _unfailed(endings: Sequence[Ending]) -> tuple[int, str]:
    """Explain the end of a job in which no process failed."""
    slow = ", ".join(str(ending.process_id) for ending in endings if ending.code is None)
    return (1, f"metadisco: process {slow} did not finish and was killed; {RESUME}") if slow else (0, "")


def _killed(killed: Sequence[Ending], place: Place, started: int) -> str:
    """Explain which process was ended by which signal."""
    numbers = ", ".join(_name(ending.process_id, place) for ending in killed)
    how = signal.Signals(-(killed[0].code or 0)).name
    others = ", and the others with it" if started > 1 else ""
    return f"metadisco: {numbers} was ended by {how}{others}; {RESUME}"


def _aborted(bad: Sequence[Ending], place: Place) -> tuple[int, str]:
    """Explain why JAX ended processes."""
    for ending in bad:
        silent = SILENT.search(ending.log)
        if silent:
            names = ", ".join(_name(int(number), place) for number in silent[1].split())
            return 1, f"metadisco: {names} has ended or no longer responds, so this one ends as well; {RESUME}"
    log = "\n".join(ending.log for ending in bad)
    if PORT_TAKEN in log:
        return 2, f"metadisco: {cannot_listen(place)}"
    if NOT_JOINED in log:
        return 2, f"metadisco: {_not_joined(log, place)}"
    if LEADER_GONE in log:
        return 1, (
            f"metadisco: {_name(0, place)}, which coordinates the others, has ended or no longer responds, "
            f"so this one ends as well; {RESUME}"
        )
    return 1, f"{_tail(bad[0])}\nmetadisco: {_name(bad[0].process_id, place)} was aborted by JAX; {RESUME}"


def _not_joined(log: str, place: Place) -> str:
    """Explain why a process could not join."""
    if TWICE.search(log):
        return f"--process-id: got {place.process_id}, which another process uses; allowed: unique numbers from 0"
    if place.process_id == 0:
        return (
            f"--num-processes: got {place.num_processes}, but not all of them joined within {place.join_timeout} s "
            "(--join-timeout)"
        )
    return (
        f"--coordinator: got {place.coordinator or 'one from the scheduler'}, where process 0 did not answer "
        f"within {place.join_timeout} s (--join-timeout)"
    )


def _name(process_id: int | None, place: Place) -> str:
    """Return the name of a process for messages."""
    if process_id is None:
        return "the local process"
    return f"process {process_id}" + (f" of {place.num_processes}" if place.num_processes else "")


def _tail(ending: Ending) -> str:
    """Return the last lines of a process's output."""
    return "\n".join(ending.log.rstrip().splitlines()[-SHOWN_LINES:])
