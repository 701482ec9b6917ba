"""Runs in several processes, on lifetimes so short that a generation takes milliseconds."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import Process
from tiny import tiny_config

from metadisco.config import write_yaml

NUM_GENERATIONS = 12
THREE_DEVICES = "outer.num_devices=3"


@pytest.fixture(scope="session")
def config_path(tmp_path_factory) -> Path:
    """Twelve members, which one to four processes can share."""
    config = tiny_config(num_generations=NUM_GENERATIONS, strategy={"population_size": 12, "std": 3.0})
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(write_yaml(config))
    return path


@pytest.fixture(scope="session")
def compiled(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def start(config_path, compiled, tmp_path) -> Callable[..., Process]:
    """Return a function that starts `metadisco evolve` with further words."""
    number = 0

    def start(*words: str) -> Process:
        nonlocal number
        folder = tmp_path / f"process_{number}"
        folder.mkdir()
        number += 1
        return Process(["evolve", str(config_path), *words], folder, compiled)

    return start


@pytest.fixture(scope="session")
def alone(config_path, compiled, tmp_path_factory) -> Path:
    """The run of one process with three devices, to which all others are compared."""
    folder = tmp_path_factory.mktemp("alone")
    words = ["evolve", str(config_path), THREE_DEVICES, "--run", str(folder / "run")]
    with Process(words, folder, compiled) as process:
        code, _, err = process.finish()
    assert code == 0, err
    return folder / "run"


@pytest.fixture
def address() -> str:
    """Where nobody listens yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
