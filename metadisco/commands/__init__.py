"""The commands behind `metadisco …`, one file each. JAX is imported inside them, after the input was checked."""
