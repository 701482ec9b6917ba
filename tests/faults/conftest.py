"""A tiny undisturbed run, and a launcher for disturbed ones."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metadisco.config import write_yaml

pytest.register_assert_rewrite("running")

from launcher import play  # noqa: E402
from running import Launcher  # noqa: E402 - only now its assertions say what they compared
from tiny import tiny_config  # noqa: E402

NUM_GENERATIONS = 30


@pytest.fixture(scope="session")
def config_path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(write_yaml(tiny_config(64, num_generations=NUM_GENERATIONS, num_devices=1)))
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Folder for output and compiled programs of commands."""
    return tmp_path_factory.mktemp("commands")


@pytest.fixture(scope="session")
def launcher(folder) -> Iterator[Launcher]:
    launcher = Launcher(folder)
    yield launcher
    launcher.close()


@pytest.fixture
def toy_problem(monkeypatch) -> None:
    """Let commands of this process have the toy that those of the launcher have."""
    play(monkeypatch.setattr)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, config_path, launcher) -> Path:
    run = tmp_path_factory.mktemp("runs") / "undisturbed"
    ended = launcher.run(["evolve", str(config_path), "--run", str(run)])
    assert ended.code == 0, ended.err
    return run


@pytest.fixture(scope="session")
def evolve(config_path) -> Callable[..., list[str]]:
    """Return a function that gives the words of the command for a run directory."""
    return lambda run, *more: ["evolve", str(config_path), *more, "--run", str(run)]
