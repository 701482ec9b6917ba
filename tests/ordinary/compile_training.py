"""A program to be run by itself: compile a short training, and print its results.

`--jax-keys` takes JAX's own keys. With `--cpu-seconds N` the system ends it after N seconds of CPU.
"""

import argparse
import hashlib
import resource
import sys
import time

import jax
import numpy as np

import metadisco
from metadisco.inner import train as training
from metadisco.inner.envs import gymnax as adapter

parser = argparse.ArgumentParser()
parser.add_argument("--jax-keys", action="store_true")
parser.add_argument("--cpu-seconds", type=int, default=resource.RLIM_INFINITY)
args = parser.parse_args()
resource.setrlimit(resource.RLIMIT_CPU, (args.cpu_seconds, args.cpu_seconds))
if args.jax_keys:
    training.unrolled_key = adapter.unrolled_key = lambda key: key

config = metadisco.PPOConfig(num_env_steps=2048, hidden_sizes=(8,))
env, objective = metadisco.make("gymnax/CartPole-v1"), metadisco.load_objective("ppo")
key = jax.random.key(0)
start = time.process_time()
program = jax.jit(lambda key: metadisco.train(key, env, config, objective)).lower(key).compile()
seconds = time.process_time() - start
numbers = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(program(key)))
print(f"jax {jax.__version__}, {seconds:.1f} CPU seconds to compile", file=sys.stderr)
print(hashlib.sha256(numbers).hexdigest())
