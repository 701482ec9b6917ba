"""What makes small arrays quick on CPU: each function does what JAX, optax or flax has one for, arranged for XLA.

- `threefry`: keys whose rounds are no loop; their numbers are those of `jax.random`, bit for bit.
- `shuffle`: minibatches by sorting single numbers; not the permutations of `jax.random.permutation`, but as even, and
  for large batches those themselves.
- `adam`: gradient steps with one division and one root per number; those of optax's chain up to rounding.
- `dense`: layers with quicker gradients, equal up to rounding to those of `x @ kernel + bias`; so are the values of
  heads of few outputs, while those of hidden layers are equal bit for bit.

None is an option: `benchmarks/ablation.py` puts the plain function in its place, and shows what each pays. What is one
line of an algorithm stays there: that a rollout splits its keys before its loop, and that values of final observations
are computed only where an episode was cut.
"""
