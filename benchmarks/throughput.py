"""Frames per second of one generation, beside one plain jit(vmap(train)) over the same inner lives.

Both sides are a process of their own, as they need different numbers of virtual devices: ours as `metadisco evolve` sets
things up (one device per core, lives in chunks), the plain one as PureJaxRL's meta-evolution notebook does (one device, all
lives in one vmap). They compile first and are then timed in turn, never at the same time; the ratio is the median of the
pairs' ratios.

    python benchmarks/throughput.py --pairs 5 --output benchmarks/results/throughput.json
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


def worker(side: str, num_updates: int) -> None:
    """Compile one side, then time one generation for every line on standard input."""
    from metadisco.outer.devices import make_mesh, start_jax

    start_jax(1 if side == "plain" else None)
    import jax
    import jax.numpy as jnp

    from metadisco.outer.evaluate import Evaluator

    discovery, config = problem(num_updates)
    keys = jax.random.split(jax.random.key(1), ROLLOUTS)
    start = discovery.init(jax.random.key(0))
    noise = jax.random.normal(jax.random.key(2), (POPULATION,))
    population = jax.tree.map(lambda leaf: leaf + 0.03 * noise.reshape(-1, *[1] * leaf.ndim), start)
    if side == "plain":
        lives = jax.tree.map(lambda leaf: jnp.repeat(leaf, ROLLOUTS, 0), population)
        begun = time.monotonic()
        compiled = jax.jit(jax.vmap(discovery.evaluate)).lower(jnp.tile(keys, POPULATION), lives).compile()
        facts = {"compile_seconds": time.monotonic() - begun, "devices": 1, "chunk_size": POPULATION * ROLLOUTS}

        def run():
            return compiled(jnp.tile(keys, POPULATION), lives)
    else:
        evaluator = Evaluator(discovery, config.outer, make_mesh(), start)
        facts = {
            "compile_seconds": evaluator.compile_seconds,
            "devices": evaluator.num_devices,
            "chunk_size": evaluator.chunk_size,
        }

        def run():
            return evaluator.population(jax.random.key(1), population)

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="timed pairs")
    parser.add_argument("--updates", type=int, default=64, help="PPO updates of one life")
    parser.add_argument("--output", type=Path, help="where to write JSON")
    parser.add_argument("--worker", choices=("plain", "metadisco"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.updates)
        return
    facts, processes = {}, {}
    for side in ("plain", "metadisco"):  # one after the other, so that neither compiles beside the other
        processes[side] = start(side, options.updates)
        facts[side] = json.loads(processes[side].stdout.readline())
    frames = POPULATION * ROLLOUTS * options.updates * PPO["num_envs"] * PPO["num_steps"]
    seconds = {side: [] for side in processes}
    for _ in range(options.pairs):
        for side, process in processes.items():
            seconds[side].append(ask(process))
    for process in processes.values():
        process.stdin.close()
        process.wait()
    ratios = [plain / ours for plain, ours in zip(seconds["plain"], seconds["metadisco"], strict=True)]
    result = {
        "what": "value loss 64-64 on CartPole-v1, population 64 × 2 rollouts, 4 environments × 64 steps",
        "updates_per_life": options.updates,
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "ratio_median": statistics.median(ratios),
        "ratios": ratios,
    }
    for side in processes:
        per_second = [frames / each for each in seconds[side]]
        result[side] = facts[side] | {"frames_per_second": statistics.median(per_second), "seconds": seconds[side]}
    text = json.dumps(result, indent=2)
    print(text)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
