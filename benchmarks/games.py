"""Meta-steps per second of opponent shaping: ours, a straightforward implementation in JAX, and in a search.

Both implementations evaluate a population of meta-policies (10-32-5, tanh) on many lifetimes of 100 meta-steps of the
iterated prisoner's dilemma, against naive learners or LOLA. The straightforward one writes the game as papers do:
`jnp.linalg.solve` on the 4×4 chain, derivatives by nested automatic differentiation, `vmap` over all. Both run on
one device in one process, compiled, in turn; the ratio is the median over the rounds.

Then `metadisco.evolve` runs `experiments/opponent_shaping/ipd.yaml` on one device, with a run directory, evaluations of
the centre and a checkpoint, at two sizes. Before each of its generations the evaluation alone is timed, on a chunk of
members in one `jit(vmap(…))`; the ratio is that of the mean times over all generations but the first ones.

    python benchmarks/games.py --output benchmarks/results/games.json

About three minutes on two cores. Sizes are those of a chunk of members that stays in the cache.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from showing import run_part
from turns import Channel, Child, ask_in_turn, rate, ratio, timed

HORIZON, WIDTH = 100, 32
OPPONENTS = {"naive": {"population": 16, "lifetimes": 256}, "lola": {"population": 32, "lifetimes": 128}}
QUICK = {"population": 2, "lifetimes": 4}
PLAYS = 1 + HORIZON
CONFIG = Path(__file__).parents[1] / "experiments" / "opponent_shaping" / "ipd.yaml"
MEMBERS = 128
SEARCHES = {"128 members x 256 lifetimes": 256, "128 members x 32 lifetimes, as in ipd.yaml": 32}
EVERY = 20  # generations between evaluations of the centre, as in ipd.yaml, and between checkpoints, more than there
CHUNK = 4096  # lifetimes of members that are evaluated together where the evaluation is timed alone


def init_population(population: int) -> Any:
    import jax

    keys = jax.random.split(jax.random.key(0))
    return (
        jax.random.normal(keys[0], (population, 10, WIDTH)) * 0.3,
        jax.random.normal(keys[1], (population, WIDTH, 5)) * 0.3,
    )


def act(weights: Any, meta_state: Any) -> Any:
    """Return the logits of a meta-policy."""
    import jax.numpy as jnp

    hidden, output = weights
    return 4.0 * (jnp.tanh((2.0 * meta_state - 1.0) @ hidden) @ output)


def ours(opponent: str, lifetimes: int) -> Callable[[Any, Any], Any]:
    """Return how one meta-policy is judged by the package."""
    from metadisco.inner.games import make_game
    from metadisco.inner.games.lifetime import play_lifetimes
    from metadisco.inner.games.players import MetaPlayer, make_learner

    game = make_game("ipd")
    learner = make_learner(opponent, game.swapped)

    def judge(key: Any, weights: Any) -> Any:
        player = MetaPlayer(act=lambda seen, memory: (act(weights, seen), memory))
        outcome = play_lifetimes(key, player, learner, game, HORIZON, lifetimes)
        return outcome.own.mean(), outcome.other.mean()

    return judge


def straightforward(opponent: str, lifetimes: int) -> Callable[[Any, Any], Any]:
    """Return how one meta-policy is judged where the game is written as papers do."""
    import jax
    import jax.numpy as jnp

    gamma, seen_by_other = 0.96, jnp.array([0, 1, 3, 2, 4])
    own_payoffs, other_payoffs = jnp.array([-1.0, -3.0, 0.0, -2.0]), jnp.array([-1.0, 0.0, -3.0, -2.0])

    def values(own: Any, other: Any) -> Any:
        p, q = jax.nn.sigmoid(own), jax.nn.sigmoid(other)[seen_by_other]
        rounds = jnp.stack([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)], -1)
        visits = jnp.linalg.solve((jnp.eye(4) - gamma * rounds[1:]).T, rounds[0])
        return visits @ own_payoffs, visits @ other_payoffs

    def objective(other: Any, own: Any) -> Any:
        value = values(own, other)[1]
        if opponent == "lola":
            mine = jax.grad(lambda x: values(x, other)[0])(own)
            theirs = jax.grad(lambda x: values(x, other)[1])(own)
            value = value + mine @ theirs
        return value

    def lifetime(key: Any, weights: Any) -> Any:
        key_own, key_other = jax.random.split(key)

        def step(carry: Any, _: None) -> Any:
            own, other = carry
            rewards = values(own, other)
            seen = jax.nn.sigmoid(jnp.concatenate([own, other]))
            return (act(weights, seen), other + jax.grad(objective)(other, own)), rewards

        start = jax.random.normal(key_own, (5,)), jax.random.normal(key_other, (5,))
        _, (own, other) = jax.lax.scan(step, start, None, length=PLAYS)
        return own[1:].mean() * (1 - gamma), other[1:].mean() * (1 - gamma)

    def judge(key: Any, weights: Any) -> Any:
        own, other = jax.vmap(lifetime, (0, None))(jax.random.split(key, lifetimes), weights)
        return own.mean(), other.mean()

    return judge


SIDES = {"ours": ours, "straightforward": straightforward}


class Generation(NamedTuple):
    """When the judging of a population began, and how long as many lifetimes took alone, right before it."""

    begun: float
    bare_seconds: float


def watch_judging(bare: Callable[[], float]) -> list[Generation]:
    """Note every generation from now on; before its judging the evaluation alone is timed."""
    from metadisco.outer.evaluate import Evaluator

    judge, generations = Evaluator.population, []

    def watched(self: Evaluator, *arguments: Any) -> Any:
        bare_seconds = bare()
        generations.append(Generation(time.monotonic(), bare_seconds))
        return judge(self, *arguments)

    Evaluator.population = watched
    return generations


def search(lifetimes: int, quick: bool) -> dict[str, Any]:
    """Search as `metadisco evolve` does; return seconds of a generation, and of the evaluation alone."""
    import jax
    from generation import perturbed

    from metadisco import evolve
    from metadisco.config import read_yaml
    from metadisco.evolution.run import check_config
    from metadisco.outer.devices import start_jax
    from metadisco.problems import make_problem

    lifetimes = 2 if quick else lifetimes
    first, last = (2, 4) if quick else (EVERY + 1, 2 * EVERY + 1)
    settings = {"inner.num_opponents": lifetimes, "outer.num_devices": 1, "outer.checkpoint_every": EVERY}
    overrides = settings | {"outer.num_generations": last + 1}
    start_jax(1)
    problem = make_problem(check_config(read_yaml(CONFIG), overrides.items()))
    chunk = min(CHUNK // lifetimes, MEMBERS)
    population = perturbed(problem.init, chunk)
    program = jax.jit(jax.vmap(problem.evaluate, (None, 0))).lower(jax.random.key(1), population).compile()
    generations = watch_judging(lambda: timed(lambda: program(jax.random.key(1), population)) * MEMBERS / chunk)
    with tempfile.TemporaryDirectory() as folder:
        evolve(CONFIG, Path(folder) / "run", overrides=overrides, progress=False)
    # From one judging to the next, less the evaluation alone that came between them.
    spans = [
        after.begun - before.begun - after.bare_seconds * chunk / MEMBERS
        for before, after in pairwise(generations[first : last + 1])
    ]
    return {
        "lifetimes": lifetimes,
        "seconds": spans,
        "bare_seconds": [each.bare_seconds for each in generations[first:last]],
    }


def worker(specification: dict[str, Any]) -> None:
    """Search; or compile both sides for every opponent, and time them."""
    if "search" in specification:
        channel = Channel()
        channel.send(search(specification["search"], specification["quick"]))
        return
    import jax

    from metadisco.outer.devices import start_jax

    channel = Channel()
    start_jax(1)
    facts, runs = {}, {}
    for opponent, size in specification["opponents"].items():
        weights = init_population(size["population"])
        for side, make in SIDES.items():
            judge = jax.jit(jax.vmap(make(opponent, size["lifetimes"]), (None, 0)))
            begun = time.monotonic()
            program = judge.lower(jax.random.key(1), weights).compile()
            seconds = time.monotonic() - begun
            own, other = program(jax.random.key(1), weights)
            name = f"{opponent} {side}"
            facts[name] = {"compile_seconds": seconds, "own": float(own.mean()), "other": float(other.mean())}
            runs[name] = lambda program=program, weights=weights: program(jax.random.key(1), weights)
    channel.serve(facts, runs)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Time both sides against every opponent."""
    opponents = {name: QUICK if options.quick else size for name, size in OPPONENTS.items()}
    child = Child(__file__, {"opponents": opponents})
    names = [f"{opponent} {side}" for opponent in opponents for side in SIDES]
    seconds = ask_in_turn(dict.fromkeys(names, child), options.rounds)
    result: dict[str, Any] = {}
    for opponent, size in opponents.items():
        meta_steps = size["population"] * size["lifetimes"] * PLAYS
        result[opponent] = {
            "what": f"{size['population']} meta-policies x {size['lifetimes']} lifetimes x {PLAYS} plays"
        }
        for side in SIDES:
            each = seconds[f"{opponent} {side}"]
            facts = child.facts[f"{opponent} {side}"] | {"meta_steps_per_second": rate(meta_steps, each)}
            result[opponent][side] = facts | {"seconds": each}
        above, below = (seconds[f"{opponent} {side}"] for side in ("straightforward", "ours"))
        result[opponent]["speedup"] = ratio(above, below)
    searches = {name: measure_search(lifetimes, options.quick) for name, lifetimes in SEARCHES.items()}
    return {"opponents": result, "searches": searches}


def measure_search(lifetimes: int, quick: bool) -> dict[str, Any]:
    """Search with so many lifetimes of an opponent for each member."""
    child = Child(__file__, {"search": lifetimes, "quick": quick})
    child.close()
    facts = child.facts
    meta_steps = MEMBERS * facts["lifetimes"] * PLAYS
    whole, bare = (statistics.mean(facts[name]) for name in ("seconds", "bare_seconds"))
    return {
        "seconds_per_generation": whole,
        "meta_steps_per_second": round(meta_steps / whole),
        "bare_meta_steps_per_second": round(meta_steps / bare),
        "share_of_bare": bare / whole,
        **facts,
    }


if __name__ == "__main__":
    run_part(__doc__, measure, worker)
