"""The artefact: its contents, and that an objective is restored from it bit for bit."""

import dataclasses
import json
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from artefact_cases import CASES, CLOSED, FIELDS, FORMS, LEARNED, assert_bit_equal, export, results

from metadisco import PPOConfig, UserError, load_objective


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestLoading:
    @pytest.mark.parametrize("form", ["archive", pytest.param("folder", marks=pytest.mark.slow)])
    def test_losses_and_gradients_come_back_bit_for_bit(self, case, form):
        assert_bit_equal(load_objective(getattr(case, form)), case.objective)

    def test_cases_differ(self, case_of):
        """Else coming back bit for bit would say little."""
        seen = {b"".join(x.tobytes() for x in results(case_of(name).objective)) for name in CASES}
        assert len(seen) == len(CASES)

    def test_constants_of_an_artefact_cannot_be_set(self, case_of):
        with pytest.raises(UserError, match="clip_eps cannot be set"):
            load_objective(case_of("closed ppo").folder, clip_eps=0.1)

    def test_neither_orbax_nor_any_environment_is_needed(self, case_of, tmp_path):
        case = case_of("both")
        script = tmp_path / "load.py"
        script.write_text(WITHOUT_LIBRARIES)
        done = subprocess.run(
            [sys.executable, str(script), str(case.archive), json.dumps(FIELDS)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        policy_loss, _, value_loss, _ = results(case.objective)
        assert done.stdout.split() == [policy_loss.tobytes().hex(), value_loss.tobytes().hex()]


WITHOUT_LIBRARIES = """
import importlib.abc
import json
import sys

class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("orbax", "brax", "gymnax", "evosax"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Nothing())

import numpy as np
from metadisco import Sample, load_objective

objective = load_objective(sys.argv[1])
sample = Sample(**{name: np.asarray(x, np.float32) for name, x in json.loads(sys.argv[2]).items()})
for loss in objective[:2]:
    print(np.asarray(loss(sample)).tobytes().hex())
"""


class TestGenerations:
    @pytest.mark.parametrize(("generation", "env_steps"), [(3, 3000), (7, 7000)])
    def test_a_generation_after_an_at_sign_is_the_one_taken(self, run, tmp_path, generation, env_steps):
        name = f"{run.path}@{generation}"
        path = export([name], tmp_path / "artefact")
        assert_bit_equal(load_objective(path), load_objective(name))
        trained_on = json.loads((path / "artefact.json").read_text())["trained_on"]
        assert (trained_on["generations"], trained_on["env_steps"]) == (generation, env_steps)
        with np.load(path / "arrays.npz") as ours, np.load(run.centre_path(generation)) as theirs:
            assert {name: ours[name].tobytes() for name in ours} == {name: theirs[name].tobytes() for name in theirs}

    def test_without_one_it_is_the_newest(self, run, tmp_path):
        assert files_of(export([str(run.path)], tmp_path / "one")) == files_of(
            export([f"{run.path}@7"], tmp_path / "other")
        )


class TestFiles:
    def test_the_same_input_gives_the_same_bytes(self, case, tmp_path):
        assert files_of(export(case.words, tmp_path / "again")) == files_of(case.folder)
        assert export(case.words, tmp_path / "again.zip").read_bytes() == case.archive.read_bytes()

    def test_folder_and_archive_hold_the_same_files(self, case):
        with zipfile.ZipFile(case.archive) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == files_of(case.folder)

    def test_only_what_was_learned_has_arrays(self, case):
        learned = case.read()["objective"]["kind"] == "learned"
        assert set(files_of(case.folder)) == ({"artefact.json", "arrays.npz"} if learned else {"artefact.json"})

    def test_an_artefact_that_is_exported_again_stays_the_same(self, case, tmp_path):
        archive = export([str(case.folder)], tmp_path / "again.zip")
        assert archive.read_bytes() == case.archive.read_bytes()
        assert files_of(export([str(archive)], tmp_path / "back")) == files_of(case.folder)

    def test_it_can_be_exported_onto_itself(self, case_of, tmp_path):
        case = case_of("time_aware_lpo")
        folder, archive = shutil.copytree(case.folder, tmp_path / "own"), shutil.copy(case.archive, tmp_path / "o.zip")
        export([str(folder), "--force"], folder)
        export([str(archive), "--force"], archive)
        assert files_of(folder) == files_of(case.folder)
        assert archive.read_bytes() == case.archive.read_bytes()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["o.zip", "own"]

    def test_json_is_strict_and_ascii(self, case):
        text = (case.folder / "artefact.json").read_bytes().decode("ascii")
        assert text.endswith("}\n")

        def refuse(name):
            raise AssertionError(name)

        json.loads(text, parse_constant=refuse)


class TestContent:
    def test_settings_are_there_with_all_defaults(self, case_of):
        def section(name):
            return case_of(name).read()["objective"]["parametrisation"]

        drift = {"hidden_sizes": [8], "ppo_init": True, "clip_eps": 0.2, "margin": 1e-4, "feature_clip": 3.0,
                 "time_aware": True, "output_scale": 1.0, "start": "random"}  # fmt: skip
        assert section("time_aware_lpo") == {"name": "lpo_drift", **drift, "value_clip_eps": 0.2}
        loss = {"hidden_sizes": [8], "inputs": ["old_value", "error", "target"], "output_scale": 0.5,
                "start": "squared_error"}  # fmt: skip
        assert section("value_loss_of_all_inputs") == {"name": "value_loss", **loss, "clip_eps": 0.2}
        assert section("both") == {
            "name": "policy_and_value",
            "policy": {**drift, "feature_clip": None, "time_aware": False, "output_scale": 0.5},
            "value": {**loss, "inputs": ["error"], "output_scale": 1.0},
        }

    @pytest.mark.parametrize("name", LEARNED)
    def test_features_have_a_version_and_are_put_into_words(self, case_of, name):
        said = case_of(name).read()["objective"]
        assert said["kind"] == "learned"
        assert said["feature_version"] == 1
        assert isinstance(said["features"], str)
        assert said["features"]

    def test_a_closed_form_is_its_name_and_all_its_constants(self, case_of):
        said = {name: case_of(f"closed {name}").read() for name in CLOSED}
        assert said["ppo"]["objective"] == {
            "kind": "closed", "name": "ppo", "settings": {"clip_eps": 0.2, "value_clip_eps": 0.2}
        }  # fmt: skip
        assert said["dpo"]["objective"] == {
            "kind": "closed", "name": "dpo", "settings": {"alpha": 1.5, "beta": 0.6, "value_clip_eps": None}
        }  # fmt: skip
        assert all(each["trained_on"] is None for each in said.values())

    def test_distilled_forms_are_those_that_were_named(self, case_of):
        for name, policy in (("forms", "plain"), ("forms@timed", "timed")):
            said = case_of(name).read()
            assert said["objective"] == {
                "kind": "forms",
                "constants": FORMS["constants"],
                "expressions": {
                    "policy": FORMS["policy"]["forms"][policy]["expression"],
                    "value": FORMS["value"]["forms"]["plain"]["expression"],
                },
            }
            assert said["trained_on"] == {"envs": ["gymnax/CartPole-v1"]}

    def test_it_is_said_where_how_and_how_long_was_searched(self, run, tmp_path):
        said = json.loads((export([str(run.path)], tmp_path / "artefact") / "artefact.json").read_text())
        trained_on = said["trained_on"]
        assert trained_on["envs"] == ["gymnax/CartPole-v1", "brax/ant:spring"]
        assert (trained_on["seed"], trained_on["generations"], trained_on["env_steps"]) == (5, 7, 7000)
        ppo = trained_on["inner"]["ppo"]
        assert set(ppo) == {field.name for field in dataclasses.fields(PPOConfig)}
        assert (ppo["value_coef"], ppo["normalise_advantages"], ppo["num_minibatches"]) == (0.25, "batch", 2)
        assert trained_on["inner"]["envs"][0]["ppo"] == {"learning_rate": 0.001}
        assert trained_on["outer"]["strategy"]["name"]
        start = run.last_start()
        assert (trained_on["metadisco"], trained_on["commit"]) == (start["metadisco"], start["commit"])

    def test_a_run_that_measured_nothing_says_so(self, case_of):
        trained_on = case_of("time_aware_lpo").read()["trained_on"]
        assert (trained_on["generations"], trained_on["env_steps"], trained_on["commit"]) == (7, None, None)

    def test_it_is_said_how_to_call_the_losses_and_under_which_licence(self, case):
        said = case.read()
        assert (said["format"], said["version"]) == ("metadisco objective", 2)
        assert said["licence"] == "Apache-2.0"
        assert set(said["call"]) == {
            "policy_loss", "value_loss", "log_ratio", "advantage", "target", "value_coef", "entropy", "progress"
        }  # fmt: skip
        assert all(isinstance(each, str) and each for each in said["call"].values())

    def test_pairs_of_ppo_are_those_of_the_paper(self, case_of):
        pairs = case_of("closed ppo").read()["pairs"]
        given = {name: np.asarray(values) for name, values in pairs["inputs"].items()}
        assert len(given["value"]) >= 32
        ratio, advantage = np.exp(np.minimum(given["log_ratio"], 40)), given["advantage"]
        surrogate = np.minimum(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage)
        outside = np.where(advantage > 0, ratio > 1.2, ratio < 0.8)
        np.testing.assert_allclose(pairs["outputs"]["policy_loss"], -surrogate, rtol=1e-5)
        slope = np.where(outside | (given["log_ratio"] > 40), 0, -ratio * advantage)
        np.testing.assert_allclose(pairs["outputs"]["policy_gradient"], slope, rtol=1e-5)
        value, old_value, target = (given[name] for name in ("value", "old_value", "target"))
        clipped = old_value + np.clip(value - old_value, -0.2, 0.2)
        losses = [0.5 * (each - target) ** 2 for each in (value, clipped)]
        np.testing.assert_allclose(pairs["outputs"]["value_loss"], np.maximum(*losses), rtol=1e-4)

    def test_pairs_cover_all_inputs_at_several_times_of_a_life(self, case):
        pairs = case.read()["pairs"]
        assert set(pairs["inputs"]) == set(FIELDS)
        assert set(pairs["outputs"]) == {"policy_loss", "policy_gradient", "value_loss", "value_gradient"}
        columns = [*pairs["inputs"].values(), *pairs["outputs"].values()]
        assert len({len(column) for column in columns}) == 1
        assert len(set(pairs["inputs"]["progress"])) > 1
        assert min(pairs["inputs"]["log_ratio"]) < -0.2 and max(pairs["inputs"]["log_ratio"]) > 0.2
