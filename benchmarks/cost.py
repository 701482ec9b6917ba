"""Cost of a generation when population, rollouts, the lifetime or the environments of an agent double.

All generations are compiled in one process and timed in turn. A ratio is to the generation with nothing doubled, the
median over the rounds: 2 would be in proportion.

    python benchmarks/cost.py --output benchmarks/results/cost.json

About four minutes on two cores.
"""

import argparse
from typing import Any

from generation import CARTPOLE, Generation, build
from showing import run_part
from turns import Channel, Child, ask_in_turn, rate, ratio

BASE = CARTPOLE._replace(num_updates=16)
AXES = ("population", "rollouts", "num_updates", "num_envs")
FACTORS = (2, 4)


def points(base: Generation) -> dict[str, Generation]:
    """Return the generations by name: the base and, for each axis, its multiples."""
    multiples = {
        f"{axis} x {factor}": base._replace(**{axis: factor * getattr(base, axis)})
        for axis in AXES
        for factor in FACTORS
    }
    return {"base": base} | multiples


def worker(specification: dict[str, Any]) -> None:
    """Compile all generations, and time them."""
    from metadisco.outer.devices import start_jax

    channel = Channel()
    start_jax(None)
    built = {name: build(each) for name, each in points(Generation(**specification["base"])).items()}
    channel.serve({name: each.facts for name, each in built.items()}, {name: each.run for name, each in built.items()})


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Time all generations."""
    base = BASE.shortened(options.quick)
    generations = points(base)
    child = Child(__file__, {"base": base._asdict()})
    seconds = ask_in_turn(dict.fromkeys(generations, child), options.rounds)
    sides = {}
    for name, generation in generations.items():
        facts = {"what": generation.what, "frames_per_second": rate(generation.frames, seconds[name])}
        sides[name] = child.facts[name] | facts | {"seconds": seconds[name]}
        sides[name]["time_over_base"] = ratio(seconds[name], seconds["base"])
    return {"what": base.what, "points": sides}


if __name__ == "__main__":
    run_part(__doc__, measure, worker, rounds=3)
