"""Frames per second of meta-evolution on three tasks, beside its peers on CartPole-v1.

Per task, in one process as `metadisco evolve` sets it up (one device per core, lifetimes in chunks):

- `metadisco`: a generation judged by the compiled evaluation;
- `search`: a whole generation of the search loop (ask, judge, aggregate, tell, metrics), without a run directory.

On CartPole-v1 also, each in a process of its own:

- `one_vmap`: the same training runs, on one device in one jit(vmap(...));
- `plain_recipe`: PureJaxRL's meta-evolution recipe written anew (plain_recipe.py), on one device in one jit(vmap(...));
- `stable_baselines3`: one agent of Stable-Baselines3's PPO on PyTorch at equal settings, where that is installed.

They compile one after another and are then timed in turn, never at the same time. Each ratio is the median over the
rounds. Compile time is reported apart.

    python benchmarks/throughput.py --output benchmarks/results/throughput.json

About eight minutes on two cores.
"""

import argparse
import time
from typing import TYPE_CHECKING, Any

from generation import BREAKOUT, CARTPOLE, REACHER, Generation, perturbed
from showing import run_part
from turns import Channel, Child, ask_in_turn, rate, ratio, timed

if TYPE_CHECKING:
    from metadisco.outer.evaluate import Evaluator

TASKS = {"CartPole-v1": CARTPOLE, "Breakout-MinAtar": BREAKOUT, "Brax reacher": REACHER}
OURS = ("metadisco", "search")
PEERS = {"CartPole-v1": ("one_vmap", "plain_recipe", "stable_baselines3")}
MOST_ROUNDS = {"Breakout-MinAtar": 3, "Brax reacher": 3}  # nothing is compared there
ENDLESS = 1_000_000  # generations
WARM_UP = 2  # generations in which ask and tell are compiled: for the start of the search, and for what tell hands on


class PacedRecorder:
    """Keeps nothing, and lets a generation of a search pass for every request; between them it times the evaluation."""

    def __init__(self, channel: Channel, population: Any):
        self._channel, self._population = channel, population
        self._begun, self._generations = 0.0, 0
        self.stopped = False

    def start(self, evaluator: "Evaluator") -> None:
        """Warm the evaluation up, and report its facts."""
        self._evaluator = evaluator
        timed(self._judge)

    def _judge(self) -> Any:
        import jax

        return self._evaluator.population(jax.random.key(1), self._population)

    def restore(self, template: Any) -> None:
        """Find nothing."""

    def save(self, state: Any, progress: Any) -> None:
        """Keep nothing."""

    def log(self, row: dict[str, Any]) -> None:
        """Report the generation that ended, and do what is asked for until that is another one."""
        self._generations += 1
        if self._generations < WARM_UP:
            return
        if self._generations == WARM_UP:
            facts = {"compile_seconds": self._evaluator.compile_seconds, "devices": self._evaluator.num_devices}
            self._channel.send(facts | {"chunk_size": self._evaluator.chunk_size})
        else:
            self._channel.send(time.monotonic() - self._begun)
        for name in self._channel.requests():
            if name == "search":
                self._begun = time.monotonic()
                return
            self._channel.send(timed(self._judge))
        self.stopped = True


def serve_ours(generation: Generation, channel: Channel) -> None:
    """Time generations as `metadisco evolve` runs them."""
    from metadisco.config import parse_config
    from metadisco.outer.search import search
    from metadisco.problems import make_problem

    config = parse_config(generation.settings(num_generations=ENDLESS, evaluate_every=0))
    problem = make_problem(config)
    recorder = PacedRecorder(channel, perturbed(problem.init, generation.population))
    search(problem, config.outer, recorder, should_stop=lambda: recorder.stopped)


def serve_one_vmap(generation: Generation, channel: Channel) -> None:
    """Time a generation in one vmap on one device."""
    from metadisco.config import parse_config
    from metadisco.problems import make_problem

    problem = make_problem(parse_config(generation.settings()))
    serve_compiled("one_vmap", generation, channel, problem.evaluate, problem.init)


def serve_plain_recipe(generation: Generation, channel: Channel) -> None:
    """Time a generation by the plain recipe."""
    import plain_recipe as recipe

    train = recipe.make_train(generation.num_envs, generation.num_steps, generation.num_updates)
    serve_compiled("plain_recipe", generation, channel, train, recipe.init_meta_params)


def serve_compiled(name: str, generation: Generation, channel: Channel, train: Any, init: Any) -> None:
    """Compile jit(vmap(train)) over all lifetimes and time it."""
    import jax
    import jax.numpy as jnp

    population = perturbed(init, generation.population)
    members = jax.tree.map(lambda leaf: jnp.repeat(leaf, generation.rollouts, 0), population)
    keys = jnp.tile(jax.random.split(jax.random.key(1), generation.rollouts), generation.population)
    begun = time.monotonic()
    program = jax.jit(jax.vmap(train)).lower(keys, members).compile()
    facts = {"compile_seconds": time.monotonic() - begun, "devices": 1, "chunk_size": keys.shape[0]}
    channel.serve(facts, {name: lambda: program(keys, members)})


def worker(specification: dict[str, Any]) -> None:
    """Be one side."""
    channel = Channel()
    side, generation = specification["side"], Generation(**specification["generation"])
    if side == "stable_baselines3":
        import stable_baselines3_ppo

        stable_baselines3_ppo.serve(generation, channel)
        return
    from metadisco.outer.devices import start_jax

    start_jax(None if side == "metadisco" else 1)
    serve = {"metadisco": serve_ours, "one_vmap": serve_one_vmap, "plain_recipe": serve_plain_recipe}[side]
    serve(generation, channel)


def measure_task(name: str, generation: Generation, num_rounds: int) -> dict[str, Any]:
    """Start all sides of a task, time them alternately, and return the results."""
    children = {side: Child(__file__, {"side": side, "generation": generation._asdict()}) for side in sides(name)}
    missing = {side: child.facts for side, child in children.items() if "missing" in child.facts}
    present = {side: child for side, child in children.items() if side not in missing}
    seconds = ask_in_turn({"metadisco": present["metadisco"], "search": present["metadisco"], **present}, num_rounds)
    result: dict[str, Any] = {"what": generation.what, "updates_per_life": generation.num_updates}
    per_frame = {}
    for side, each in seconds.items():
        facts = present[side].facts if side in present else {}
        frames = facts.get("frames", generation.frames)
        per_frame[side] = [s / frames for s in each]
        result[side] = facts | {"frames_per_second": rate(frames, each), "seconds": each}
    for side in per_frame.keys() - set(OURS):
        result[f"speedup_over_{side}"] = ratio(per_frame[side], per_frame["metadisco"])
    return result | missing


def sides(task: str) -> tuple[str, ...]:
    """Return the sides that have a process of their own."""
    return ("metadisco", *PEERS.get(task, ()))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all tasks, one after the other."""
    tasks = {name: generation.shortened(options.quick) for name, generation in TASKS.items()}
    rounds = {name: min(options.rounds, MOST_ROUNDS.get(name, options.rounds)) for name in tasks}
    return {"tasks": {name: measure_task(name, each, rounds[name]) for name, each in tasks.items()}}


if __name__ == "__main__":
    run_part(__doc__, measure, worker)
