"""A limit on the time of a command, as batch systems have one."""

import math
import time
from collections import deque
from collections.abc import Sequence

from metadisco.errors import UserError, shown

WINDOW = 8  # generations looked back on: the first ones, in which JAX still compiles, are soon forgotten
MARGIN = 1.2  # times the longest seen: machines that are shared have slow moments
LEAVE_SECONDS = 5.0  # to close files and end the process,
LEAVE_SHARE = 0.5  # and this part of what starting took: where that was slow, ending will be
MOST_LEAVE_SECONDS = 60.0


class Deadline:
    """Whether another generation fits into the time that is left, judged by those before it.

    Args:
        hours: as on the command line, or None for no limit.
        started: when the command did, on the monotonic clock: a wall clock may be set back.

    Raises:
        UserError: if hours are no positive number.
    """

    def __init__(self, hours: str | None, started: float):
        self.hours, self._started = hours, started
        self._limit = math.inf if hours is None else 3600 * _positive(hours)
        self._plain: deque[float] = deque(maxlen=WINDOW)
        self._evaluated: deque[float] = deque(maxlen=WINDOW)
        self._saves: deque[float] = deque(maxlen=WINDOW)
        self._leave = LEAVE_SECONDS

    def note_generation(self, seconds: float, evaluated: bool) -> None:
        """Take down what a generation took, with the centre evaluated or not."""
        (self._evaluated if evaluated else self._plain).append(seconds)

    def note_save(self, seconds: float) -> None:
        """Take down what a checkpoint took."""
        self._saves.append(seconds)

    def fits(self, evaluated: bool) -> bool:
        """Return whether the next generation and a checkpoint still fit.

        Args:
            evaluated: whether the centre is evaluated in it, for which as many lives are trained again.
        """
        plain, both = max(self._plain, default=0.0), max(self._evaluated, default=0.0)
        generation = (both or 2 * plain) if evaluated else (plain or both)
        needed = MARGIN * (generation + max(self._saves, default=0.0)) + self._leave
        return self._spent() + needed < self._limit

    def check_start(self, seconds: Sequence[float]) -> None:
        """Refuse to begin where not one generation fits.

        Args:
            seconds: what the newest generations of the same run took; the shortest counts.

        Raises:
            UserError: saying what starting took.
        """
        self._leave = min(LEAVE_SECONDS + LEAVE_SHARE * self._spent(), MOST_LEAVE_SECONDS)
        shortest = min(seconds[-WINDOW:], default=0.0)
        if self._spent() + shortest + self._leave >= self._limit:
            last = f" and a generation lasts {shortest:.0f} s" if shortest >= 1 else ""
            raise UserError(
                f"max_hours: got {self.hours} ({self._limit:.0f} s), but starting took {self._spent():.0f} s{last}: "
                "not even one generation fits; allowed: more hours"
            )

    def _spent(self) -> float:
        """Return the seconds since the command started."""
        return time.monotonic() - self._started


def _positive(hours: str) -> float:
    try:
        number = float(hours)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise UserError(f"max_hours: got {shown(hours)}, allowed: a positive number of hours")
    return number
