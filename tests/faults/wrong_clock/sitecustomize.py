"""A wall clock that is set back by hours, again and again. Python runs this file when it starts."""

import time

REAL = {name: getattr(time, name) for name in ("time", "time_ns")}
STARTED = time.monotonic()


def hours_back() -> int:
    """Return how far the clock is behind: an hour more each quarter of a second, of which it makes good a part."""
    quarters = int((time.monotonic() - STARTED) / 0.25)
    return quarters - quarters % 3 // 2


time.time = lambda: REAL["time"]() - 3600.0 * hours_back()
time.time_ns = lambda: REAL["time_ns"]() - 3600 * 10**9 * hours_back()
