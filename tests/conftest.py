"""Set-up of all tests: two virtual devices, types checked at run time, warnings as errors, shared compiled programs."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache
from jaxtyping import install_import_hook

CACHE = tempfile.TemporaryDirectory()  # of compiled programs, which commands keep for the next one
os.environ["XDG_CACHE_HOME"] = CACHE.name
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


@pytest.fixture(scope="module")
def programs_are_compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep compiled programs for the next command of this process, for one module of tests."""
    settings = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for values in (settings, before):
        for name, value in values.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
        if values is settings:
            yield
