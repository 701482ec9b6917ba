"""Frames per second of one generation, beside one plain jit(vmap(train)) over the same number of inner lives.

Three sides, each a process of its own, as they need different numbers of virtual devices:

- `metadisco`: as `metadisco evolve` sets things up, one device per core and lives in chunks;
- `one_vmap`: the same inner lives, on one device in one jit(vmap(...));
- `plain_recipe`: PureJaxRL's meta-evolution recipe written anew (plain_recipe.py), on one device in one jit(vmap(...)).

They compile one after another and are then timed in turn, never at the same time. Each ratio is the median over the
rounds. Compile time is reported apart.

    python benchmarks/throughput.py --rounds 5 --output benchmarks/results/throughput.json
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from showing import show

POPULATION, ROLLOUTS = 64, 2
PPO = {"num_envs": 4, "num_steps": 64}


def problem(num_updates: int):
    """Return the meta-problem of the comparison: value loss 64-64 on CartPole-v1."""
    from metadisco.config import parse_config
    from metadisco.problems import make_objective_discovery

    ppo = PPO | {"num_env_steps": num_updates * PPO["num_envs"] * PPO["num_steps"]}
    outer = {"num_rollouts": ROLLOUTS, "strategy": {"population_size": POPULATION}}
    config = parse_config({"inner": {"ppo": ppo}, "outer": outer})
    return make_objective_discovery(config), config


def one_vmap(num_updates: int):
    """Return a function that runs a generation in one vmap on one device, and facts about it."""
    import jax

    discovery, _ = problem(num_updates)
    keys, lives = jax.random.split(jax.random.key(1), ROLLOUTS), repeated(perturbed(discovery.init))
    return compiled(discovery.evaluate, keys, lives)


def plain_recipe(num_updates: int):
    """Return a function that runs a generation by the plain recipe, and facts about it."""
    import jax
    import plain_recipe as recipe

    train = recipe.make_train(PPO["num_envs"], PPO["num_steps"], num_updates)
    keys, lives = jax.random.split(jax.random.key(1), ROLLOUTS), repeated(perturbed(recipe.init_meta_params))
    return compiled(train, keys, lives)


def metadisco(num_updates: int):
    """Return a function that runs a generation as `metadisco evolve` does, and facts about it."""
    import jax

    from metadisco.outer.devices import make_mesh
    from metadisco.outer.evaluate import Evaluator

    discovery, config = problem(num_updates)
    population = perturbed(discovery.init)
    evaluator = Evaluator(discovery, config.outer, make_mesh(), discovery.init(jax.random.key(0)))
    facts = {
        "compile_seconds": evaluator.compile_seconds,
        "devices": evaluator.num_devices,
        "chunk_size": evaluator.chunk_size,
    }
    return lambda: evaluator.population(jax.random.key(1), population), facts


def perturbed(init):
    """Return a population around a start."""
    import jax

    def member(key):
        leaves, structure = jax.tree.flatten(init(jax.random.key(0)))
        keys = jax.random.split(key, len(leaves))
        noisy = [leaf + 0.03 * jax.random.normal(key, leaf.shape) for key, leaf in zip(keys, leaves, strict=True)]
        return jax.tree.unflatten(structure, noisy)

    return jax.vmap(member)(jax.random.split(jax.random.key(2), POPULATION))


def repeated(population):
    """Return every member once per rollout."""
    import jax
    import jax.numpy as jnp

    return jax.tree.map(lambda leaf: jnp.repeat(leaf, ROLLOUTS, 0), population)


def compiled(train, keys, lives):
    """Compile jit(vmap(train)) over all lives."""
    import jax
    import jax.numpy as jnp

    keys = jnp.tile(keys, POPULATION)
    begun = time.monotonic()
    program = jax.jit(jax.vmap(train)).lower(keys, lives).compile()
    facts = {"compile_seconds": time.monotonic() - begun, "devices": 1, "chunk_size": POPULATION * ROLLOUTS}
    return lambda: program(keys, lives), facts


SIDES = {"metadisco": metadisco, "one_vmap": one_vmap, "plain_recipe": plain_recipe}


def worker(side: str, num_updates: int) -> None:
    """Compile one side, then time one generation for every line on standard input."""
    from metadisco.outer.devices import start_jax

    start_jax(None if side == "metadisco" else 1)
    import jax

    run, facts = SIDES[side](num_updates)
    jax.block_until_ready(run())
    print(json.dumps(facts), flush=True)
    for _ in sys.stdin:
        begun = time.monotonic()
        jax.block_until_ready(run())
        print(json.dumps(time.monotonic() - begun), flush=True)


def start(side: str, num_updates: int) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--worker", side, "--updates", str(num_updates)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(process: subprocess.Popen[str]) -> float:
    assert process.stdin and process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    return float(json.loads(process.stdout.readline()))


def measure(num_updates: int, num_rounds: int) -> dict:
    """Start all sides, time them in turn, and return what came out."""
    facts, processes = {}, {}
    for side in SIDES:  # one after the other, so that none compiles beside another
        processes[side] = start(side, num_updates)
        facts[side] = json.loads(processes[side].stdout.readline())
    seconds = {side: [] for side in SIDES}
    for _ in range(num_rounds):
        for side, process in processes.items():
            seconds[side].append(ask(process))
    for process in processes.values():
        process.stdin.close()
        process.wait()
    frames = POPULATION * ROLLOUTS * num_updates * PPO["num_envs"] * PPO["num_steps"]
    result = {
        "what": "value loss 64-64 on CartPole-v1, population 64 x 2 rollouts, 4 environments x 64 steps",
        "updates_per_life": num_updates,
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
    }
    for side in SIDES:
        rate = statistics.median(frames / each for each in seconds[side])
        result[side] = facts[side] | {"frames_per_second": round(rate), "seconds": seconds[side]}
    for side in ("plain_recipe", "one_vmap"):
        ratios = [other / ours for other, ours in zip(seconds[side], seconds["metadisco"], strict=True)]
        result[f"speedup_over_{side}"] = {"median": statistics.median(ratios), "rounds": ratios}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds")
    parser.add_argument("--updates", type=int, default=64, help="PPO updates of one life")
    parser.add_argument("--output", type=Path, help="where to write JSON")
    parser.add_argument("--worker", choices=tuple(SIDES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.updates)
        return
    show(measure(options.updates, options.rounds), options.output)


if __name__ == "__main__":
    main()
