"""Meta-policies that are exported: their runs, and the outputs of the original for sequences of meta-states."""

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

from metadisco import load_meta_params, write_source
from metadisco.config import parse_config
from metadisco.config.parse import completed
from metadisco.parametrisations import make_parametrisation
from metadisco.problems.registry import make_problem
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

SECTIONS: dict[str, dict[str, Any]] = {
    "feed_forward": {"name": "meta_policy", "hidden_sizes": [4], "output_scale": 2.5},
    "timed": {"name": "meta_policy", "hidden_sizes": [3, 4], "time": True, "time_scale": 7.0},
    "linear": {"name": "meta_policy", "hidden_sizes": []},
    "open_loop": {"name": "open_loop_policy", "hidden_sizes": [4], "time_scale": 3.0},
    "static": {"name": "static_policy", "output_scale": 3.0},
    "recurrent": {"name": "recurrent_policy", "hidden_sizes": [4], "memory_size": 3},
    "chicken": {"name": "meta_policy", "hidden_sizes": [3], "time": True},
}
STATELESS = ("feed_forward", "linear", "static")
PROBLEMS: dict[str, dict[str, Any]] = {
    "timed": {
        "game": "stag_hunt",
        "seat": 2,
        "reset": "players",
        "opponents": ["lola:learning_rate=0.5", {"name": "naive", "learning_rate": 2.0}],
        "self_play": {"over_generations": 3},
    },
    "chicken": {"game": "chicken"},
}
TOLERANCE = 1e-5


def make_policy_run(path: Path, name: str, section: dict[str, Any] | None = None) -> str:
    """Make the run of a meta-policy whose weights are all random."""
    rng = np.random.default_rng(2)
    problem = {"name": "opponent_shaping", **PROBLEMS.get(name, {})}
    config = parse_config({"seed": 5, "problem": problem, "parametrisation": section or SECTIONS[name]})
    config = completed(config, make_problem(config))
    run = RunDirectory(path)
    run.create(config)
    template = jax.eval_shape(make_parametrisation(config.parametrisation).init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: rng.normal(0, 0.6, leaf.shape).astype(leaf.dtype), template)
    run.write_centre(7, to_arrays(params))
    return str(run.path)


def bound(run: str) -> Any:
    return make_parametrisation(RunDirectory(Path(run)).config().parametrisation).bind(load_meta_params(run))


def meta_states(run: str, num_lifetimes: int = 2, num_decisions: int = 9) -> np.ndarray:
    """Return probabilities [B, T, 2N], some of which are 0 or 1."""
    num_states = RunDirectory(Path(run)).config().parametrisation["num_states"]
    states = np.random.default_rng(3).uniform(size=(num_lifetimes, num_decisions, 2 * num_states)).astype(np.float32)
    return np.where(np.random.default_rng(4).uniform(size=states.shape) < 0.2, states.round(), states)


def original_logits(run: str) -> np.ndarray:
    """Return the outputs of the original for `meta_states`, [B, T, N]."""
    policy = bound(run)

    def decide(memory, meta_state):
        logits, memory = policy.act(meta_state, memory)
        return memory, logits

    lifetimes = jax.jit(jax.vmap(lambda states: jax.lax.scan(decide, policy.initial_memory(), states)[1]))
    return np.asarray(lifetimes(jnp.asarray(meta_states(run))))


def file_logits(module: Any, meta_states: Any) -> list[Any]:
    """Return the outputs of a file for the meta-states [..., T, 2N] of lifetimes, decision by decision."""
    memory, given = module.initial_memory(), []
    for decision in range(meta_states.shape[-2]):
        logits, memory = module.act(meta_states[..., decision, :], memory)
        given.append(logits)
    return given


class Policies:
    """Runs of meta-policies, their exported files, and the outputs of the original, each made once.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.run = functools.cache(lambda name: make_policy_run(folder / name, name))
        self.original = functools.cache(lambda name: original_logits(self.run(name)))
        self.meta_states = functools.cache(lambda name: meta_states(self.run(name)))
        self.path = functools.cache(
            lambda name, language: write_source(self.run(name), language, folder / f"{name}_{language}.py")
        )
        self.module = functools.cache(self._module)

    def _module(self, name: str, language: str) -> Any:
        spec = importlib.util.spec_from_file_location(f"{name}_{language}", self.path(name, language))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def check_all(policies: Policies, names: tuple[str, ...], language: str) -> dict[tuple[str, bool], str]:
    """Return the output of the self-check of files, unchanged and with the largest weight changed; "" is nothing."""
    paths = {}
    for name in names:
        text = policies.path(name, language).read_text()
        largest = max(_floats(policies.module(name, language).WEIGHTS), key=abs)
        assert repr(largest) in text
        changed = policies.folder / f"{name}_{language}_changed.py"
        changed.write_text(text.replace(repr(largest), repr(1.05 * largest), 1))
        paths |= {str(policies.path(name, language)): (name, False), str(changed): (name, True)}
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *HIDDEN[language]]
    ran = subprocess.run(command, input="\n".join(paths), capture_output=True, text=True, check=True)
    return {paths[path]: said for path, said in json.loads(ran.stdout).items()}


def _floats(nested: Any) -> list[float]:
    if isinstance(nested, float):
        return [nested]
    return [x for each in (nested.values() if isinstance(nested, dict) else nested) for x in _floats(each)]
