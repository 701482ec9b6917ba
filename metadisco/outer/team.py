"""The processes of a job, and how they agree on errors and stops. Imports no JAX, as a single process needs none."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from metadisco.errors import MachineError, UserError

USER, MACHINE = "u", "m"  # the type of an error: a UserError, or any other one
JOIN_TIMEOUT = 300  # seconds for which processes wait for each other at the start; JAX's default


def num_cores() -> int:
    """Return the number of cores that this process may use; on macOS, the number of cores of the machine."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


class Place(NamedTuple):
    """Address and number of a process in a job. JAX takes fields that are None from SLURM, Open MPI and the like."""

    coordinator: str | None = None
    """Host and port on which the first process listens."""
    num_processes: int | None = None
    process_id: int | None = None
    join_timeout: int = JOIN_TIMEOUT
    """In seconds."""
    parent: int | None = None
    """PID of the process that started this one; if it ends, this process requests a stop."""
    again: tuple[str, ...] = ()
    """Options with which the user started the job, for the command that resumes it."""


def cannot_listen(place: Place) -> str:
    """Return the message for the case that the first process cannot listen for the others."""
    return (
        f"--coordinator: got {place.coordinator or 'one from the scheduler'}, where process 0 cannot listen; allowed: "
        "a free port of its machine"
    )


class Team(NamedTuple):
    """The processes of a job, seen from one of them."""

    first: bool
    """Whether this process reads and writes the run directory."""
    gather: Callable[[bytes], list[bytes]] | None = None
    """Returns the messages of all processes, in order; None if there is a single process."""
    place: Place = Place()

    @contextlib.contextmanager
    def agreed(self) -> Iterator[None]:
        """Let all processes raise an error if one of them raises a UserError, MachineError or OSError."""
        if self.gather is None:
            yield
            return
        trouble: UserError | MachineError | OSError | None = None
        try:
            yield
        except (UserError, MachineError, OSError) as error:
            trouble = error
        whose = USER if isinstance(trouble, UserError) else MACHINE
        told = [text.decode() for text in self.gather(f"{whose}{trouble}".encode() if trouble else b"")]
        if trouble is not None:
            raise trouble
        for text in filter(None, told):
            raise (UserError if text[0] == USER else MachineError)(text[1:])

    def should_stop(self, requested: bool) -> bool:
        """Return whether any process was asked to stop; all processes get the same answer."""
        if self.gather is None:
            return requested
        orphaned = self.place.parent is not None and os.getppid() != self.place.parent
        return any(self.gather(b"stop" if requested or orphaned else b""))

    def check_same(self, facts: Mapping[str, Any]) -> None:
        """Reject a job whose processes have different configurations or versions.

        Raises:
            UserError: in all processes, with the first difference.
        """
        if self.gather is None:
            return
        first, *others = (json.loads(text) for text in self.gather(json.dumps(facts).encode()))
        for number, other in enumerate(others, 1):
            differs = [key for key in sorted(first.keys() | other.keys()) if first.get(key) != other.get(key)]
            if differs:
                key = differs[0]
                raise UserError(
                    f"{key}: got {first.get(key)!r} in process 0 and {other.get(key)!r} in process {number}, "
                    "allowed: the same in all processes"
                )


ALONE = Team(first=True)
