"""Exported objectives, their files, and the losses and gradients of originals and files."""

import functools
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from exported_forms import FORMS
from loss_samples import rows, samples

from metadisco import Sample, load_objective
from metadisco.cli import main
from metadisco.config import parse_config
from metadisco.discoveries.distilled import FILE, FORMAT, VERSION
from metadisco.parametrisations import make_parametrisation
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory
from metadisco.types import Objective

CLOSED = (
    "ppo", "dpo", "kl", "quadratic", "total_variation", "policy_gradient", "ppo_kl", "ppo_total_variation",
)  # fmt: skip
LEARNED: dict[str, dict[str, Any]] = {
    "value_loss": {"name": "value_loss", "hidden_sizes": [8, 8], "start": "random"},
    "value_loss_of_all_inputs": {
        "name": "value_loss", "hidden_sizes": [8], "inputs": ["old_value", "error", "target"], "output_scale": 0.5,
    },
    "lpo": {"name": "lpo_drift", "hidden_sizes": [16], "start": "random", "ppo_init": False},
    "lpo_from_ppo": {"name": "lpo_drift", "hidden_sizes": [8, 8], "start": "random", "clip_eps": 0.3},
    "time_aware_lpo": {
        "name": "lpo_drift", "hidden_sizes": [8], "start": "random", "time_aware": True, "feature_clip": 3.0,
    },
    "basis": {"name": "drift_basis", "value_clip_eps": 0.3},
    "both": {
        "name": "policy_and_value",
        "policy": {"hidden_sizes": [8], "start": "random", "output_scale": 0.5},
        "value": {"hidden_sizes": [8]},
    },
}  # fmt: skip
NAMES = (*CLOSED, *LEARNED, *FORMS)
FEW = ("ppo", "value_loss_of_all_inputs", "time_aware_lpo", "both", "all_operations", "kinks")
SEGMENTS = ("ordinary", "nan", "atoms", "extremes")


def make_run(path: Path, name: str) -> str:
    """Make the run of a learned objective with random weights."""
    section, rng = LEARNED[name], np.random.default_rng(1)
    run = RunDirectory(path)
    run.create(parse_config({"parametrisation": section}))
    template = jax.eval_shape(make_parametrisation(section).init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: rng.normal(0, 0.6, leaf.shape).astype(leaf.dtype), template)
    run.write_centre(7, to_arrays(params))
    return str(run.path)


def make_forms(path: Path, parts: Mapping[str, Any]) -> str:
    """Write distilled forms, of which each part has one."""
    path.mkdir(parents=True, exist_ok=True)
    data = {
        "format": FORMAT,
        "version": VERSION,
        "source": "runs/somewhere",
        "trained_on": ["gymnax/CartPole-v1"],
        "constants": {"clip_eps": 0.2, "value_clip_eps": None},
        **{part: {"closest": "given", "forms": {"given": {"expression": each}}} for part, each in parts.items()},
    }
    (path / FILE).write_text(json.dumps(data))
    return f"{path}@given"


def exported(name: str, language: str, path: Path) -> Any:
    """Export an objective and return the module."""
    assert main(["export", name, "--to", language, "--output", str(path), "--quiet"]) == 0
    return load(path)


def load(path: Path) -> ModuleType:
    """Return the module of a file, anew at each call."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def original(objective: Objective, fields: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return policy loss, its gradient in the log ratio, value loss, its gradient in the value."""
    with jax.enable_x64(fields["value"].dtype == np.float64):
        sample = Sample(**{name: jnp.asarray(x) for name, x in fields.items()})
        results = []
        for loss, by in ((objective.policy_loss, "log_ratio"), (objective.value_loss, "value")):
            values, pull = jax.vjp(lambda x, loss=loss, by=by: loss(sample._replace(**{by: x})), getattr(sample, by))
            results += [values, *pull(jnp.ones_like(values))]
        return [np.asarray(x) for x in results]


class Expected(NamedTuple):
    """Outputs of an original, each as from `original`."""

    given: list[np.ndarray]
    """In the precision of the samples."""
    exact: list[np.ndarray]
    """In double precision."""
    kinks: list[np.ndarray]
    """Whether each is within 1e-5 of a kink, where the gradient jumps."""


