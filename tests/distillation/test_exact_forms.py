"""Losses that are closed forms as they were learned."""

import jax
import numpy as np
import pytest

from metadisco.cli import main
from metadisco.config import parse_config
from metadisco.discoveries.load import load_objective
from metadisco.discoveries.sources import find_source
from metadisco.distillation.distil import _exact_forms
from metadisco.distillation.families import measure
from metadisco.distillation.formulas import check_drift
from metadisco.distillation.targets import drift_target
from metadisco.parametrisations import make_parametrisation
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory


def run_of(section, folder):
    run = RunDirectory(folder / section["name"])
    run.create(parse_config({"parametrisation": section}))
    rng = np.random.default_rng(0)
    start = make_parametrisation(section).init(jax.random.key(0))
    run.write_centre(0, to_arrays(jax.tree.map(lambda leaf: leaf + 0.1 * rng.normal(size=leaf.shape), start)))
    return str(run.path)


@pytest.mark.parametrize("exported", [False, True])
def test_a_drift_of_few_coefficients_is_its_own_closed_form(exported, tmp_path):
    name = run_of({"name": "drift_basis"}, tmp_path)
    if exported:
        assert main(["export", name, "--to", "artefact", "--output", f"{name}.zip", "--quiet"]) == 0
        name = f"{name}.zip"
    forms = _exact_forms(find_source(name))
    assert set(forms) == {"policy"}
    target = drift_target(load_objective(name).policy_loss, num_points=200)
    found = measure("exact", forms["policy"], target)
    assert found.relative_error < 1e-4
    assert check_drift(found.expression).nonnegative == "by form"


def test_a_network_is_none(tmp_path):
    assert _exact_forms(find_source(run_of({"name": "lpo_drift", "hidden_sizes": [4]}, tmp_path))) == {}
    assert _exact_forms(find_source("dpo")) == {}
