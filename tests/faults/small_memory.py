"""A process whose memory is bounded once its first program is compiled, as that of a device is.

python small_memory.py MEBIBYTES WORDS...   # WORDS follow `metadisco`
"""

import resource
import sys

import jax
import jax.numpy as jnp

from metadisco.cli import main
from metadisco.evolution.recorder import RunRecorder
from metadisco.inner.envs import Discrete, auto_reset

WIDE = 250_000  # numbers of an observation, so that an evaluation of a few steps takes a hundred mebibytes
PAGE = resource.getpagesize()


def wide_env():
    """Observations as wide as pictures; the first number counts steps."""

    def reset(key):
        obs = jnp.zeros(WIDE)
        return obs[0], obs

    def step(key, time, action):
        obs = jnp.full(WIDE, time + 1)
        return time + 1, obs, 1.0 + 0.1 * action, time >= 3

    return auto_reset(reset, step, obs_shape=(WIDE,), action_space=Discrete(2), episode_length=4)


def bounded(mebibytes):
    """Let this process grow by so much from here on."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    limit = pages * PAGE + mebibytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    start, mebibytes = RunRecorder.start, int(sys.argv[1])

    def start_and_bound(self, evaluator):
        start(self, evaluator)
        print(f"needs {evaluator.chunk_bytes / 2**20:.0f}", flush=True)
        jax.block_until_ready(jnp.zeros(1))
        bounded(mebibytes)

    RunRecorder.start = start_and_bound
    raise SystemExit(main(sys.argv[2:]))
