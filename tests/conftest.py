"""Set-up of all tests: two virtual devices, types checked at run time, warnings as errors, shared compiled programs."""

from collections.abc import Callable

import jax
import pytest
from jaxtyping import install_import_hook

jax.config.update("jax_num_cpu_devices", 2)
CHECKED = install_import_hook(
    ["metadisco.inner", "metadisco.outer", "metadisco.parametrisations", "metadisco.problems", "metadisco.objectives"],
    "beartype.beartype",
)


@pytest.fixture
def getkey() -> Callable[[], jax.Array]:
    """Return a function that gives a new key at each call, the same ones in each run."""
    state = {"key": jax.random.key(20261121)}

    def next_key() -> jax.Array:
        state["key"], key = jax.random.split(state["key"])
        return key

    return next_key
