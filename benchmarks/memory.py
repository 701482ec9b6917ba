"""Peak memory of a generation over population, lifetime and chunk size.

Every point is a process of its own. Three numbers, in bytes:

- `compiled`: memory of the compiled program on one device by JAX's own analysis (temporaries, arguments, results);
- `running`: peak resident memory while a generation runs, beyond the resident memory just before;
- `process`: peak resident memory of the whole process beyond the resident memory after all imports. Most
  of it is the compiler's.

    python benchmarks/memory.py --output benchmarks/results/memory.json

About four minutes on two cores.
"""

import argparse
import ctypes
import re
from pathlib import Path
from typing import Any

from generation import CARTPOLE, Generation, build
from showing import run_part
from turns import Channel, Child, timed

BASE = CARTPOLE._replace(num_updates=8, chunk_size=16)
QUICK = BASE._replace(population=8, num_updates=1, chunk_size=2)
FACTORS = {"population": (1, 2, 4), "num_updates": (1, 2, 4, 8), "chunk_size": (0.25, 1, 4)}
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MEASURES = ("compiled", "running", "process")


def resident(peak: bool) -> int:
    """Return the bytes resident now, or the most that were since the last time that peak was forgotten."""
    found = re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+) kB", STATUS.read_text())
    assert found
    return int(found[1]) * 1024


def worker(specification: dict[str, Any]) -> None:
    """Run a generation, then another of which the memory is watched."""
    channel = Channel()
    import gymnax  # noqa: F401  # heavy; it belongs to the baseline

    from metadisco.outer.devices import start_jax

    start_jax(None)
    baseline = resident(peak=True)
    built = build(Generation(**specification))
    timed(built.run)  # compiles a few small things more
    process = resident(peak=True) - baseline
    ctypes.CDLL(None).malloc_trim(0)  # what the compiler freed goes back, so that the run does not hide in it
    before = resident(peak=False)
    CLEAR.write_text("5")  # forgets the peak: proc(5)
    timed(built.run)
    running = resident(peak=True) - before
    facts = {"compiled": built.facts["chunk_bytes"], "running": running, "process": process}
    channel.send(facts | {"imports": baseline, "chunk_size": built.facts["chunk_size"]})


def spread(values: list[int]) -> float:
    """Return by how much the largest exceeds the smallest, as a share of the smallest."""
    return max(values) / min(values) - 1


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all points; the one that the axes share only once."""
    base = QUICK if options.quick else BASE
    known: dict[Generation, dict[str, int]] = {}
    axes = {}
    for axis, factors in FACTORS.items():
        points = {}
        for factor in factors[-2:] if options.quick else factors:
            value = int(factor * getattr(base, axis))
            generation = base._replace(**{axis: value})
            if generation not in known:
                child = Child(__file__, generation._asdict())
                known[generation] = child.facts
                child.close()
            points[str(value)] = known[generation]
        axes[axis] = {"points": points, "grows_by": {m: spread([p[m] for p in points.values()]) for m in MEASURES}}
    return {"what": base.what, "chunk_size": base.chunk_size, "axes": axes}


if __name__ == "__main__":
    run_part(__doc__, measure, worker)
