"""Stopping on request, whatever the main thread is doing.

Python runs signal handlers between two of its instructions, and not while JAX compiles or computes, which may take
minutes. Here the number of a signal wakes a thread, which acts at once.
"""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, NoReturn, Protocol, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop(Protocol):
    """Who asks a search for a stop."""

    busy: threading.RLock
    """Held where the process must not be ended, as something is half done."""

    @property
    def requested(self) -> bool:
        """Whether to stop after the generation in hand."""

    def prepare(self, tell: Callable[[str], None], leave: Sequence[Callable[[], None]], again: str) -> None:
        """Set how to tell a sentence, what is called before the process ends at once, and what goes on."""

    def begin(self) -> None:
        """Be told that the search begins: from now on there is something to save."""

    def end(self) -> None:
        """Be told that it has ended."""


class Interrupt:
    """While active, SIGINT and SIGTERM ask for a stop.

    Before the search the process ends at once, as nothing is written yet. From `begin` on the first signal sets
    `requested`, which the search asks for after each generation, and only a second SIGINT ends the process at once:
    batch systems repeat SIGTERM. What is on disk is safe whenever a process ends.

    Args:
        tell: called with one sentence, until `prepare` sets another.
        is_last: whether the process ends with what this guards; once a signal came, further ones are then ignored to
            its very end, so that they change no exit code.

    Attributes:
        requested: whether to stop after the generation in hand.
        busy: held where the process must not be ended, as something is half done.
    """

    def __init__(self, tell: Callable[[str], None], is_last: bool = False):
        self.requested = False
        self._is_last = is_last
        self.busy = threading.RLock()
        self._tell = tell
        self._leave: Sequence[Callable[[], None]] = ()
        self._again = ""
        self._phase = "start"
        self._seen: list[int] = []
        self._before: dict[int, Any] = {}

    def prepare(self, tell: Callable[[str], None], leave: Sequence[Callable[[], None]], again: str) -> None:
        """Set how to tell a sentence, what is called before the process ends at once, and the command that goes on."""
        self._tell, self._leave, self._again = tell, leave, again

    def begin(self) -> None:
        """From now on a signal lets the generation in hand finish."""
        with self.busy:
            self._phase = "search"

    def end(self) -> None:
        """From now on signals do nothing, as the command is ending."""
        with self.busy:
            self._phase = "end"

    def _watch(self, pipe: int) -> None:
        """Act on every signal, until the pipe is closed."""
        with os.fdopen(pipe, "rb", buffering=0) as numbers:
            while number := numbers.read(1):
                if number[0] in SIGNALS:
                    with self.busy:
                        self._act(signal.Signals(number[0]))

    def _act(self, number: signal.Signals) -> None:
        self._seen.append(number)
        if self._phase == "start":
            self._end(f"{number.name}: stopped before the search began, nothing was written; to start again")
        if self._phase == "end":
            return
        if not self.requested:
            self.requested = True
            more = "; Ctrl-C again stops at once" if number == signal.SIGINT else ""
            self._tell(f"{number.name}: finishing the generation in hand, then saving{more}")
        elif self._seen.count(signal.SIGINT) > 1:
            self._end("stopped at once; to go on from the last checkpoint")

    def _end(self, sentence: str) -> NoReturn:
        """End the process, as a kill would: the main thread may be anywhere."""
        self._tell(f"{sentence}: {self._again}" if self._again else f"{sentence}, repeat the command")
        for each in self._leave:
            each()
        os._exit(0)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Do nothing: the thread does. Without a handler there would be no wake-up."""

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
    """While active, Ctrl-C or an interrupted kernel asks for a stop; of a caller from Python, who is never ended.

    Before the search it raises a KeyboardInterrupt as ever, as nothing is written yet. From `begin` on the first one
    sets `requested`, and only a second one raises. Signals reach the main thread alone; in any other it is the event
    that asks for a stop.

    Args:
        event: asks for a stop as well, once it is set.

    Attributes:
        busy: held where something is half done.
    """

    def __init__(self, event: threading.Event | None = None) -> None:
        self._event = threading.Event() if event is None else event
        self._interrupted = False
        self.busy = threading.RLock()
        self._tell: Callable[[str], None] = lambda text: None
        self._searching = False
        self._before: Any = None

    @property
    def requested(self) -> bool:
        """Whether to stop after the generation in hand."""
        return self._interrupted or self._event.is_set()

    def prepare(self, tell: Callable[[str], None], leave: Sequence[Callable[[], None]], again: str) -> None:
        """Set how to tell a sentence."""
        self._tell = tell

    def begin(self) -> None:
        """From now on an interrupt lets the generation in hand finish."""
        self._searching = True

    def end(self) -> None:
        """From now on an interrupt raises."""
        self._searching = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._searching or self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True
        self._tell("interrupted: the generation in hand is finished, then saved; once more stops at once")

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
