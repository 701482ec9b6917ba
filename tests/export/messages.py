"""Messages that are exported: their runs, and the outputs of the original for observations."""

import functools
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from self_checks import HIDDEN, PROGRAM

from metadisco import Run, write_source
from metadisco.config import parse_config
from metadisco.config.parse import completed
from metadisco.parametrisations import make_parametrisation
from metadisco.problems.registry import make_problem
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

CARTPOLE = {"env": "gymnax/CartPole-v1", "env_settings": {"max_steps_in_episode": 200}}
PENDULUM = {"env": "gymnax/Pendulum-v1", "ppo": {"learning_rate": 0.001}}
BREAKOUT = {"env": "gymnax/Breakout-MinAtar"}
SECTIONS: dict[str, dict[str, Any]] = {
    "harm": {"num_channels": 3, "hidden_sizes": [4, 3], "scale": 2.5},
    "help": {"hidden_sizes": [], "activation": "tanh", "input_scale": 2.0},
    "control": {"hidden_sizes": [4], "activation": "tanh", "input_scale": [1.0, 1.0, 8.0]},
    "grid": {"hidden_sizes": [2]},
}
PROBLEMS: dict[str, dict[str, Any]] = {
    "harm": {"aim": "harm", "objective_settings": {"clip_eps": 0.1}},
    "help": {"aim": "help", "objective": "dpo"},
    "control": {"aim": "control", "num_episodes": 5},
    "grid": {"aim": "help"},
}
ENVS = {"harm": CARTPOLE, "help": CARTPOLE, "control": PENDULUM, "grid": BREAKOUT}
TOLERANCE = 1e-5


def make_message_run(path: Path, name: str, section: dict[str, Any] | None = None, **inner: Any) -> str:
    """Make the run of a message whose weights are all random."""
    rng = np.random.default_rng(2)
    parametrisation = section or {"name": "message", **SECTIONS[name]}
    problem = {"name": "cheap_talk", **PROBLEMS.get(name, {})}
    inner = inner or ENVS.get(name, CARTPOLE)
    config = parse_config({"seed": 5, "problem": problem, "parametrisation": parametrisation, "inner": inner})
    config = completed(config, make_problem(config))
    run = RunDirectory(path)
    run.create(config)
    template = jax.eval_shape(make_parametrisation(config.parametrisation).init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: rng.normal(0, 0.6, leaf.shape).astype(leaf.dtype), template)
    run.write_centre(7, to_arrays(params))
    return str(run.path)


def observations(name: str) -> np.ndarray:
    """Return observations [5, ...]."""
    shape = {"control": (3,), "grid": (10, 10, 4)}.get(name, (4,))
    return np.random.default_rng(3).normal(size=(5, *shape)).astype(np.float32)


def goals(name: str) -> np.ndarray:
    """Return features of goals [5, 2]."""
    assert name == "control"
    return np.random.default_rng(4).uniform(-1, 1, (5, 2)).astype(np.float32)


class Messages:
    """Runs of messages, their exported files, and the outputs of the original, each made once.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.run = functools.cache(lambda name: make_message_run(folder / name, name))
        self.bound = functools.cache(lambda name: Run(self.run(name)).bound())
        self.said = functools.cache(
            lambda name: np.asarray(jax.vmap(self.bound(name).message)(jnp.asarray(observations(name))))
        )
        self.path = functools.cache(
            lambda name, language: write_source(self.run(name), language, folder / f"{name}_{language}.py")
        )
        self.module = functools.cache(lambda name, language: import_file(self.path(name, language)))

    def steered(self, name: str) -> np.ndarray:
        """Return the steering messages of the original."""
        steer = jax.vmap(self.bound(name).steer)
        return np.asarray(steer(jnp.asarray(observations(name)), jnp.asarray(goals(name))))


def import_file(path: Path) -> Any:
    """Return a file as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_all(messages: Messages, names: tuple[str, ...], language: str) -> dict[tuple[str, str], str]:
    """Return the output of the self-check of files, unchanged and with a weight of a part changed; "" is nothing."""
    paths = {}
    for name in names:
        path = messages.path(name, language)
        paths[str(path)] = (name, "")
        for part, layers in messages.module(name, language).WEIGHTS.items():
            largest = max((x for row in layers[-1][0] for x in row), key=abs)
            assert path.read_text().count(repr(largest)) == 1
            changed = messages.folder / f"{name}_{language}_{part}.py"
            changed.write_text(path.read_text().replace(repr(largest), repr(1.05 * largest)))
            paths[str(changed)] = (name, part)
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *HIDDEN[language]]
    ran = subprocess.run(command, input="\n".join(paths), capture_output=True, text=True, check=True)
    return {paths[path]: said for path, said in json.loads(ran.stdout).items()}
