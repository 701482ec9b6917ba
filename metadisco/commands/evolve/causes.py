"""Why a job of several processes ended: from exit codes, and from what JAX prints before it ends a process."""

import re
import signal
from collections.abc import Sequence
from typing import NamedTuple

from metadisco.outer.team import Place, cannot_listen

AGAIN = "{again}"
"""Stands for the command that continues the run."""

GO_ON = f"to go on from the last checkpoint: {AGAIN}"
SHOWN_LINES = 20  # of what libraries printed, where nothing better can be said

SILENT = re.compile(r"stopped sending heartbeats\):\s*((?:\d+\s+)+)")
LEADER_GONE = "Failed to send RPC to coordination service"
PORT_TAKEN = "Failed to add port to server"
NOT_JOINED = "/tensorflow.CoordinationService/RegisterTask"
TWICE = re.compile(r"ALREADY_EXISTS|different incarnation|duplicate", re.IGNORECASE)


class Ending(NamedTuple):
    """How a process ended."""

    process_id: int | None
    """None where the scheduler has chosen it."""
    code: int | None
    """As Python gives it; None for one that was ended because another one failed."""
    log: str
    """What its libraries printed."""
    said: str
    """What it said where nobody sees it."""


def explain(endings: Sequence[Ending], place: Place, signals: Sequence[int]) -> tuple[int, str]:
    """Return the exit code of a job and what is still to be said about its end.

    Args:
        endings: of the processes that were started here.
        place: of the first of them.
        signals: received and passed on.
    """
    bad = [ending for ending in endings if ending.code]
    if not bad:
        return _unfailed(endings)
    asked = {-number for number in signals} | {128 + number for number in signals}
    if all(ending.code in asked for ending in bad):
        return 0, f"stopped before the search began; to begin: {AGAIN}"
    killed = [ending for ending in bad if ending.code < 0 and ending.code != -signal.SIGABRT]  # type: ignore[operator]
    if killed and not any(PORT_TAKEN in ending.log for ending in bad):
        return 1, _killed(killed, place, len(endings))
    for ending in bad:
        if ending.code is not None and ending.code > 0:
            unseen = ending is not endings[0] or "Traceback" in ending.log or "metadisco: " in ending.log
            return ending.code, ending.said.rstrip() or (_tail(ending) if unseen else "")
    return _aborted(bad, place)


def _unfailed(endings: Sequence[Ending]) -> tuple[int, str]:
    """Say what is to be said where no process failed."""
    slow = ", ".join(str(ending.process_id) for ending in endings if ending.code is None)
    return (1, f"metadisco: process {slow} did not come to its end and was ended; {GO_ON}") if slow else (0, "")


def _killed(killed: Sequence[Ending], place: Place, started: int) -> str:
    """Say which process was ended by which signal."""
    numbers = ", ".join(_name(ending.process_id, place) for ending in killed)
    how = signal.Signals(-(killed[0].code or 0)).name
    others = ", and the others with it" if started > 1 else ""
    return f"metadisco: {numbers} was ended by {how}{others}; {GO_ON}"


def _aborted(bad: Sequence[Ending], place: Place) -> tuple[int, str]:
    """Say why JAX ended processes."""
    for ending in bad:
        silent = SILENT.search(ending.log)
        if silent:
            names = ", ".join(_name(int(number), place) for number in silent[1].split())
            return 1, f"metadisco: {names} has ended or no longer answers, so this one ends as well; {GO_ON}"
    log = "\n".join(ending.log for ending in bad)
    if PORT_TAKEN in log:
        return 2, f"metadisco: {cannot_listen(place)}"
    if NOT_JOINED in log:
        return 2, f"metadisco: {_not_joined(log, place)}"
    if LEADER_GONE in log:
        return 1, (
            f"metadisco: {_name(0, place)}, which leads the others, has ended or no longer answers, "
            f"so this one ends as well; {GO_ON}"
        )
    return 1, f"{_tail(bad[0])}\nmetadisco: {_name(bad[0].process_id, place)} was aborted by JAX; {GO_ON}"


def _not_joined(log: str, place: Place) -> str:
    """Say why a process could not join."""
    if TWICE.search(log):
        return f"--process-id: got {place.process_id}, which another process has; allowed: one number each, from 0"
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
    """Name a process."""
    if process_id is None:
        return "the process here"
    return f"process {process_id}" + (f" of {place.num_processes}" if place.num_processes else "")


def _tail(ending: Ending) -> str:
    """Return the last lines that a process printed."""
    return "\n".join(ending.log.rstrip().splitlines()[-SHOWN_LINES:])
