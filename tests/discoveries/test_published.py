"""Published discoveries by short name: each folder is both a run and its artefact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from refusals import assert_refused
from samples import make_sample

from metadisco import UserError, load_objective
from metadisco.cli import main
from metadisco.config import parse_config
from metadisco.discoveries import published
from metadisco.discoveries.sources import find_source
from metadisco.parametrisations import ValueLoss
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

NAME = "a_discovery"
PARAMETRISATION = ValueLoss(hidden_sizes=(4,), start="random")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One published discovery with two search centres."""
    folder = tmp_path_factory.mktemp("published")
    section = {"name": "value_loss", "hidden_sizes": [4], "start": "random"}
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "run")
    run.create(parse_config({"parametrisation": section, "inner": {"env": "gymnax/CartPole-v1"}}))
    for generation in (0, 8):
        run.write_centre(generation, to_arrays(PARAMETRISATION.init(jax.random.key(generation))))
    assert main(["export", str(run.path), "--to", "artefact", "--output", str(folder / NAME), "--quiet"]) == 0
    (run.path / "config.yaml").rename(folder / NAME / "config.yaml")
    (run.path / "centres").rename(folder / NAME / "centres")
    return folder


@pytest.fixture(autouse=True)
def published_there(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(published, "FOLDER", folder)
    monkeypatch.chdir(tmp_path)


def losses(objective):
    sample = make_sample(value=jnp.linspace(-3.0, 3.0, 7))
    return np.asarray(objective.value_loss(sample))


def test_a_short_name_a_path_and_the_newest_centre_are_the_same(folder):
    expected = losses(PARAMETRISATION.bind(PARAMETRISATION.init(jax.random.key(8))))
    for name in (NAME, folder / NAME, f"{NAME}@8"):
        np.testing.assert_array_equal(losses(load_objective(name)), expected)


def test_earlier_centres_have_the_short_name_as_well():
    start = losses(load_objective(f"{NAME}@0"))
    np.testing.assert_array_equal(start, losses(PARAMETRISATION.bind(PARAMETRISATION.init(jax.random.key(0)))))
    assert (start != losses(load_objective(NAME))).any()


def test_it_is_a_run_and_an_artefact():
    source = find_source(NAME)
    assert source.run is not None and source.artefact is not None
    assert source.centre.name == "000008.npz"
    assert source.trained_on == {"gymnax/CartPole-v1"}
    assert source.short_name == NAME


def test_an_artefact_of_it_is_the_one_that_is_there(folder, tmp_path):
    assert main(["export", NAME, "--to", "artefact", "--output", str(tmp_path / "copy"), "--quiet"]) == 0
    assert (tmp_path / "copy" / "arrays.npz").read_bytes() == (folder / NAME / "arrays.npz").read_bytes()


def test_what_stands_where_one_is_comes_first(tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(UserError, match=f"no objective '{NAME}': a path of that name shadows"):
        load_objective(NAME)


def test_a_name_that_is_nearly_one_is_told_of_it(capsys):
    words = ["train", "--objective", "a_discovry", "--env", "gymnax/CartPole-v1"]
    assert_refused(words, ["no objective 'a_discovry'", "ppo", f"did you mean {NAME!r}?"], capsys)


def test_list_names_it(capsys, monkeypatch):
    monkeypatch.setattr("metadisco.commands.listing.SUITES", ())  # brax takes long to import
    assert main(["list"]) == 0
    assert f"discoveries:\n  {NAME}\n" in capsys.readouterr().out


def test_a_report_of_it_writes_nothing_where_it_is(folder, tmp_path):
    before = sorted(folder.rglob("*"))
    assert main(["report", NAME, "--output", str(tmp_path / "page.html"), "--no-visits", "--quiet"]) == 0
    assert sorted(folder.rglob("*")) == before
    assert (tmp_path / "page_figures" / "value_loss.png").is_file()
