"""How a generation scales over cores: one device pinned to one core against as many devices as cores on all of them.

Each side is a process whose affinity is set before JAX starts, with one virtual device per core that it may use. They
are timed in turn; each ratio is the median over the rounds.

    python benchmarks/scaling.py --output benchmarks/results/scaling.json

About two minutes on two cores.
"""

import argparse
import os
from typing import Any

from generation import CARTPOLE, Generation, build
from showing import run_part
from turns import Channel, Child, ask_in_turn, rate, ratio


def worker(specification: dict[str, Any]) -> None:
    """Be a generation on some of the cores."""
    channel = Channel()
    os.sched_setaffinity(0, specification["cores"])
    from metadisco.outer.devices import start_jax

    start_jax(None)
    built = build(Generation(**specification["generation"]))
    channel.serve(built.facts, {specification["name"]: built.run})


def core_counts(available: int) -> list[int]:
    """Return 1, 2, 4 and so on, and all there are."""
    return sorted({2**power for power in range(available.bit_length()) if 2**power <= available} | {available})


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Time the generation on one core, on two, and so on up to all."""
    generation, cores = CARTPOLE.shortened(options.quick), sorted(os.sched_getaffinity(0))
    children = {}
    for count in core_counts(len(cores)):
        specification = {"name": str(count), "cores": cores[:count], "generation": generation._asdict()}
        children[str(count)] = Child(__file__, specification)
    seconds = ask_in_turn(children, options.rounds)
    sides = {}
    for name, each in seconds.items():
        sides[name] = children[name].facts | {"frames_per_second": rate(generation.frames, each), "seconds": each}
        sides[name]["speedup_over_one_core"] = ratio(seconds["1"], each)
        sides[name]["efficiency"] = sides[name]["speedup_over_one_core"]["median"] / int(name)
    return {"what": generation.what, "cores": sides}


if __name__ == "__main__":
    run_part(__doc__, measure, worker)
