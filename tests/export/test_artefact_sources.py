"""Finding an objective by an artefact: its identity, its training, a user-defined parametrisation."""

import importlib
import json
import shutil
import sys

import jax
import pytest
from artefact_cases import CASES, assert_bit_equal, export
from refusals import assert_refused

from metadisco import UserError, load_objective
from metadisco.cli import main
from metadisco.config import parse_config
from metadisco.discoveries.artefact import read_artefact
from metadisco.discoveries.sources import find_source
from metadisco.evaluation.settings import own_settings
from metadisco.storage.arrays import to_arrays
from metadisco.storage.package import ARTEFACT, write_package
from metadisco.storage.runs import RunDirectory


class TestSources:
    def test_the_identity_is_plain_and_the_same_wherever_it_lies(self, case, tmp_path):
        identity = find_source(str(case.folder)).identity
        assert json.loads(json.dumps(identity)) == identity
        assert find_source(str(case.archive)).identity == identity
        moved = shutil.copytree(case.folder, tmp_path / "elsewhere")
        assert find_source(str(moved)).identity == identity

    def test_identities_differ_where_objectives_do(self, case_of, run, tmp_path):
        artefacts = [case_of(name).folder for name in CASES]
        artefacts += [export([f"{run.path}@{generation}"], tmp_path / str(generation)) for generation in (3, 7)]
        identities = [json.dumps(find_source(str(path)).identity) for path in artefacts]
        assert len(set(identities)) == len(identities)

    @pytest.mark.parametrize(
        ("name", "parts"),
        [
            ("time_aware_lpo", ("policy",)), ("value_loss_of_all_inputs", ("value",)), ("both", ("policy", "value")),
            ("closed dpo", ("policy",)), ("forms", ("policy", "value")),
        ],
    )  # fmt: skip
    def test_parts_are_those_that_were_learned(self, case_of, name, parts):
        assert find_source(str(case_of(name).archive)).parts == parts

    def test_it_was_trained_on_what_the_run_was(self, case_of, run, tmp_path):
        path = export([str(run.path)], tmp_path / "artefact")
        trained_on = find_source(str(path)).trained_on
        assert trained_on == {"gymnax/CartPole-v1", "brax/ant"} == find_source(str(run.path)).trained_on
        assert find_source(str(case_of("closed ppo").folder)).trained_on is None
        assert find_source(str(case_of("forms").folder)).trained_on == {"gymnax/CartPole-v1"}

    def test_it_is_called_by_its_name_and_has_no_run(self, case_of):
        case = case_of("time_aware_lpo")
        assert find_source(str(case.folder)).short_name == "folder"
        assert find_source(str(case.archive)).short_name == "file"
        assert (find_source(str(case.archive)).run, find_source(str(case.archive)).centre) == (None, None)

    def test_it_brings_the_settings_of_its_training(self, case_of, run, tmp_path):
        artefact = export([str(run.path)], tmp_path / "artefact")
        ours, theirs = (parse_config(own_settings(find_source(str(path)))) for path in (artefact, run.path))
        assert ours == theirs
        for name in ("closed ppo", "forms"):
            assert own_settings(find_source(str(case_of(name).folder))) == {}

    def test_settings_that_are_no_longer_known_matter_to_nobody_else(self, run, tmp_path):
        artefact = read_artefact(export([str(run.path)], tmp_path / "artefact"))
        artefact.data["trained_on"]["inner"]["ppo"]["of_long_ago"] = 1
        write_package(artefact.path, ARTEFACT, artefact.data, artefact.arrays, force=True)
        assert find_source(str(artefact.path)).trained_on == find_source(str(run.path)).trained_on
        load_objective(artefact.path)


OWN = """
from pathlib import Path

from metadisco.parametrisations import ValueLoss

Path({marker!r}).touch()


class Steep:
    def __init__(self, width, steepness=2.0):
        self._own = ValueLoss(hidden_sizes=(width,), output_scale=steepness)

    def init(self, key):
        return self._own.init(key)

    def bind(self, meta_params):
        return self._own.bind(meta_params)
"""


