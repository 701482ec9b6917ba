"""Set-up of all tests: two virtual devices, types checked at run time, warnings as errors, shared compiled programs."""

import gc
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")  # locations take a tenth of the time of lowering

import jax
import pytest
from jaxtyping import install_import_hook

CACHE = tempfile.TemporaryDirectory()  # of compiled programs, which commands keep for the next one
os.environ["XDG_CACHE_HOME"] = CACHE.name
COMPILED = os.environ.setdefault("COMPILED_BY_TESTS", os.path.join(CACHE.name, "tests"))  # workers inherit it
jax.config.update("jax_compilation_cache_dir", COMPILED)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
gc.set_threshold(100_000, 20, 20)  # looking through all of JAX's objects takes a tenth of the time otherwise
pytest.register_assert_rewrite("env_contract", "layout", "processes", "refusals")
jax.config.update("jax_num_cpu_devices", 2)
CHECKED = install_import_hook(
    [
        "metadisco.inner",
        "metadisco.outer",
        "metadisco.parametrisations",
        "metadisco.problems",
        "metadisco.objectives.closed",
    ],
    "beartype.beartype",
)


@pytest.fixture(scope="session", autouse=True)
def _devices() -> None:
    """Start JAX before a test asks for one device, as a process keeps what it starts with."""
    assert jax.device_count() == 2


@pytest.fixture
def getkey() -> Callable[[], jax.Array]:
    """Return a function that returns a new key per call, the same ones in every run."""
    state = {"key": jax.random.key(20261121)}

    def next_key() -> jax.Array:
        state["key"], key = jax.random.split(state["key"])
        return key

    return next_key


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the working directory, and return it."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    return place
