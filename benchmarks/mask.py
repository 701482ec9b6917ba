"""Cost of a mask of legal actions: lifetimes of PPO in CartPole without a mask, and with one of legal actions only.

Both learn the same, number by number, so the mask is the only difference: two more entries in every observation, which
are cut off before the network, and logits that are replaced where it is 0. Sides run alternately; seconds are those of
the CPU, so other programs count little. Ratios are masked to plain: 1.03 means that the mask costs 3 %.

    python benchmarks/mask.py --output benchmarks/results/mask.json

About two minutes on two cores.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

from showing import run_part
from turns import cpu_seconds, in_turn, ratio

ENV = "gymnax/CartPole-v1"
LIFETIMES, NUM_UPDATES = 16, 128
PPO = {"num_envs": 4, "num_steps": 64, "num_evaluation_episodes": 2}


def all_legal(env: Any) -> Any:
    """Return an environment of discrete actions with a mask in which all of them are legal."""
    import jax.numpy as jnp

    from metadisco.inner.envs import Discrete, with_mask

    space = Discrete(env.action_space.num_actions, masked=True)
    mask = jnp.ones(space.num_actions)

    def reset(key: Any) -> Any:
        state, obs = env.reset(key)
        return state, with_mask(obs, mask)

    def step(key: Any, state: Any, action: Any) -> Any:
        state, seen = env.step(key, state, action)
        return state, seen._replace(obs=with_mask(seen.obs, mask), final_obs=with_mask(seen.final_obs, mask))

    obs_shape = (env.obs_shape[0] + space.num_actions,)
    return env._replace(reset=reset, step=step, obs_shape=obs_shape, action_space=space)


def lifetimes(env: Any, num_updates: int) -> Callable[[], Any]:
    """Compile lifetimes side by side, as in a chunk of a population; return a function that runs them."""
    import jax

    import metadisco

    num_env_steps = num_updates * PPO["num_envs"] * PPO["num_steps"]
    config = metadisco.PPOConfig(num_env_steps=num_env_steps, **PPO)
    train = jax.vmap(lambda key: metadisco.train(key, env, config, metadisco.ppo()).curve)
    keys = jax.random.split(jax.random.key(0), LIFETIMES)
    compiled = jax.jit(train).lower(keys).compile()
    return lambda: jax.block_until_ready(compiled(keys))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run both sides in turn."""
    import numpy as np

    import metadisco

    num_updates = 4 if options.quick else NUM_UPDATES
    env = metadisco.make(ENV)
    runs = {"plain": lifetimes(env, num_updates), "masked": lifetimes(all_legal(env), num_updates)}
    curves = [np.asarray(run()) for run in runs.values()]
    seconds = in_turn({name: partial(cpu_seconds, run) for name, run in runs.items()}, options.rounds)
    return {
        "what": f"{LIFETIMES} lifetimes of {num_updates} updates, {PPO['num_envs']} x {PPO['num_steps']} steps, {ENV}",
        "equal": bool(np.array_equal(*curves, equal_nan=True)),
        "cpu_seconds": seconds,
        "masked_to_plain": ratio(seconds["masked"], seconds["plain"]),
    }


if __name__ == "__main__":
    run_part(__doc__, measure, rounds=15)