class TestOnesOwnParametrisation:
    @pytest.fixture
    def own(self, tmp_path, monkeypatch):
        """The artefact of a run of a parametrisation that is no longer imported, without traces of its import."""
        marker = tmp_path / "imported"
        (tmp_path / "steep_losses.py").write_text(OWN.format(marker=str(marker)))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.chdir(tmp_path)
        section = {"name": "steep_losses:Steep", "width": 8}
        run = RunDirectory(tmp_path / "run")
        run.create(parse_config({"parametrisation": section}))
        params = importlib.import_module("steep_losses").Steep(8).init(jax.random.key(0))
        run.write_centre(2, to_arrays(jax.tree.map(lambda leaf: leaf + 0.5, params)))
        path = export([str(run.path)], tmp_path / "artefact")
        expected = load_objective(run.path)
        del sys.modules["steep_losses"]
        marker.unlink()
        yield path, expected, marker
        sys.modules.pop("steep_losses", None)

    def test_is_not_imported_to_see_what_it_is(self, own):
        path, _, marker = own
        assert find_source(str(path)).parts == ("policy", "value")
        assert find_source(str(path)).sha256
        assert not marker.exists()
        assert "steep_losses" not in sys.modules

    def test_is_imported_from_the_working_directory_where_it_is_loaded(self, own, monkeypatch):
        path, expected, marker = own
        monkeypatch.setattr(sys, "path", [each for each in sys.path if each != str(path.parent)])
        assert_bit_equal(load_objective(path), expected)
        assert marker.exists()

    def test_a_command_loads_it(self, own, tmp_path):
        path, expected, _ = own
        assert main(["export", str(path), "--to", "artefact", "--output", str(tmp_path / "a.zip"), "--quiet"]) == 0
        assert_bit_equal(load_objective(tmp_path / "a.zip"), expected)

    def test_is_refused_in_one_sentence_where_its_module_is_not(self, own, tmp_path, capsys):
        path, _, _ = own
        (tmp_path / "steep_losses.py").unlink()
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        importlib.invalidate_caches()
        words = ["train", "--objective", str(path), "--env", "gymnax/CartPole-v1"]
        assert_refused(words, [str(path), "'steep_losses'", "on the Python path or in the current directory"], capsys)

    @pytest.mark.parametrize(
        "name", ["steep_losses:run", "steep_losses:thing", "os:system", "steep_losses:nothing", "steep_losses", ":x",
                 "..steep_losses:Steep", "steep-losses:Steep", "a b:c"],
    )  # fmt: skip
    def test_nothing_but_a_class_of_losses_is_called(self, own, tmp_path, name):
        """An artefact may be anybody's: `subprocess:run` with arguments must not be a way to run something."""
        path, _, _ = own
        called = tmp_path / "called"
        with (tmp_path / "steep_losses.py").open("a") as file:
            file.write(f"\n\ndef run(**_):\n    Path({str(called)!r}).touch()\n\n\nthing = Steep(8)\n")
        artefact = read_artefact(path)
        section = {"name": name, "command": f"touch {called}"} if name.startswith("os") else {"name": name}
        artefact.data["objective"]["parametrisation"] = section
        write_package(path, ARTEFACT, artefact.data, artefact.arrays, force=True)
        with pytest.raises(UserError, match="its parametrisation"):
            load_objective(path)
        assert not called.exists()

    def test_is_loaded_once_it_was_imported(self, own):
        path, expected, _ = own
        importlib.import_module("steep_losses")
        assert_bit_equal(load_objective(path), expected)

    def test_says_its_settings_and_no_version_of_features(self, own):
        said = json.loads((own[0] / "artefact.json").read_text())["objective"]
        assert said["parametrisation"] == {"name": "steep_losses:Steep", "width": 8}
        assert said["feature_version"] is None
