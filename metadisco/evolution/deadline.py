"""A time limit for a command, as in batch systems."""

import math
import time
from collections import deque
from collections.abc import Sequence

from metadisco.errors import UserError, shown

WINDOW = 8  # number of recent generations considered, so that the first ones, in which JAX compiles, soon drop out
MARGIN = 1.2  # safety factor on the longest generation, as shared machines are slow at times
EXIT_SECONDS = 5.0  # time to close files and end the process,
EXIT_SHARE = 0.5  # plus this share of the start-up time, as a slow machine is also slow at the end
MAX_EXIT_SECONDS = 60.0


class Deadline:
    """A time limit, which predicts from past generations whether another one fits.

    Args:
        hours: the limit as given on the command line, or None for no limit.
        started: start of the command on the monotonic clock, as a wall clock may be adjusted.

    Raises:
        UserError: if `hours` is not a positive number.
    """

    def __init__(self, hours: str | None, started: float):
        self.hours, self._started = hours, started
        self._limit = math.inf if hours is None else 3600 * _positive(hours)
        self._plain: deque[float] = deque(maxlen=WINDOW)
        self._evaluated: deque[float] = deque(maxlen=WINDOW)
        self._saves: deque[float] = deque(maxlen=WINDOW)
        self._exit = EXIT_SECONDS

    def note_generation(self, seconds: float, evaluated: bool) -> None:
        """Record the duration of a generation, and whether it included an evaluation of the search centre."""
        (self._evaluated if evaluated else self._plain).append(seconds)

    def note_save(self, seconds: float) -> None:
        """Record the duration of saving a checkpoint."""
        self._saves.append(seconds)

    def fits(self, evaluated: bool) -> bool:
        """Return whether the next generation and a checkpoint still fit.

        Args:
            evaluated: whether it includes an evaluation of the search centre, which doubles its cost.
        """
        plain, both = max(self._plain, default=0.0), max(self._evaluated, default=0.0)
        generation = (both or 2 * plain) if evaluated else (plain or both)
        needed = MARGIN * (generation + max(self._saves, default=0.0)) + self._exit
        return self._spent() + needed < self._limit

    def check_start(self, seconds: Sequence[float]) -> None:
        """Reject a limit into which not even one generation fits.

        Args:
            seconds: durations of previous generations of the same run; the shortest recent one counts.

        Raises:
            UserError: with the start-up time.
        """
        self._exit = min(EXIT_SECONDS + EXIT_SHARE * self._spent(), MAX_EXIT_SECONDS)
        shortest = min(seconds[-WINDOW:], default=0.0)
        if self._spent() + shortest + self._exit >= self._limit:
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
