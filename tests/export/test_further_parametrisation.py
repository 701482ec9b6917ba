"""A further parametrisation, with features and a constraint of its own, is one file and one line in the registry."""

import json
from functools import partial

import jax
import numpy as np
import pytest
from exported import exported, jax_results, numpy_results, original, torch_results
from loss_samples import samples
from tiny import tiny_config

from metadisco import UserError, load_objective
from metadisco.cli import main
from metadisco.config import write_yaml
from metadisco.discoveries.sources import find_source
from metadisco.distillation.families import DRIFT_FAMILIES
from metadisco.distillation.network import train_student
from metadisco.parametrisations import PARAMETRISATIONS, make_parametrisation
from metadisco.storage.arrays import from_arrays
from metadisco.storage.files import read_arrays
from metadisco.storage.runs import RunDirectory

FILE = '''
"""A drift (r - 1)^2 exp(tanh network(tanh log r, A, progress)), beside PPO's value loss."""

from dataclasses import replace
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp

from metadisco.config.fields import PositiveFloat, Sizes, settings
from metadisco.objectives import mirror, probability_ratio, value_loss
from metadisco.objectives.arithmetic import in_float32
from metadisco.objectives.expressions import apply, multiply
from metadisco.objectives.losses import Losses, Network, layers_of, ppo_value_loss
from metadisco.types import Objective


class Layers(nn.Module):
    sizes: tuple[int, ...]

    @nn.compact
    def __call__(self, x):
        for size in self.sizes:
            x = nn.tanh(nn.Dense(size)(x))
        return nn.Dense(1, name="output")(x)[..., 0]


@settings
class WeightedSquare:
    learns: ClassVar[tuple[str, ...]] = ("policy",)
    features: ClassVar[tuple[int, str]] = (3, "tanh log r; A; progress")
    hidden_sizes: Sizes = (4, 3)
    weight: PositiveFloat = 0.5
    value_clip_eps: PositiveFloat | None = None

    @in_float32
    def init(self, key):
        return Layers(self.hidden_sizes).init(key, jnp.zeros(3))["params"]

    def bind(self, meta_params):
        def drift(sample):
            seen = jnp.broadcast_arrays(jnp.tanh(sample.log_ratio), sample.advantage, sample.progress)
            learned = jnp.tanh(Layers(self.hidden_sizes).apply({"params": meta_params}, jnp.stack(seen, -1)))
            return self.weight * jnp.square(probability_ratio(sample) - 1) * jnp.exp(learned)

        return Objective(mirror(drift), value_loss(self.value_clip_eps))

    def resized(self, hidden_sizes):
        return replace(self, hidden_sizes=hidden_sizes)

    def source_losses(self, meta_params):
        gap = apply("subtract", "r", 1)
        drift = multiply(multiply(self.weight, apply("square", gap)), apply("exp", apply("tanh", "network")))
        features = (apply("tanh", "log_ratio"), "A", "progress")
        return Losses(Network(drift, features, layers_of(meta_params)), ppo_value_loss(self.value_clip_eps))
'''
SECTION = {"name": "weighted_square", "weight": 0.75}
RESULTS = {"numpy": numpy_results, "jax": jax_results, "torch": torch_results}


@pytest.fixture(scope="module", autouse=True)
def one_line(tmp_path_factory):
    """Write the file, and the line."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "weighted_square.py").write_text(FILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setitem(PARAMETRISATIONS, "weighted_square", "weighted_square:WeightedSquare")
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Evolve two generations."""
    place = tmp_path_factory.mktemp("run")
    config = tiny_config(num_generations=2, num_devices=1, evaluate_every=2) | {"parametrisation": SECTION}
    (place / "config.yaml").write_text(write_yaml(config))
    assert main(["evolve", str(place / "config.yaml"), "--run", str(place / "run"), "--quiet"]) == 0
    return place / "run"


def values(objective):
    """Return losses and slopes for some ordinary samples."""
    return original(objective, fields(np.float32))


def fields(dtype):
    return {name: x[2400:3400] if x.ndim else x for name, x in samples(dtype).items()}


