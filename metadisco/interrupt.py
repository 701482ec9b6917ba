"""Stopping on request: a signal sets a flag that the search asks for after each generation."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupt:
    """While active, SIGINT and SIGTERM ask for a stop; a second SIGINT raises KeyboardInterrupt at once.

    Args:
        tell: called with one sentence when the first signal arrives.
    """

    def __init__(self, tell: Callable[[str], None]):
        self._tell = tell
        self._before: dict[int, Any] = {}
        self.requested = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.requested:
            self.requested = True
            name = signal.Signals(number).name
            again = "; Ctrl-C again stops at once" if number == signal.SIGINT else ""
            self._tell(f"{name}: finishing the generation in hand, then saving{again}")

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
