"""`Run` reads a run directory."""

import jax
import numpy as np
import pytest

import metadisco
from metadisco.config import write_yaml
from metadisco.storage.rows import read_rows

PROBLEM = """
import jax.numpy as jnp

from metadisco import Evaluation, TaskInfo


class Hill:
    tasks = (TaskInfo("hill"),)
    env_steps = 0

    def init(self, key):
        return {"x": jnp.zeros(3)}

    def evaluate(self, key, meta_params):
        return Evaluation(-jnp.square(meta_params["x"] - 1).sum()[None])
"""


@pytest.fixture
def run(folder):
    return metadisco.Run("runs/first")


def test_metrics_have_a_row_a_generation_and_a_column_a_key(run):
    rows, table = read_rows(run.path / "metrics.jsonl"), run.metrics
    assert list(table["generation"]) == list(range(8))
    assert set(table) == set().union(*rows)
    assert list(table["env_steps"]) == [row["env_steps"] for row in rows]
    assert table["centre_fitness"].notna().sum() == 1  # evaluate_every is 5
    assert table["fitness_mean"].dtype == table["centre_fitness"].dtype == float


def test_a_notebook_displays_the_setup_and_progress_of_a_run(run):
    shown = run._repr_html_()
    for part in ("value_loss", "gymnax/CartPole-v1", "4 members", "<td>8 of 8</td>", "mean "):
        assert part in shown
    assert shown.count("<tr>") == 5


def test_what_is_null_in_every_row_is_nan(folder, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(write_yaml({"seed": 1}))
    (run / "metrics.jsonl").write_text('{"generation": 0, "fitness_mean": null}\n')
    table = metadisco.Run(run).metrics
    assert table["fitness_mean"].dtype == float
    assert metadisco.Run(run).generations == []


def test_centres_are_those_on_disk(run):
    assert run.generations == [0, 2, 4, 6, 8]
    for generation, wanted in ((None, 8), (2, 2)):
        leaves = jax.tree.leaves(run.centre(generation))
        with np.load(run.path / "centres" / f"{wanted:06d}.npz") as arrays:
            assert {leaf.tobytes() for leaf in map(np.asarray, leaves)} == {each.tobytes() for each in arrays.values()}


def test_a_centre_that_was_not_kept_is_refused(run):
    with pytest.raises(metadisco.UserError, match="no centre was kept after generation 3"):
        run.centre(3)


def test_what_is_bound_is_the_objective_of_that_generation(run):
    sample = metadisco.Sample(*(np.linspace(-1, 1, 5, dtype=np.float32),) * 5, np.float32(0.5))
    for generation, name in ((None, "runs/first"), (0, "runs/first@0")):
        expected = metadisco.load_objective(name).value_loss(sample)
        np.testing.assert_array_equal(run.bound(generation).value_loss(sample), expected)


def test_a_run_is_a_name_and_a_published_discovery_is_a_run(run):
    assert metadisco.write_artefact(run, run.path / "as_artefact").is_dir()
    published = metadisco.Run("value_loss_cartpole")
    assert len(published.metrics) > 8
    assert published.config.tasks[0].env == "gymnax/CartPole-v1"


@pytest.mark.parametrize("name", ["nowhere", "demo.yaml", "runs"])
def test_what_is_no_run_is_refused(name, folder):
    with pytest.raises(metadisco.UserError, match=name):
        metadisco.Run(name)


def test_what_a_problem_without_parametrisation_learned_is_not_bound(folder, tmp_path, monkeypatch):
    (tmp_path / "api_problem.py").write_text(PROBLEM)
    monkeypatch.syspath_prepend(str(tmp_path))
    config = {
        "problem": {"name": "api_problem:Hill"},
        "outer": {"num_generations": 1, "num_devices": 2, "evaluate_every": 0, "strategy": {"population_size": 4}},
    }
    run = metadisco.evolve(config, tmp_path / "run", progress=False)
    assert run.centre()["x"].shape == (3,)
    with pytest.raises(metadisco.UserError, match="has no parametrisation"):
        run.bound()
