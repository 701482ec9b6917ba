"""Languages of source files. Requires nothing else, so that commands know them at once."""

LANGUAGES = {
    "numpy": ("np", "NumPy"), "jax": ("jnp", "JAX"), "torch": ("torch", "PyTorch"), "discogen": ("jnp", "JAX"),
}  # fmt: skip
"""Module and name of the library of a file; the file for DiscoGen is one for JAX with a further function."""
