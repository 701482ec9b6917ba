"""Cost of a generation of `metadisco.evolve` outside training: ask, tell, metrics, logs, checkpoints.

Two searches, one after the other:

- `real`: generations of about ten seconds; overhead is the time from one generation's start to the next minus the
  time of evaluating the population;
- `toy`: the same meta-parameters evaluated by a sum of squares, so that the whole generation is overhead, including
  distributing the population to devices and collecting fitness, which the first run counts as evaluation.

Evaluations of the centre are training as well and are turned off. Overhead is weighted as with a checkpoint every
`outer.checkpoint_every` generations at its default; the runs write one every second generation, so that both kinds are
seen.

    python benchmarks/overhead.py --output benchmarks/results/overhead.json

About three minutes on two cores.
"""

import argparse
import statistics
import time
from itertools import pairwise
from typing import Any

from generation import CARTPOLE, Generation, files_of_search
from showing import run_part
from turns import Channel, Child

NUM_UPDATES = 128
CHECKPOINT_EVERY = 2
WARM_UP = 2  # generations at the start that compile something, one of them with a checkpoint
RUNS = {"real": 8, "toy": 42}  # generations


def watch_judging() -> list[tuple[float, float]]:
    """Note, from now on, when the judging of each population began and ended."""
    import jax

    from metadisco.outer.evaluate import Evaluator

    judge, times = Evaluator.population, []

    def watched(self: Evaluator, *arguments: Any) -> Any:
        begun = time.monotonic()
        result = jax.block_until_ready(judge(self, *arguments))
        times.append((begun, time.monotonic()))
        return result

    Evaluator.population = watched
    return times


def judge_by_squares() -> None:
    """Let `metadisco.evolve` search a problem of the same meta-parameters in which nothing is trained."""
    import jax
    import jax.numpy as jnp

    from metadisco import problems
    from metadisco.types import Evaluation

    make = problems.make_problem

    class Squares:
        def __init__(self, config: Any):
            problem = make(config)
            self.init, self.tasks, self.env_steps = problem.init, problem.tasks, problem.env_steps

        def evaluate(self, key: Any, meta_params: Any) -> Evaluation:
            squares = sum(jnp.square(leaf - 1).sum() for leaf in jax.tree.leaves(meta_params))
            return Evaluation(-jnp.stack([squares]))

    problems.make_problem = Squares


def worker(specification: dict[str, Any]) -> None:
    """Search, and say when each generation was judged."""
    channel = Channel()
    generation = Generation(**specification["generation"])
    outer = {
        "num_generations": specification["num_generations"],
        "checkpoint_every": CHECKPOINT_EVERY,
        "evaluate_every": 0,
    }
    with files_of_search(generation, **outer) as (config, run):
        from metadisco import evolve
        from metadisco.outer.devices import start_jax

        start_jax(None)
        times = watch_judging()
        if specification["run"] == "toy":
            judge_by_squares()
        evolve(config, run, progress=False)
    channel.send({"times": times})


def account(times: list[list[float]], inner: bool, every: int) -> dict[str, Any]:
    """Split generations into evaluation and the rest.

    Args:
        times: when the evaluation of each population began and ended.
        inner: whether evaluation is training; else it is overhead like the rest.
        every: generations between checkpoints in the mean.
    """
    plain, with_checkpoint, periods = [], [], []
    for generation, ((begun, ended), (next_begun, _)) in enumerate(pairwise(times), start=1):
        if generation > WARM_UP:
            kind = plain if generation % CHECKPOINT_EVERY else with_checkpoint
            kind.append(next_begun - (ended if inner else begun))
            periods.append(next_begun - begun)
    without, saved = statistics.median(plain), statistics.median(with_checkpoint)
    overhead = without + (saved - without) / every
    return {
        "generations": len(periods),
        "seconds_per_generation": statistics.median(periods),
        "overhead_seconds": overhead,
        "overhead_seconds_without_checkpoint": plain,
        "overhead_seconds_with_checkpoint": with_checkpoint,
        "share": overhead / statistics.median(periods),
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run both."""
    from metadisco.config import Config

    every = Config().outer.checkpoint_every
    generation = CARTPOLE._replace(num_updates=NUM_UPDATES).shortened(options.quick)
    runs = {}
    for run, num_generations in RUNS.items():
        specification = {"run": run, "generation": generation._asdict()}
        child = Child(__file__, specification | {"num_generations": 7 if options.quick else num_generations})
        runs[run] = account(child.facts["times"], run == "real", every)
        child.close()
    share = runs["toy"]["overhead_seconds"] / runs["real"]["seconds_per_generation"]
    return {"what": generation.what, "checkpoint_every": every, **runs, "share_of_toy_overhead_in_real": share}


if __name__ == "__main__":
    run_part(__doc__, measure, worker)
