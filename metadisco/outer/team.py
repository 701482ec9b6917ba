"""The processes of a job, and how they agree. Imports no JAX: a process that is alone has nothing to agree on."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from metadisco.errors import MachineError, UserError

USER, MACHINE = "u", "m"  # who has to put something right
JOIN_TIMEOUT = 300  # seconds that processes wait for one another at the start; JAX's default


def num_cores() -> int:
    """Return how many cores this process may use; those of the machine where the system does not say (macOS)."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


class Place(NamedTuple):
    """Where a process stands in a job; what is None is found out by JAX from SLURM, Open MPI and the like."""

    coordinator: str | None = None
    """Host and port at which the first process listens."""
    num_processes: int | None = None
    process_id: int | None = None
    join_timeout: int = JOIN_TIMEOUT
    """Seconds."""
    parent: int | None = None
    """The process that started this one; when it is gone, this one asks for a stop."""
    again: tuple[str, ...] = ()
    """Options by which the user started the job, to be repeated when it is continued."""


def cannot_listen(place: Place) -> str:
    """Return what to say where the first process cannot listen for the others."""
    return (
        f"--coordinator: got {place.coordinator or 'one from the scheduler'}, where process 0 cannot listen; allowed: "
        "a free port of the machine that it is on"
    )


class Team(NamedTuple):
    """The processes of a job, seen from one of them."""

    first: bool
    """Whether this is the process that reads and writes the run directory."""
    gather: Callable[[bytes], list[bytes]] | None = None
    """Returns what each process gives, in their order; None where there is one process alone."""
    place: Place = Place()

    @contextlib.contextmanager
    def agreed(self) -> Iterator[None]:
        """Let all processes raise where one of them does for what the user or the machine has to put right."""
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
        """Return whether any process was asked to stop: the same in all of them."""
        if self.gather is None:
            return requested
        orphaned = self.place.parent is not None and os.getppid() != self.place.parent
        return any(self.gather(b"stop" if requested or orphaned else b""))

    def check_same(self, facts: Mapping[str, Any]) -> None:
        """Refuse to work together on what is not the same in all processes.

        Raises:
            UserError: naming what differs, in all processes.
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
