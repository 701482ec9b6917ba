"""Cost of a message to a learner: training next to a learned message, and next to zero inputs of the same size.

The learner of experiments in CartPole-v1 with 200 steps: 4 environments x 256 steps, 16 epochs of one minibatch, 32-32.
A generation of 32 members is judged as `metadisco evolve` does it, with

- `zero`: two zeros behind each observation, which no network computes;
- `small`: a message network 4-32-2;
- `wide`: a message network 4-64-64-2, as in the original;
- `small_without_final`, `wide_without_final`: the same, where a final observation carries the message of the
  observation after the reset: the most that could be saved by computing it only where an episode ended.

All are compiled in one process and then timed in turn, by the seconds of the CPU, so that other programs count little.
Shares are environment steps per CPU second relative to `zero`, and medians over the rounds.

    python benchmarks/cheap_talk.py --output benchmarks/results/cheap_talk.json

About six minutes on two cores.
"""

import argparse
import time
from dataclasses import replace
from typing import Any

from showing import run_part
from turns import Channel, Child, ask_in_turn, rate, ratio

POPULATION, NUM_UPDATES, NUM_ENVS, NUM_STEPS = 32, 16, 4, 256
WIDTHS = {"zero": [32], "small": [32], "wide": [64, 64], "small_without_final": [32], "wide_without_final": [64, 64]}
WITHOUT_FINAL = "_without_final"


def settings(widths: list[int], population: int, num_updates: int) -> dict[str, Any]:
    """Return the configuration of a search."""
    ppo = {
        "num_envs": NUM_ENVS, "num_steps": NUM_STEPS, "num_env_steps": num_updates * NUM_ENVS * NUM_STEPS,
        "num_minibatches": 1, "num_epochs": 16, "learning_rate": 5e-3, "anneal_learning_rate": False,
        "hidden_sizes": [32, 32], "shared_torso": True, "normalise_observations": False, "num_evaluation_episodes": 2,
    }  # fmt: skip
    return {
        "problem": {"name": "cheap_talk", "aim": "harm"},
        "parametrisation": {"name": "message", "hidden_sizes": widths},
        "inner": {"env": "gymnax/CartPole-v1", "env_settings": {"max_steps_in_episode": 200}, "ppo": ppo},
        "outer": {"strategy": {"population_size": population}},
    }


def without_final(told: Any) -> Any:
    """Return a channel that does not compute the message of a final observation."""
    import jax.numpy as jnp

    def cheap_talk(env: Any, talker: Any, num_channels: int) -> Any:
        made = told(env, talker, num_channels)

        def step(*arguments: Any) -> Any:
            state, time_step = made.step(*arguments)
            final_obs = jnp.concatenate([time_step.final_obs[:-num_channels], time_step.obs[-num_channels:]])
            return state, time_step._replace(final_obs=final_obs)

        return made._replace(step=step)

    return cheap_talk


class Silent:
    """A parametrisation whose messages are zeros, whatever its weights."""

    def __init__(self, parametrisation: Any):
        self._parametrisation = parametrisation
        self.init = parametrisation.init

    def bind(self, meta_params: Any) -> Any:
        """Return the zero message."""
        import jax.numpy as jnp

        from metadisco.types import MessageFunctions

        return MessageFunctions(lambda obs: jnp.zeros(self._parametrisation.num_channels))


def worker(specification: dict[str, Any]) -> None:
    """Compile all sides and time them as asked."""
    from metadisco.outer.devices import start_jax

    start_jax(None)

    import jax
    from generation import perturbed

    from metadisco.config import parse_config
    from metadisco.outer.evaluate import Evaluator
    from metadisco.outer.mesh import make_mesh
    from metadisco.problems import cheap_talk, make_problem

    runs, told = {}, cheap_talk.cheap_talk
    for side, widths in WIDTHS.items():
        config = parse_config(settings(widths, specification["population"], specification["num_updates"]))
        problem: Any = make_problem(config)
        if side == "zero":
            problem = replace(problem, parametrisation=Silent(problem.parametrisation))
        cheap_talk.cheap_talk = without_final(told) if side.endswith(WITHOUT_FINAL) else told
        evaluator = Evaluator(problem, config.outer, make_mesh(), problem.init(jax.random.key(0)))
        population = perturbed(problem.init, specification["population"])
        evaluator.population(jax.random.key(1), population)  # compiled while the channel is this one
        runs[side] = lambda evaluator=evaluator, population=population: evaluator.population(
            jax.random.key(1), population
        )
    Channel().serve({"devices": jax.device_count()}, runs, time.process_time)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all sides in turn."""
    population, num_updates = (2, 1) if options.quick else (POPULATION, NUM_UPDATES)
    child = Child(__file__, {"population": population, "num_updates": num_updates})
    seconds = ask_in_turn(dict.fromkeys(WIDTHS, child), options.rounds)
    frames = population * num_updates * NUM_ENVS * NUM_STEPS
    what = f"CartPole-v1, population {population}, {NUM_ENVS} environments x {NUM_STEPS} steps, {num_updates} updates"
    result: dict[str, Any] = {"what": what} | child.facts
    for side, each in seconds.items():
        share = {} if side == "zero" else {"share_of_zero": ratio(seconds["zero"], each)}
        result[side] = {"frames_per_cpu_second": rate(frames, each), "cpu_seconds": each} | share
    for side in ("small", "wide"):
        saved = ratio(seconds[side], seconds[f"{side}{WITHOUT_FINAL}"])
        result[side]["most_that_final_messages_could_save"] = saved
    return result


if __name__ == "__main__":
    run_part(__doc__, measure, worker, rounds=15)
