"""Functions of JAX, optax and flax, rewritten to be fast for small arrays on CPU.

- `threefry`: keys whose rounds are unrolled; their random numbers equal those of `jax.random` bit for bit.
- `shuffle`: minibatches by sorting single numbers; the permutations differ from those of `jax.random.permutation`, but
  are as uniform. Large batches use `jax.random.permutation` itself.
- `adam`: gradient steps with one division and one square root per number; equal to optax's up to rounding.
- `dense`: layers with faster gradients, which are equal up to rounding to those of `x @ kernel + bias`. Outputs of
  heads with few units are equal up to rounding, those of hidden layers bit for bit.

None of them is optional: `benchmarks/ablation.py` replaces each by the plain function and measures the speed-up.
Optimisations of a single line are in the algorithms themselves: a rollout splits its keys before its loop, and values
of final observations are computed only for truncated episodes.
"""
