"""One of several processes, started by `metadisco.commands.evolve.launch`, which also explains aborts by JAX."""

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
"""Words in the errors that libraries raise if another process has ended."""


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

    Output of libraries goes to stdout and stderr, which the launcher reads. Messages for the user go to `screen`.

    Args:
        config_path: the YAML file.
        overrides: KEY=VALUE words.
        run_path: the run directory.
        quiet: print errors only.
        interrupt: an active source of stop requests.
        max_hours: time limit of the command.
        started: start time of this process on the monotonic clock.
        place: address and number of this process.
        screen: a file descriptor.
    """
    sys.stderr = open(screen, "w", buffering=1, encoding="utf-8", errors="replace")  # noqa: SIM115 - until the end
    try:
        code = evolve(config_path, overrides, run_path, quiet, interrupt, max_hours, started, place)
    except (UserError, MachineError, OSError):  # all processes raise these together
        leave()
        raise
    except KeyboardInterrupt:  # before the search began
        os._exit(128 + signal.SIGINT)
    except BaseException as error:
        _wait_if_broken(error)
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # without `leave`, which would wait for the others
    leave()
    return code


def _wait_if_broken(error: BaseException) -> None:
    """If another process has ended, wait for JAX, which reports which one it was and ends this process."""
    text = str(error).lower()
    if any(word in text for word in BROKEN):
        time.sleep(2 * HEARTBEAT_TIMEOUT)
