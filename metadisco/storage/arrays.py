"""Meta-parameters as named arrays: a flat mapping that NumPy can store and read without JAX."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from metadisco.errors import MAX_SHOWN, UserError, shown


def to_arrays(tree: Any) -> dict[str, np.ndarray]:
    """Return the leaves of a pytree by their path, such as `Dense_0/kernel`.

    Raises:
        UserError: if two leaves have the same path, or a leaf is empty or has a path that no file can store.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, leaf in _named_leaves(tree):
        if name in arrays:
            raise UserError(f"meta-parameters: two arrays are called {name!r}, allowed: paths that differ")
        if "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
            raise UserError(f"meta-parameters: got an array called {name!r}, allowed: names in UTF-8 without zeros")
        if 0 in leaf.shape:
            raise UserError(f"meta-parameters: {name!r} has shape {leaf.shape}, allowed: arrays with numbers in them")
        arrays[name] = np.asarray(leaf)
    return arrays


def from_arrays(arrays: Mapping[str, np.ndarray], template: Any, source: str) -> Any:
    """Rebuild a pytree from named arrays.

    Args:
        arrays: as from `to_arrays`.
        template: a pytree of arrays or shapes.
        source: origin of the arrays, for messages.

    Raises:
        UserError: for a missing or extra array, or one of another shape or dtype.
    """
    wanted = _named_leaves(template)
    extra = sorted(set(arrays) - {name for name, _ in wanted})
    if extra:
        raise UserError(f"{source}: holds an array {shown(extra[0])} that its parametrisation does not have")
    leaves = []
    for name, leaf in wanted:
        if name not in arrays:
            raise UserError(f"{source}: lacks the array {name!r}")
        array = arrays[name]
        if array.shape != leaf.shape or array.dtype != leaf.dtype:
            got, expected = (f"{each.dtype}{list(each.shape)}" for each in (array, leaf))
            raise UserError(f"{source}: array {name!r} is {got[:MAX_SHOWN]}, expected {expected}")
        leaves.append(jax.numpy.asarray(array))
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


def _named_leaves(tree: Any) -> list[tuple[str, Any]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), leaf) for path, leaf in leaves]
