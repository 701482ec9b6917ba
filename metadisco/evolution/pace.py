"""How long something has taken, and how long the rest will take."""

import time
from collections import deque
from collections.abc import Callable

WINDOW = 64
"""Recent marks from which the rest is estimated, so that a change of the machine's speed soon tells."""
LOADED = 1 / 50
"""Units that took less than this share of the slowest one were loaded rather than computed, and do not count."""


class Pace:
    """Measures units of work on a monotonic clock.

    Args:
        done: number of units that are done at the start.
        clock: returns seconds.

    Attributes:
        done: number of units that are done.
    """

    def __init__(self, done: int = 0, clock: Callable[[], float] = time.monotonic):
        self.done, self._clock = done, clock
        self._started = self._marked = clock()
        self._marks: deque[tuple[int, float]] = deque(maxlen=WINDOW)

    def mark(self, done: int) -> None:
        """Note that so many units are done now."""
        now = self._clock()
        if done > self.done:
            self._marks.append((done - self.done, now - self._marked))
        self.done, self._marked = done, now

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started

    def left(self, total: int) -> float | None:
        """Return the seconds until `total` units are done; None while that is unknown."""
        if self.done >= total:
            return 0.0
        slowest = max((seconds / number for number, seconds in self._marks), default=0.0)
        computed = [(number, seconds) for number, seconds in self._marks if seconds > LOADED * slowest * number]
        if not computed:
            return None
        each = sum(seconds for _, seconds in computed) / sum(number for number, _ in computed)
        rest = each * (total - self.done) - (self._clock() - self._marked)
        return rest if rest > 0 else None


def in_words(seconds: float | None) -> str:
    """Return a duration as hours, minutes and seconds, `1:02:03`; dashes for None."""
    if seconds is None:
        return "-:--:--"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
