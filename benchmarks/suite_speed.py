"""Speed of adapters: environment steps per second compared with the bare library under `vmap`, with equal bookkeeping.

Both sides play random legal actions and keep returns; both restart episodes that have ended, the bare library by its
own reset at every step, like ours. Observations are raw and flat on both sides; `default` has our default settings: the
encoding for learners, and in Craftax a bank of initial states. Sides run alternately; seconds are those of the CPU, so
other programs count little. Ratios are ours to the library's steps per second: 0.95 means that the adapter costs 5 %.
Craftax is left out where it is not installed.

    python benchmarks/suite_speed.py --output benchmarks/results/suite_speed.json

About five minutes on two cores.
"""

import argparse
import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

from showing import run_part
from turns import cpu_seconds, in_turn, ratio

NUM_ENVS, NUM_STEPS = 64, {"jumanji": 200, "pgx": 200, "craftax": 20}
CASES = {
    "jumanji/Snake-v1": {"encoding": "raw"},
    "jumanji/Game2048-v1": {"encoding": "raw"},
    "pgx/2048": {},
    "craftax/Craftax-Classic-Symbolic-v1": {"num_initial_states": None},
}


def bare_jumanji(name: str) -> tuple[Any, Any, Any]:
    """Return (reset, step, number of actions); step returns state, flat observation and mask, reward, and end."""
    import jax
    import jax.numpy as jnp
    import jumanji

    env = jumanji.make(name)

    def flat(observation: Any) -> Any:
        fields = [observation._asdict()[key] for key in observation._fields if key != "action_mask"]
        leaves = [*jax.tree.leaves(fields), observation.action_mask]
        return jnp.concatenate([jnp.ravel(jnp.asarray(leaf, jnp.float32)) for leaf in leaves])

    def reset(key: Any) -> Any:
        state, time_step = env.reset(key)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.asarray(leaf).dtype), state), flat(time_step.observation)

    def step(key: Any, state: Any, action: Any) -> Any:
        del key
        after, time_step = env.step(state, action)
        return after, flat(time_step.observation), time_step.reward, time_step.step_type == 2

    return reset, step, int(env.action_spec.num_values)


def bare_pgx(name: str) -> tuple[Any, Any, Any]:
    """Return the same of a game for one player."""
    import jax
    import jax.numpy as jnp
    import pgx

    env = pgx.make(name)

    def flat(state: Any) -> Any:
        return jnp.concatenate([state.observation.ravel(), state.legal_action_mask], dtype=jnp.float32)

    def reset(key: Any) -> Any:
        state = env.init(key)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.asarray(leaf).dtype), state), flat(state)

    def step(key: Any, state: Any, action: Any) -> Any:
        after = env.step(state, action, key)
        return after, flat(after), after.rewards[0], after.terminated

    return reset, step, env.num_actions


def bare_craftax(name: str) -> tuple[Any, Any, Any]:
    """Return the same of Craftax, which has no mask."""
    import jax
    import jax.numpy as jnp
    from craftax.craftax_env import make_craftax_env_from_name

    env = make_craftax_env_from_name(name, auto_reset=False)
    params = env.default_params

    def reset(key: Any) -> tuple[Any, Any]:
        obs, state = env.reset_env(key, params)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.asarray(leaf).dtype), state), obs

    def step(key: Any, state: Any, action: Any) -> Any:
        obs, after, reward, done, _ = env.step_env(key, state, action, params)
        return after, obs, reward, done

    return reset, step, env.num_actions


BARE = {"jumanji": bare_jumanji, "pgx": bare_pgx, "craftax": bare_craftax}
MASKED = ("jumanji", "pgx")
"""Suites whose observations end with a mask of legal actions."""


def restarting(reset: Any, step: Any) -> tuple[Any, Any]:
    """Add the parts that any training loop needs: restarts, and the final observation of an episode."""
    import jax
    import jax.numpy as jnp

    def restarted(key: Any, state: Any, action: Any) -> Any:
        key_step, key_reset = jax.random.split(key)
        after, seen, reward, done = step(key_step, state, action)
        fresh, first = reset(key_reset)
        after = jax.tree.map(lambda new, old: jnp.where(done, new, jnp.asarray(old, new.dtype)), fresh, after)
        return after, (jnp.where(done, first, seen), jnp.asarray(reward, jnp.float32), done, seen)

    return reset, restarted


def player(reset: Any, step: Any, num_actions: int, suite: str) -> Callable[[], Any]:
    """Compile random play in NUM_ENVS environments; return a function that runs it."""
    import jax
    import jax.numpy as jnp

    def play(key: Any) -> Any:
        key_reset, key_steps = jax.random.split(key)
        state, obs = reset(key_reset)

        def one(carry: Any, key: Any) -> Any:
            state, obs, running, total = carry
            key_act, key_step = jax.random.split(key)
            legal = obs[-num_actions:] > 0.5 if suite in MASKED else jnp.ones(num_actions, bool)
            action = jax.random.categorical(key_act, jnp.where(legal, 0.0, -1e9))
            state, (obs, reward, done, final_obs) = step(key_step, state, action)
            running = running + reward
            total = total + jnp.where(done, running, 0) + final_obs.sum() * 0
            return (state, obs, jnp.where(done, 0, running), total), None

        start = (state, obs, jnp.zeros(()), jnp.zeros(()))
        return jax.lax.scan(one, start, jax.random.split(key_steps, NUM_STEPS[suite]))[0][3]

    keys = jax.random.split(jax.random.key(0), NUM_ENVS)
    compiled = jax.jit(jax.vmap(play)).lower(keys).compile()
    return lambda: jax.block_until_ready(compiled(keys))


def ours(name: str, settings: dict[str, Any]) -> Callable[[], Any]:
    """Compile random play in an environment of ours."""
    import metadisco

    env = metadisco.make(name, **settings)

    def step(key: Any, state: Any, action: Any) -> Any:
        state, seen = env.step(key, state, action)
        return state, (seen.obs, seen.reward, seen.terminated | seen.truncated, seen.final_obs)

    return player(env.reset, step, env.action_space.num_actions, name.partition("/")[0])


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the sides of each case in turn."""
    results = {}
    for name, settings in CASES.items():
        suite, _, theirs = name.partition("/")
        if importlib.util.find_spec(suite) is None:
            continue
        reset, step, num_actions = BARE[suite](theirs)
        runs = {"bare": player(*restarting(reset, step), num_actions, suite), "ours": ours(name, settings)}
        if settings:
            runs["default"] = ours(name, {})
        seconds = in_turn({side: partial(cpu_seconds, run) for side, run in runs.items()}, options.rounds)
        results[name] = {
            "cpu_seconds": seconds,
            "ours_to_bare": ratio(seconds["bare"], seconds["ours"]),
            **({"default_to_ours": ratio(seconds["ours"], seconds["default"])} if settings else {}),
        }
    return {"what": f"{NUM_ENVS} environments, random legal actions", "cases": results}


if __name__ == "__main__":
    run_part(__doc__, measure, rounds=15)
