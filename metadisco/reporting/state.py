"""How far a run is, and whether it goes on."""

from typing import NamedTuple

from metadisco.storage.lock import is_held
from metadisco.storage.runs import RunDirectory


class State(NamedTuple):
    """How far a run is."""

    done: int
    """Generations whose metrics are written."""
    total: int
    """Generations of its settings."""
    going: bool
    """Whether a command uses its directory."""

    @property
    def finished(self) -> bool:
        """Whether nothing more is to come."""
        return not self.going and self.done >= self.total

    def __str__(self) -> str:
        """Say it: `running, 12 of 40 generations`."""
        word = "running" if self.going else "finished" if self.finished else "stopped"
        many = f"{self.done:,}" if self.finished else f"{self.done:,} of {self.total:,}"
        return f"{word}, {many} generations"


def state_of(run: RunDirectory) -> State:
    """Return how far a run is now.

    Raises:
        UserError: if its settings cannot be read.
    """
    going = is_held(run.path)  # first: what it writes until it ends is read below
    rows = run.metrics()
    return State(rows[-1]["generation"] + 1 if rows else 0, run.config().outer.num_generations, going)