def expect(objective: Objective, fields: Mapping[str, np.ndarray]) -> Expected:
    """Return the expected outputs of the files of an objective."""
    wide = {name: x.astype(np.float64) for name, x in fields.items()}
    kinks = []
    with np.errstate(invalid="ignore"):
        for by, first in (("log_ratio", 0), ("value", 2)):
            reach = 1e-5 * np.maximum(1, np.abs(wide[by]))
            below, above = (original(objective, {**wide, by: wide[by] + side * reach})[first + 1] for side in (-1, 1))
            kinks += [np.abs(below - above) > 1e-3 * np.maximum(1, np.abs(below))] * 2
    return Expected(original(objective, fields), original(objective, wide), kinks)


def arguments(fields: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return the arguments of both losses of a file."""
    policy = [fields["log_ratio"], np.zeros_like(fields["log_ratio"]), fields["advantage"], fields["progress"]]
    return policy, [fields["value"], fields["old_value"], fields["target"], fields["progress"]]


def numpy_results(module: Any, fields: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the outputs of a NumPy file, in the order of `original`."""
    policy, value = arguments(fields)
    return [
        module.policy_loss(*policy), module.policy_loss_gradient(*policy),
        module.value_loss(*value), module.value_loss_gradient(*value),
    ]  # fmt: skip


def jax_results(module: Any, fields: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the outputs of a JAX file, in the order of `original`."""
    results = []
    with jax.enable_x64(fields["value"].dtype == np.float64):
        for loss, given in zip((module.policy_loss, module.value_loss), arguments(fields), strict=True):
            x, *rest = map(jnp.asarray, given)
            values, pull = jax.vjp(lambda x, loss=loss, rest=rest: loss(x, *rest), x)
            results += [values, *pull(jnp.ones_like(values))]
    return [np.asarray(x) for x in results]


def torch_results(module: Any, fields: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the outputs of a PyTorch file, in the order of `original`."""
    import torch

    results = []
    for loss, given in zip((module.policy_loss, module.value_loss), arguments(fields), strict=True):
        x, *rest = (torch.tensor(each) for each in given)
        values = loss(x.requires_grad_(), *rest)
        results += [values, *torch.autograd.grad(values.sum(), x)]
    return [x.detach().numpy() for x in results]


class Exports:
    """Caches objectives by name, their outputs, the exported files and the outputs of these.

    Args:
        folder: where runs, forms and files are written.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self.source = functools.cache(self._source)
        self.objective = functools.cache(self._objective)
        self.path = functools.cache(self._path)
        self.module = functools.cache(self._module)
        self.expected = functools.cache(self._expected)
        self.results = functools.cache(self._results)

    def _source(self, name: str) -> str:
        if name in CLOSED:
            return name
        folder = self._folder / "sources" / name
        return make_run(folder, name) if name in LEARNED else make_forms(folder, FORMS[name])

    def _objective(self, name: str) -> Objective:
        return load_objective(self.source(name))

    def _path(self, name: str, language: str) -> Path:
        path = self._folder / language / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        exported(self.source(name), language, path)
        return path

    def _module(self, name: str, language: str) -> ModuleType:
        return load(self.path(name, language))

    def _expected(self, name: str, dtype: Any) -> dict[str, Expected]:
        """Return the outputs of the original, by segment."""
        whole = expect(self.objective(name), samples(dtype))
        return {each: Expected(*([x[rows(each)] for x in part] for part in whole)) for each in SEGMENTS}

    def _results(self, name: str, language: str, dtype: Any) -> dict[str, list[np.ndarray]]:
        """Return the outputs of a file, by segment."""
        module, fields = self.module(name, language), samples(dtype)
        if language != "numpy":
            whole = (jax_results if language == "jax" else torch_results)(module, fields)
            return {each: [x[rows(each)] for x in whole] for each in SEGMENTS}
        results = {}
        for each in SEGMENTS:
            given = {field: x[rows(each)] if x.ndim else x for field, x in fields.items()}
            with np.errstate(**({} if each == "ordinary" else {"all": "ignore"})):
                results[each] = numpy_results(module, given)
        return results
