"""Frames per second over fixed chunk sizes, and how good the sizes are that are chosen: by rule, and by `auto`.

All sizes are compiled in one process and timed in turn, so that each round has every size.

    python benchmarks/chunks.py --output benchmarks/results/chunks.json

About three minutes on two cores.
"""

import argparse
from typing import Any

from generation import CARTPOLE, Generation, build
from showing import run_part
from turns import Channel, Child, ask_in_turn, rate, ratio

SIZES = (1, 2, 4, 8, 16, 32, 64)
NUM_UPDATES = 16
RULE, AUTO = "rule", "auto"


def worker(specification: dict[str, Any]) -> None:
    """Compile a generation with each chunk size and with those that are chosen, and time them."""
    from metadisco.outer.devices import start_jax

    channel = Channel()
    start_jax(None)
    generation = Generation(**specification["generation"])
    sizes = {str(size): size for size in specification["sizes"]} | {RULE: None, AUTO: measured(generation)}
    built = {name: build(generation._replace(chunk_size=size)) for name, size in sizes.items()}
    channel.serve({name: each.facts for name, each in built.items()}, {name: each.run for name, each in built.items()})


def measured(generation: Generation) -> int:
    """Return the size that `metadisco evolve outer.chunk_size=auto` would take."""
    import jax

    from metadisco.config import parse_config
    from metadisco.outer.chunks import REHEARSED_UPDATES, measure_chunk_size
    from metadisco.outer.mesh import make_mesh
    from metadisco.problems import make_problem

    problem, mesh = make_problem(parse_config(generation.settings())), make_mesh()
    lifetimes = generation.population * generation.rollouts // mesh.size
    return measure_chunk_size(problem.rehearsal(REHEARSED_UPDATES), lifetimes, mesh, problem.init(jax.random.key(0)))[0]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Time all sizes."""
    generation = CARTPOLE._replace(num_updates=NUM_UPDATES).shortened(options.quick)
    sizes = SIZES[:3] if options.quick else SIZES
    child = Child(__file__, {"generation": generation._asdict(), "sizes": sizes})
    seconds = ask_in_turn(dict.fromkeys((*map(str, sizes), RULE, AUTO), child), options.rounds)
    rates = {name: rate(generation.frames, each) for name, each in seconds.items()}
    best = max(map(str, sizes), key=lambda name: rates[name])
    sides = {name: child.facts[name] | {"frames_per_second": rates[name], "seconds": seconds[name]} for name in rates}
    return {
        "what": generation.what,
        "sizes": sides,
        "chosen": {name: child.facts[name]["chunk_size"] for name in (RULE, AUTO)},
        "best": int(best),
        "speed_over_the_best": {name: ratio(seconds[best], seconds[name]) for name in (RULE, AUTO)},
    }


if __name__ == "__main__":
    run_part(__doc__, measure, worker)
