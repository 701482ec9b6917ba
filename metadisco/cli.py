"""The command line: `metadisco …`. Thin; the work is in `metadisco.commands`."""

import argparse
import contextlib
import errno
import importlib
import inspect
import io
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from metadisco.commands.options import make_parser
from metadisco.errors import MachineError, UserError, describe_os_error, in_options, nearest, shown

if TYPE_CHECKING:
    from metadisco.outer.team import Place

# Read as JAX is loaded. Otherwise XLA logs a description of the machine, as an error, for every cached program.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

STARTED = time.monotonic()
"""Approximate start time of the command, from which `--max-hours` counts."""

PLACE_OPTIONS = ("--coordinator", "--num-processes", "--process-id", "--join-timeout")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 for success, or a stop on request after which the run can be continued; 1 for an error of the machine, such as
        a full disk; 2 for input that cannot be used.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may be unable to show φ
    try:
        _check_variables()
        return _run(_parse(arguments))
    except UserError as error:
        return _report_error(str(error), 2)
    except MachineError as error:
        code = _report_error(str(error), 1)
        if arguments is None:
            _leave(code)
        return code
    except KeyboardInterrupt:
        return _report_error("stopped", 1)
    except BrokenPipeError:  # the reader of our output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _explain(error)


def _check_variables() -> None:
    """Refuse an environment variable with which JAX cannot be imported."""
    number = os.environ.get("JAX_NUM_CPU_DEVICES", "1")
    if not (number.isascii() and number.isdecimal() and int(number) > 0):
        raise UserError(f"JAX_NUM_CPU_DEVICES: got {number!r}, allowed: a whole number above 0")


def _explain(error: OSError) -> int:
    """Print an error of the machine in one line; return the exit code."""
    if error.errno == errno.ENAMETOOLONG:
        return _report_error(f"got {str(error.filename)[:40]!r}…, allowed: a shorter name", 2)
    message = describe_os_error(error)
    if message is None:
        raise error
    return _report_error(message, 1)


def _report_error(sentence: str, code: int) -> int:
    """Print an error message; return the exit code."""
    _say(f"metadisco: {sentence}")
    return code


def _leave(code: int) -> None:
    """End the process without waiting for threads: those of orbax wait five minutes for a save to a full disk."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


def _say(sentence: str, command: str = "") -> None:
    """Print a message, and a command after it, to stderr, ignoring errors: it may be a file on a full disk."""
    with contextlib.suppress(OSError):
        print(f"{sentence} {command}".rstrip(), file=sys.stderr, flush=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse arguments in any order: KEY=VALUE may come before or after options."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for word in words:
        if not word.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in word):
            raise UserError(f"got {word.encode(errors='replace').decode()!r}, allowed: names in UTF-8")
    if not words or words[0] == "help":
        words = [*words[1:], "--help"]
    names = tuple(_COMMANDS)
    if not words[0].startswith("-") and words[0] not in names:
        raise UserError(f"got command {words[0]!r}, allowed: {', '.join(names)}{nearest(words[0], names)}")
    parser = make_parser()
    known, rest = parser.parse_known_args(words)
    unknown = [word for word in rest if word.startswith("-") or "=" not in word]
    if unknown:
        raise UserError(f"got {unknown[0]!r}, allowed: KEY=VALUE and the options of metadisco {known.command} --help")
    if rest and known.command in ("rollout", "report", "card", "list", "config"):
        raise UserError(f"got {rest[0]!r}, but metadisco {known.command} takes no settings")
    if rest:
        key = "overrides" if known.command == "evolve" else "words"
        setattr(known, key, [*getattr(known, key), *rest])
    known.started = STARTED if arguments is None else time.monotonic()
    known.is_last = arguments is None
    return known


def _run(options: argparse.Namespace) -> int:
    """Run the selected command."""
    from metadisco.config.code.own_code import forget_edited

    forget_edited()  # edited user-defined code takes effect for a second command of this process, too
    try:
        return _COMMANDS[options.command](options)
    except UserError as error:
        raise UserError(in_options(str(error), options.parser.option_of)) from error
    except ValueError:
        _check_import()
        raise


def _check_import() -> None:
    """Refuse environment variables that JAX cannot read when it is imported."""
    try:
        from metadisco.objectives import arithmetic  # noqa: F401 - our smallest module that imports JAX
    except ValueError as error:
        given = ", ".join(f"{name}={value!r}" for name, value in os.environ.items() if name.startswith("JAX_"))
        raise UserError(f"JAX cannot be imported: {shown(error)}; its variables are {given}") from error


def _evolve(options: argparse.Namespace) -> int:
    words = options.config, options.overrides, options.run, options.quiet
    given = [option for option in PLACE_OPTIONS if getattr(options, option[2:].replace("-", "_")) is not None]
    if given and not options.distributed:
        raise UserError(f"{given[0]}: only together with --distributed")
    if options.distributed and options.processes is not None:
        raise UserError("--processes: got --distributed as well, allowed: one of the two")
    if options.member is not None and options.again is not None and options.distributed:
        return _take_part(options)
    if options.distributed or options.processes not in (None, 1):  # a single process is not distributed
        return _launch(options)

    from metadisco.evolution.interrupt import Interrupt

    with Interrupt(_say, options.is_last) as interrupt:
        from metadisco.commands.evolve.run import evolve

        return evolve(*words, interrupt, options.max_hours, options.started)


def _launch(options: argparse.Namespace) -> int:
    """Start the processes of a distributed search on this machine."""
    from metadisco.commands.evolve.launch import launch, launch_member

    words = options.config, options.overrides, options.run, options.quiet, options.max_hours
    if options.processes is not None:
        return launch(*words, options.processes)
    return launch_member(*words, _place(options))


def _take_part(options: argparse.Namespace) -> int:
    """Run as one of the processes of a distributed search."""
    from metadisco.commands.evolve.member import take_part
    from metadisco.evolution.interrupt import Interrupt

    place = _place(options)._replace(parent=os.getppid(), again=tuple(shlex.split(options.again)))
    words = options.config, options.overrides, options.run, options.quiet
    with Interrupt(_say, options.is_last) as interrupt:
        return take_part(*words, interrupt, options.max_hours, options.started, place, options.member)


def _place(options: argparse.Namespace) -> "Place":
    from metadisco.outer.team import JOIN_TIMEOUT, Place

    timeout = JOIN_TIMEOUT if options.join_timeout is None else options.join_timeout
    return Place(options.coordinator, options.num_processes, options.process_id, timeout)


def _call(place: str) -> Callable[[argparse.Namespace], int]:
    """Return a function that calls one of `metadisco.commands` with the options that its signature names."""

    def call(options: argparse.Namespace) -> int:
        module, _, name = place.partition(":")
        function = getattr(importlib.import_module(f"metadisco.commands.{module}"), name)
        code: int = function(**{each: getattr(options, each) for each in inspect.signature(function).parameters})
        return code

    return call


def _evaluate(options: argparse.Namespace) -> int:
    from metadisco.commands.evaluate.run import evaluate

    return evaluate(options)


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "evolve": _evolve,
    "train": _call("train:train"),
    "tune": _call("tune:tune"),
    "rollout": _call("rollout:rollout"),
    "evaluate": _evaluate,
    "plot": _call("plot:plot"),
    "distil": _call("distil:distil"),
    "export": _call("export:export"),
    "report": _call("report:report"),
    "card": _call("card:card"),
    "reference": _call("reference:reference"),
    "list": _call("listing:list_names"),
    "config": _call("keys:explain"),
}
