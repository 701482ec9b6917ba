"""A page that follows a run: it is written again as generations come, until the run has finished."""

import time
from collections.abc import Callable
from typing import Any

from metadisco.discoveries.names import find_run
from metadisco.discoveries.sources import find_discovery
from metadisco.errors import UserError
from metadisco.reporting.page import Request, check_request, content_of, render
from metadisco.reporting.state import State, state_of
from metadisco.storage.outputs import write_output
from metadisco.storage.runs import RunDirectory

PERIOD = 5.0
"""Seconds between two looks at the run, and after which the page loads itself again."""
SHARE = 0.2
"""Of a core that is spent on writing pages, at most: the run needs the cores."""
LONGEST = 60.0
"""Seconds between two pages while generations come, at most."""


def follow(
    name: str,
    request: Request,
    say: Callable[[str], None] = lambda text: None,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Write a page about a run, and write it again as generations come; return once the run has finished.

    A run that was killed is waited for: its page says so, and goes on when the run does. An interrupt (Ctrl-C) ends
    the following, too, and leaves a page that no longer loads itself. While the run goes on, no agents are trained for
    the figures.

    Args:
        name: of the run.
        request: what the page is made of.
        say: told of what was written.
        wait: waits some seconds.

    Raises:
        UserError: for input that cannot be used; nothing was written then.
    """
    path, generation = find_run(name)
    if generation is not None:
        raise UserError(f"watch: got {name!r}, which is one generation, allowed: the path of a run")
    run, seen, content, due = RunDirectory(path), None, None, 0.0
    try:
        while True:
            state = state_of(run)
            if _is_due(state, seen, due) and (run.centre_generations() or not state.going):
                started = time.process_time()
                content = _write(name, request, state, say)
                request, seen = request._replace(force=True), state
                due = time.monotonic() + min((time.process_time() - started) / SHARE, LONGEST)
            if state.finished and state == seen:
                return
            wait(PERIOD)
    except KeyboardInterrupt:
        if content is not None and seen is not None:
            write_output(request.output, render(content, seen), force=True)
        say(f"no longer following {name}; the page stays as it is")


def _is_due(state: State, seen: State | None, due: float) -> bool:
    """Return whether to write the page now: at once where a run starts, stops or finishes, else after a rest."""
    if seen is None or (state.going, state.finished) != (seen.going, seen.finished):
        return True
    return state != seen and time.monotonic() >= due


def _write(name: str, request: Request, state: State, say: Callable[[str], None]) -> dict[str, Any]:
    """Write the page as the run is now; return its content."""
    source = find_discovery(name)
    check_request(source, request)
    content = content_of(source, request._replace(visit=request.visit and state.finished), say)
    ends = state.finished
    page = render(content, state, reload=None if ends else PERIOD, written="" if ends else time.strftime("%H:%M:%S"))
    write_output(request.output, page, request.force)
    say(f"wrote {request.output}: {state}")
    return content
