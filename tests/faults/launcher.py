"""Runs commands one after another, each in a child that is forked after most imports.

A command is a JSON object on a line of stdin: `words`, the files `out` and `err`, and whether a toy takes the place of
the meta-problem. Answered are the child's number and, once it has ended, its exit code, each on a line. What a child
runs is the command line itself: all of a command but the agents, whose tracing would take most of the time.
"""

import json
import os
import sys
import time
import traceback
import warnings
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS), str(TESTS / "outer")]  # where the toy is


def import_ahead() -> None:
    """Import the heavy libraries, but not those that start JAX (evosax, gymnax): its threads do not survive a fork."""
    import jax
    import optax  # noqa: F401
    import orbax.checkpoint  # noqa: F401
    import scipy.stats  # noqa: F401

    import metadisco.commands.evolve.run  # noqa: F401

    assert not jax._src.xla_bridge.backends_are_initialized()


def play(set_attribute) -> None:
    """Put a toy in the place of the meta-problem; `set_attribute` as of monkeypatch, or setattr."""
    from toys import NOISY

    import metadisco.problems

    set_attribute(metadisco.problems, "make_problem", lambda config: NOISY)


def run(order: dict) -> int:
    """Be the command; return its exit code."""
    from metadisco import cli

    if order["toy"]:
        play(setattr)
    for name, number in (("out", 1), ("err", 2)):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["metadisco", *order["words"]]
    cli.STARTED = time.monotonic()
    return cli.main()


def main() -> None:
    import_ahead()
    warnings.simplefilter("ignore", RuntimeWarning)  # JAX: os.fork() is called; it has not started
    print("ready", flush=True)
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            try:
                code = run(json.loads(line))
            except BaseException:
                traceback.print_exc()
                code = 3
            raise SystemExit(code)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
