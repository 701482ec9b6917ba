"""An objective with a schedule: its artefact, and the forms that cannot contain it."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from refusals import assert_refused

from metadisco import load_objective
from metadisco.cli import main
from metadisco.config import parse_config
from metadisco.discoveries.sources import find_source
from metadisco.parametrisations import make_parametrisation
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

SECTION = {"name": "schedules", "curves": ["learning_rate", "clip_eps"], "num_knots": 3, "output_scale": 1.0}
KNOTS = {"learning_rate": np.log([1.0, 2.0, 0.5]), "clip_eps": np.log([1.0, 1.0, 3.0])}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    made = RunDirectory(tmp_path_factory.mktemp("runs") / "scheduled")
    made.create(parse_config({"parametrisation": SECTION}))
    template = make_parametrisation(SECTION).init(jax.random.key(0))
    knots = {name: jnp.asarray(KNOTS[name], jnp.float32) for name in template["schedule"]}
    made.write_centre(4, to_arrays({"schedule": knots}))
    return str(made.path)


def test_an_artefact_holds_the_curves_and_a_table_of_them(run, tmp_path):
    artefact = tmp_path / "artefact"
    assert main(["export", run, "--to", "artefact", "--output", str(artefact), "--quiet"]) == 0
    told = json.loads((artefact / "artefact.json").read_text())
    table, halfway = told["schedule"], told["schedule"]["progress"].index(0.5)
    assert set(table["factors"]) == set(KNOTS)
    assert "schedule" in told["call"]
    for name, knots in KNOTS.items():
        values = np.array(table["factors"][name])
        np.testing.assert_allclose(values[[0, halfway, -1]], np.exp(knots), rtol=1e-5)
    loaded, original = load_objective(artefact), load_objective(run)
    for progress in (0.0, 0.3, 0.9):
        np.testing.assert_array_equal(loaded.schedule(jnp.float32(progress)), original.schedule(jnp.float32(progress)))
    assert find_source(str(artefact)).parts == find_source(run).parts == ("policy",)


@pytest.mark.parametrize(
    "words", [["export", "--to", "numpy", "--output", "file.py"], ["distil", "--seeds", "0", "--output", "forms"]]
)
def test_a_module_of_losses_and_closed_forms_cannot_hold_it(words, run, place, capsys):
    command, *options = words
    assert_refused([command, run, *options], ["changes settings of PPO over the lifetime"], capsys)
    assert list(place.iterdir()) == []
