"""Shared by all benchmarks: options, the machine they ran on, and output of results."""

import argparse
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Else XLA describes the machine for every compiled program that it finds again. Read as JAX is loaded.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

CPU_INFO = Path("/proc/cpuinfo")
LIBRARIES = ("jax", "brax", "torch", "stable-baselines3")


def show(measured: Any, output: Path | None) -> None:
    """Print results as JSON, and write them where that is asked for."""
    print(json.dumps(measured, indent=2))
    write(measured, output)


def write(measured: Any, output: Path | None) -> None:
    """Write results as JSON where that is asked for."""
    if output:
        from metadisco.storage.files import write_atomically

        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, json.dumps(measured, indent=2) + "\n")


def machine() -> dict[str, Any]:
    """Return the facts that numbers depend on, and nothing that identifies the machine."""
    from metadisco import __version__

    versions: dict[str, str | None] = {"metadisco": __version__}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = None
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "python": platform.python_version(),
        **versions,
    }


def _processor() -> str:
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def make_parser(doc: str | None, rounds: int) -> argparse.ArgumentParser:
    """Return the parser of a part, whose docstring is its help."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help=f"timed rounds (default: {rounds}, with --quick 2)")
    parser.add_argument(
        "--quick", action="store_true", help="tiny settings, to try the script; its numbers mean nothing"
    )
    add_output(parser)
    return parser


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where results go."""
    parser.add_argument("--output", type=Path, help="where to write JSON")
    parser.add_argument("--force", action="store_true", help="replace existing results")


def check_output(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End the command where results could not be written in the end."""
    from metadisco.errors import UserError, in_options
    from metadisco.storage.outputs import check_file

    try:
        if options.output:
            check_file(options.output, "output", options.force)
    except UserError as error:
        parser.error(in_options(str(error), {"output": "--output", "force": "--force"}))


def parse(parser: argparse.ArgumentParser, rounds: int) -> argparse.Namespace:
    """Return the options that were given."""
    options = parser.parse_args()
    check_output(parser, options)
    options.rounds = options.rounds or (2 if options.quick else rounds)
    return options


def run_part(
    doc: str | None,
    measure: Callable[[argparse.Namespace], dict[str, Any]],
    worker: Callable[[dict[str, Any]], None] | None = None,
    rounds: int = 5,
) -> None:
    """Be the main function of a part: measure and show, or, in a child of it, be the worker."""
    parser = make_parser(doc, rounds)
    parser.add_argument("--worker", type=json.loads, help=argparse.SUPPRESS)
    options = parse(parser, rounds)
    if options.worker is not None:
        assert worker is not None
        worker(options.worker)
        return
    begun = time.monotonic()
    facts = {"machine": machine(), "quick": options.quick, "rounds": options.rounds}
    measured = measure(options)
    show(facts | {"minutes_taken": round((time.monotonic() - begun) / 60, 1)} | measured, options.output)
