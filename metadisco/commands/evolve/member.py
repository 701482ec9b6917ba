"""One process of several, started by `metadisco.commands.evolve.launch`, which listens to what it cannot say itself."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from metadisco.commands.evolve.run import evolve
from metadisco.errors import MachineError, UserError
from metadisco.evolution.interrupt import Interrupt
from metadisco.outer.processes import HEARTBEAT_TIMEOUT, leave
from metadisco.outer.team import Place

BROKEN = ("gloo", "nccl", "coordination")
"""Words of the errors that libraries raise where another process is gone."""


def take_part(
    config_path: Path,
    overrides: Sequence[str],
    run_path: Path,
    quiet: bool,
    interrupt: Interrupt,
    max_hours: str | None,
    started: float | None,
    place: Place,
    screen: int,
) -> int:
    """Evolve as one of several processes; return the exit code.

    What libraries print goes to stdout and stderr, which the launcher reads; what is for the user goes to `screen`.

    Args:
        config_path: as for `evolve`, like the next six.
        overrides: words KEY=VALUE.
        run_path: the run directory.
        quiet: print nothing but errors.
        interrupt: which is active.
        max_hours: limit on the time of the command.
        started: when this process did.
        place: where this process stands.
        screen: a file descriptor.
    """
    sys.stderr = open(screen, "w", buffering=1, encoding="utf-8", errors="replace")  # noqa: SIM115 - until the end
    try:
        code = evolve(config_path, overrides, run_path, quiet, interrupt, max_hours, started, place)
    except (UserError, MachineError, OSError):  # which all processes have agreed on
        leave()
        raise
    except KeyboardInterrupt:  # before the search began
        os._exit(128 + signal.SIGINT)
    except BaseException as error:
        _wait_if_broken(error)
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # without the farewell to the others, who would wait for more
    leave()
    return code


def _wait_if_broken(error: BaseException) -> None:
    """Where another process is gone wait for JAX, which finds out which it was, says so, and ends this one."""
    text = str(error).lower()
    if any(word in text for word in BROKEN):
        time.sleep(2 * HEARTBEAT_TIMEOUT)
