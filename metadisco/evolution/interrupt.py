"""Stopping on request, regardless of what the main thread is doing.

Python runs signal handlers between bytecode instructions, and not while JAX compiles or computes, which may take
minutes. Here a separate thread is woken by the signal and reacts immediately.
"""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, NoReturn, Protocol, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Tell(Protocol):
    """A function that shows a message, and a command below it."""

    def __call__(self, sentence: str, command: str = "", /) -> None:
        """Show a message."""


class Stop(Protocol):
    """A source of stop requests."""

    busy: threading.RLock
    """Held during operations that must not be interrupted by the end of the process."""

    @property
    def requested(self) -> bool:
        """Whether to stop after the current generation."""

    def prepare(self, tell: Tell, leave: Sequence[Callable[[], None]], again: str) -> None:
        """Set a function that shows a message, callbacks before an immediate exit, and the command that resumes."""

    def begin(self) -> None:
        """Called when the search begins: from now on there is a state to save."""

    def end(self) -> None:
        """Called when the search has ended."""


class Interrupt:
    """While active, SIGINT and SIGTERM request a stop.

    Before the search, a signal ends the process immediately, as nothing is written yet. After `begin`, the first signal
    sets `requested`, which the search checks after each generation. Only a second SIGINT ends the process immediately,
    as batch systems repeat SIGTERM. Files on disk are consistent whenever the process ends.

    Args:
        tell: shows a message, until `prepare` sets another function.
        is_last: whether the process ends together with this context. Further signals are then ignored until the end, so
            that they do not change the exit code.

    Attributes:
        requested: whether to stop after the current generation.
        busy: held during operations that must not be interrupted by the end of the process.
    """

    def __init__(self, tell: Tell, is_last: bool = False):
        self.requested = False
        self._is_last = is_last
        self.busy = threading.RLock()
        self._tell = tell
        self._leave: Sequence[Callable[[], None]] = ()
        self._again = ""
        self._phase = "start"
        self._seen: list[int] = []
        self._before: dict[int, Any] = {}

    def prepare(self, tell: Tell, leave: Sequence[Callable[[], None]], again: str) -> None:
        """Set a function that shows a message, callbacks before an immediate exit, and the command that resumes."""
        self._tell, self._leave, self._again = tell, leave, again

    def begin(self) -> None:
        """From now on, the current generation is finished after a signal."""
        with self.busy:
            self._phase = "search"

    def end(self) -> None:
        """From now on, signals have no effect, as the command is ending."""
        with self.busy:
            self._phase = "end"

    def _watch(self, pipe: int) -> None:
        """Handle signals until the pipe is closed."""
        with os.fdopen(pipe, "rb", buffering=0) as numbers:
            while number := numbers.read(1):
                if number[0] in SIGNALS:
                    with self.busy:
                        self._act(signal.Signals(number[0]))

    def _act(self, number: signal.Signals) -> None:
        self._seen.append(number)
        if self._phase == "start":
            self._end(f"{number.name}: stopped before the search began, nothing was written; to restart")
        if self._phase == "end":
            return
        if not self.requested:
            self.requested = True
            more = "; press Ctrl-C again to stop immediately" if number == signal.SIGINT else ""
            self._tell(f"{number.name}: finishing the current generation, then saving{more}")
        elif self._seen.count(signal.SIGINT) > 1:
            self._end("stopped immediately; to continue from the last checkpoint")

    def _end(self, sentence: str) -> NoReturn:
        """End the process like a kill, as the main thread may be doing anything."""
        if self._again:
            self._tell(f"{sentence}:", self._again)
        else:
            self._tell(f"{sentence}, repeat the command")
        for each in self._leave:
            each()
        os._exit(0)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Do nothing, as the thread handles signals; but without a handler it would not be woken."""

    def __enter__(self) -> Self:
        reading, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(reading, True)
        self._before_wakeup = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._watch, args=(reading,), name="signals", daemon=True)
        self._thread.start()
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self._is_last and self._seen else handler)
        signal.set_wakeup_fd(self._before_wakeup)
        os.close(self._writing)
        self._thread.join()


class KeyboardStop:
    """While active, Ctrl-C or an interrupt of a notebook kernel requests a stop; the process is never ended.

    Before the search, an interrupt raises KeyboardInterrupt as usual, as nothing is written yet. After `begin`, the
    first one sets `requested`, and only a second one raises. Threads other than the main one receive no signals; there
    only the event requests a stop.

    Args:
        event: requests a stop, too, once it is set.

    Attributes:
        busy: held during operations that must not be interrupted.
    """

    def __init__(self, event: threading.Event | None = None) -> None:
        self._event = threading.Event() if event is None else event
        self._interrupted = False
        self.busy = threading.RLock()
        self._tell: Tell = lambda sentence, command="": None
        self._searching = False
        self._before: Any = None

    @property
    def requested(self) -> bool:
        """Whether to stop after the current generation."""
        return self._interrupted or self._event.is_set()

    def prepare(self, tell: Tell, leave: Sequence[Callable[[], None]], again: str) -> None:
        """Set a function that shows a message."""
        self._tell = tell

    def begin(self) -> None:
        """From now on, the current generation is finished after an interrupt."""
        self._searching = True

    def end(self) -> None:
        """From now on, an interrupt raises."""
        self._searching = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._searching or self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True
        self._tell("interrupted: finishing the current generation, then saving; interrupt again to stop immediately")

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
