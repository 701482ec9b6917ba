"""A program to be run by itself: compile a short training, and print its results. `--jax-keys` takes JAX's own keys."""

import hashlib
import sys
import time

import jax
import numpy as np

import metadisco
from metadisco.inner import train as training
from metadisco.inner.envs import gymnax as adapter

if "--jax-keys" in sys.argv:
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