def test_the_search_moves_it_and_its_centre_is_loaded(run):
    config = RunDirectory(run).config()
    assert config.parametrisation == {**SECTION, "hidden_sizes": [4, 3], "value_clip_eps": None}
    assert any(row["step_norm"] > 0 for row in RunDirectory(run).metrics())
    parametrisation = make_parametrisation(config.parametrisation)
    template = jax.eval_shape(parametrisation.init, jax.random.key(0))
    bound = parametrisation.bind(from_arrays(read_arrays(RunDirectory(run).centre_path(2)), template, "centre"))
    for ours, theirs in zip(values(load_objective(run)), values(bound), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert find_source(str(run)).parts == ("policy",)


def test_a_wrong_setting_is_refused_as_one_of_ours(run, capsys):
    words = ["evolve", str(run.parent / "config.yaml"), "parametrisation.weigth=1", "--run", str(run.parent / "no")]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "unknown key 'parametrisation.weigth'; did you mean 'weight'?" in told


@pytest.mark.slow
def test_its_loss_is_drawn(run, tmp_path, monkeypatch):
    drawn = set()
    monkeypatch.setattr("metadisco.plotting.style.save", lambda figure, path: drawn.add(path.name))
    assert main(["plot", str(run), "--no-visits", "--output", str(tmp_path / "out"), "--quiet"]) == 0
    assert {"drift", "drift_slices", "drift_evolution", "run"} <= drawn
    assert not any(name.startswith("value") for name in drawn)


@pytest.mark.slow
def test_it_is_distilled_and_made_smaller(run, tmp_path, monkeypatch):
    # Nothing is trained for it, and little fitted: how well is no matter.
    monkeypatch.setattr("metadisco.distillation.distil.cached_histograms", lambda *_: None)
    monkeypatch.setattr("metadisco.distillation.distil.train_student", partial(train_student, num_steps=2))
    monkeypatch.setattr("metadisco.distillation.forms.DRIFT_FAMILIES", DRIFT_FAMILIES[:2])
    monkeypatch.setattr("metadisco.distillation.forms.fit_mixture", lambda _: None)
    monkeypatch.setattr("metadisco.distillation.forms.search", lambda *_: [])
    words = ["--seeds", "0", "--network", "4"]
    assert main(["distil", str(run), "--output", str(tmp_path), *words, "--quiet"]) == 0
    data = json.loads((tmp_path / "distilled.json").read_text())
    assert data["policy"]["forms"]
    assert "value" not in data
    assert data["constants"]["value_clip_eps"] is None
    student = RunDirectory(tmp_path / "network")
    assert student.config().parametrisation == {**SECTION, "hidden_sizes": [4], "value_clip_eps": None}
    assert read_arrays(student.centre_path(0))["Dense_0/kernel"].shape == (3, 4)
    load_objective(tmp_path / "network")


def test_its_artefact_says_what_its_network_sees(run, tmp_path, monkeypatch):
    assert main(["export", str(run), "--to", "artefact", "--output", str(tmp_path / "artefact"), "--quiet"]) == 0
    told = json.loads((tmp_path / "artefact" / "artefact.json").read_text())["objective"]
    assert (told["feature_version"], told["features"]) == (3, "tanh log r; A; progress")
    for ours, theirs in zip(values(load_objective(tmp_path / "artefact")), values(load_objective(run)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    monkeypatch.setattr("weighted_square.WeightedSquare.features", (4, "others"))
    with pytest.raises(UserError, match="got version 3 of the features of weighted_square, allowed: 4"):
        load_objective(tmp_path / "artefact")


@pytest.mark.parametrize("language", ["numpy", "jax", pytest.param("torch", marks=pytest.mark.export)])
def test_its_source_gives_its_values_and_slopes(run, language, tmp_path):
    module = exported(str(run), language, tmp_path / "losses.py")
    objective = load_objective(run)
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-10)):
        given = fields(dtype)
        for ours, theirs in zip(RESULTS[language](module, given), original(objective, given), strict=True):
            assert ours.dtype == dtype
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
