"""Gain of each optimisation for small arrays on CPU: a generation of the demo with all of them, and with all but one.

The usual code of JAX, optax or flax replaces the one that is left out, from outside:

- `adam`: optax's chain of clipping, Adam and learning rate;
- `random_keys`: JAX's own keys;
- `shuffle`: `jax.random.permutation` for each epoch;
- `dense`, `narrow_dense`: x·kernel + bias, in hidden layers and in heads;
- `final_values`: values of the final observations of all steps;
- `value_table`: the learned value loss itself, for every sample.

Each optimisation has two child processes, which run alternately and then compile alternately, as at their start. Ratios
are without to with, so above 1 the optimisation is a gain; they are medians over the pairs.

    python benchmarks/ablation.py --output benchmarks/results/ablation.json

About seven minutes on two cores, most of which is compiling.
"""

import argparse
import importlib
import math
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from generation import CARTPOLE, Generation, build
from showing import run_part
from turns import Channel, Child, in_turn, rate, ratio, timed

DEMO = (("anneal_learning_rate", False), ("num_evaluation_episodes", 2))  # as in experiments/value_loss/demo.yaml
LIFETIMES = CARTPOLE._replace(num_updates=128, population=16, rollouts=1, ppo=DEMO)  # on two cores one chunk for each
COMPILED_AGAIN = 2  # pairs
QUICK_LIFETIMES, QUICK_ARRANGEMENTS = LIFETIMES._replace(num_updates=8, population=4), 2
WITH, WITHOUT = "with", "without"
RUN, COMPILE = "run", "compile"

Patch = Mapping[tuple[str, str], Any]
"""Replacements, by a module of `metadisco.inner` and a name in it."""


def random_keys() -> Patch:
    """Leave keys as they are."""
    return {(module, "unrolled_key"): lambda key: key for module in ("train", "envs.gymnax")}


def shuffle() -> Patch:
    """Call every batch too large."""
    return {("cpu.shuffle", "PACKED_LIMIT"): 0}


def adam() -> Patch:
    """Take optax's, whose moments we keep."""
    import optax

    from metadisco.inner.cpu.adam import AdamState

    def step(
        params: Any, grads: Any, state: AdamState, config: Any, learning_rate: Any, max_grad_norm: Any
    ) -> tuple[Any, AdamState]:
        chain = optax.chain(
            optax.clip_by_global_norm(max_grad_norm),
            optax.scale_by_adam(config.adam_b1, config.adam_b2, config.adam_eps),
            optax.scale_by_learning_rate(learning_rate),
        )
        before = (optax.EmptyState(), optax.ScaleByAdamState(*state), optax.EmptyState())
        updates, (_, moments, _) = chain.update(grads, before)
        return optax.apply_updates(params, updates), AdamState(*moments)

    return {("optimise", "adam_step"): step}


def dense(name: str) -> Patch:
    """Write the product down."""
    return {("networks", name): lambda x, kernel, bias: x @ kernel + bias}


def final_values() -> Patch:
    """Call every episode short."""
    return {("ppo", "OFTEN"): 0}


def value_table() -> Patch:
    """Call every lifetime too short."""
    return {("train", "NUM_NODES"): math.inf}


ARRANGEMENTS: dict[str, Callable[[], Patch]] = {
    "adam": adam,
    "random_keys": random_keys,
    "shuffle": shuffle,
    "dense": partial(dense, "dense"),
    "narrow_dense": partial(dense, "narrow_dense"),
    "final_values": final_values,
    "value_table": value_table,
}


def leave_out(name: str, put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Replace an optimisation by plain code."""
    for (module, attribute), plain in ARRANGEMENTS[name]().items():
        place = importlib.import_module(f"metadisco.inner.{module}")
        assert hasattr(place, attribute), (module, attribute)
        put(place, attribute, plain)


def worker(specification: dict[str, Any]) -> None:
    """Run or compile the generation, as requested."""
    from metadisco.outer.devices import start_jax

    channel = Channel()
    start_jax(None)
    if specification["side"] == WITHOUT:
        leave_out(specification["name"])
    generation = Generation(**specification["generation"])
    built = build(generation)
    timed(built.run)
    channel.send(built.facts)
    for what in channel.requests():
        channel.send(timed(built.run) if what == RUN else build(generation).facts["compile_seconds"])


def compare(name: str, generation: Generation, num_rounds: int, num_again: int) -> dict[str, Any]:
    """Time both sides of one arrangement, and compile them again."""
    specification = {"name": name, "generation": generation._asdict()}
    children = {side: Child(__file__, specification | {"side": side}) for side in (WITH, WITHOUT)}
    seconds = {
        what: in_turn({side: partial(child.ask, what) for side, child in children.items()}, number)
        for what, number in ((RUN, num_rounds), (COMPILE, num_again))
    }
    sides: dict[str, Any] = {}
    for side, child in children.items():
        child.close()
        seconds[COMPILE][side].insert(0, child.facts["compile_seconds"])
        running, compiling = seconds[RUN][side], seconds[COMPILE][side]
        sides[side] = child.facts | {
            "frames_per_second": rate(generation.frames, running),
            "compile_seconds": statistics.median(compiling),
            "seconds": running,
            "seconds_to_compile": compiling,
        }
    ratios = {what: ratio(each[WITHOUT], each[WITH]) for what, each in seconds.items()}
    return sides | {"speedup": ratios[RUN], "compile_time_over_with": ratios[COMPILE]}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Compare with and without each arrangement."""
    names, generation, num_again = list(ARRANGEMENTS), LIFETIMES, COMPILED_AGAIN
    if options.quick:
        names, generation, num_again = names[:QUICK_ARRANGEMENTS], QUICK_LIFETIMES, 0
    compared = {name: compare(name, generation, options.rounds, num_again) for name in names}
    return {"what": generation.what, "arrangements": compared}


if __name__ == "__main__":
    run_part(__doc__, measure, worker, rounds=7)
