"""Cost of starting: the same `metadisco evolve` with an empty and then a filled cache of compiled programs.

Each start is a new process with a new run directory and one short generation. `to_first_generation` is the time from
the command to the first line of metrics.jsonl: importing, compiling, and that generation.

    python benchmarks/starts.py --output benchmarks/results/starts.json

About five minutes on two cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from generation import CARTPOLE, REACHER, Generation, files_of_search
from showing import run_part

TASKS = {"CartPole-v1": CARTPOLE._replace(num_updates=4), "Brax reacher": REACHER._replace(num_updates=2)}
COMMAND = [sys.executable, "-m", "metadisco", "evolve"]
POLL = 0.02  # seconds
MOST_ROUNDS = {"Brax reacher": 2}  # which takes a minute to compile


def start(generation: Generation, cache: Path) -> dict[str, float]:
    """Start the command; return the duration of the start in seconds."""
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache)}
    with files_of_search(generation, num_generations=1, evaluate_every=0) as (config, run), TemporaryFile("w+") as said:
        begun = time.monotonic()
        words = [*COMMAND, str(config), "--run", str(run), "--quiet"]
        process = subprocess.Popen(words, env=environment, stderr=said)
        metrics = run / "metrics.jsonl"
        while not (metrics.exists() and metrics.read_text().endswith("\n")):
            if process.poll() not in (None, 0):
                said.seek(0)
                raise SystemExit(f"the command failed: {said.read()}")
            time.sleep(POLL)
        to_first_generation = time.monotonic() - begun
        process.wait()
        (provenance,) = json.loads((run / "provenance.json").read_text())
        row = json.loads(metrics.read_text())
    return {
        "compile_seconds": provenance["compile_seconds"],
        "first_generation_seconds": row["seconds"],
        "to_first_generation": to_first_generation,
    }


def measure_task(generation: Generation, num_rounds: int) -> dict[str, Any]:
    """Start with an empty and with a filled cache in each round; return medians and rounds."""
    rounds: dict[str, list[dict[str, float]]] = {"empty": [], "filled": []}
    for _ in range(num_rounds):
        with TemporaryDirectory() as cache:
            for starts in rounds.values():
                starts.append(start(generation, Path(cache)))
    result: dict[str, Any] = {"what": generation.what}
    for state, starts in rounds.items():
        result[state] = {name: statistics.median(each[name] for each in starts) for name in starts[0]}
        result[state]["rounds"] = starts
    return result


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all tasks."""
    tasks = {name: generation.shortened(options.quick) for name, generation in TASKS.items()}
    return {
        "tasks": {
            name: measure_task(each, min(options.rounds, MOST_ROUNDS.get(name, options.rounds)))
            for name, each in tasks.items()
        }
    }


if __name__ == "__main__":
    run_part(__doc__, measure, rounds=3)
