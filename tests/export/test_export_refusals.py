"""`metadisco export`: refusals, after which nothing is written, and the form of an objective that it takes."""

import errno
import os
from pathlib import Path

import pytest
from exporting import FORMS, export, said, tree

from metadisco.cli import main


@pytest.fixture(scope="module")
def artefact(learned, tmp_path_factory):
    """The artefact of it."""
    path = str(tmp_path_factory.mktemp("artefacts") / "learned")
    assert main(["export", learned, "--to", "artefact", "--output", path, "--quiet"]) == 0
    return path


class TestWords:
    def test_an_unknown_target_is_answered_with_those_there_are(self, refused):
        refused(["ppo", "--to", "pytorch", "--output", "a.py"], "--to: got 'pytorch'", "numpy, jax, torch", "'torch'?")
        refused(["ppo", "--to", "", "--output", "a.py"], "--to: got ''")

    def test_an_unknown_form_is_answered_with_those_there_are(self, refused):
        refused(["ppo", "--to", "jax", "--form", "open", "--output", "a.py"], "--form: got 'open'", "network, closed")

    @pytest.mark.parametrize("words", [["--to", "numpy"], ["--output", "a.py"], []])
    def test_what_must_be_said_is_named(self, refused, words):
        refused(["ppo", *words], "required: --")

    @pytest.mark.parametrize("target", ["artefact", "numpy"])
    @pytest.mark.parametrize("name", ["nowhere", "nowhere@7", "nowhere.zip", "nowhere.json", "pppo", "x" * 5000])
    def test_an_unknown_objective_is_refused(self, refused, name, target):
        refused([name, "--to", target, "--output", "a.py"], name[:20])

    def test_an_artefact_is_among_what_an_objective_can_be(self, refused):
        refused(["nowhere.zip", "--to", "numpy", "--output", "a.py"], "artefact")

    @pytest.mark.parametrize(
        ("word", "told"),
        [
            ("objective.clip_eps=-1", "objective.clip_eps: got -1"),
            ("objective.clipeps=0.1", "clip_eps"),
            ("objective.clip_eps=wide", "objective.clip_eps"),
            ("seed=3", "seed"),
            ("inner.ppo.gamma=0.9", "inner.ppo.gamma"),
        ],
    )
    def test_a_setting_that_there_is_none_is_refused(self, refused, word, told):
        refused(["ppo", word, "--to", "artefact", "--output", "a"], told)

    def test_constants_of_what_was_learned_cannot_be_set(self, refused, learned, artefact):
        for name in (learned, artefact):
            refused([name, "objective.clip_eps=0.1", "--to", "artefact", "--output", "a"], "clip_eps")


class TestOutput:
    @pytest.mark.parametrize("target", ["numpy", "jax", "torch"])
    @pytest.mark.parametrize("output", ["losses", "losses.txt", "losses.zip", "losses.PY.gz", ".py"])
    def test_source_is_a_file_that_ends_in_py(self, refused, target, output):
        refused(["ppo", "--to", target, "--output", output], "--output", ".py")

    @pytest.mark.parametrize(
        ("target", "name"), [("numpy", "folder.py"), ("torch", "folder.py"), ("artefact", "a.zip")]
    )
    def test_a_directory_in_the_place_of_a_file_is_refused(self, refused, place, target, name):
        (place / name).mkdir()
        refused(["ppo", "--to", target, "--output", name], "--output", repr(name))

    @pytest.mark.parametrize("target", ["artefact", "numpy"])
    def test_a_file_in_the_place_of_a_directory_is_refused(self, refused, place, target):
        (place / "file").write_text("mine")
        refused(["ppo", "--to", target, "--output", "file/a.py"], "--output", "'", "file")

    @pytest.mark.parametrize("name", ["file", "losses.py", "artefact.json"])
    def test_a_file_in_the_place_of_an_artefact_is_refused(self, refused, place, name):
        (place / name).write_text("mine")
        refused(["ppo", "--to", "artefact", "--output", name], "--output", name)

    @pytest.mark.parametrize(
        ("target", "output"), [("artefact", "locked/a"), ("artefact", "locked/a.zip"), ("jax", "locked/a.py")]
    )
    def test_a_directory_that_cannot_be_written_to_is_refused(self, refused, place, monkeypatch, target, output):
        """Said by the system here, as root may write everything."""
        locked, access = place / "locked", os.access
        locked.mkdir()
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != locked and access(path, mode))
        refused(["ppo", "--to", target, "--output", output], "--output", "locked")

    @pytest.mark.parametrize("output", ["folder", "folder/", ".", ""])
    def test_a_folder_of_something_else_is_refused(self, refused, place, output):
        (place / "folder").mkdir()
        (place / "folder" / "notes.txt").write_text("mine")
        refused(["ppo", "--to", "artefact", "--output", output], "--output", repr(str(Path(output))), "artefact.json")

    def test_a_run_is_not_made_an_artefact_which_would_stand_before_it(self, refused, distilled_run):
        refused(
            [distilled_run, "--to", "artefact", "--output", distilled_run],
            "--output",
            repr(distilled_run),
            "artefact.json",
        )

    def test_distilled_forms_are_not_joined_by_an_artefact(self, refused, distilled_run):
        refused(
            ["ppo", "--to", "artefact", "--output", f"{distilled_run}/distilled"],
            "--output",
            "distilled",
            "artefact.json",
        )

    @pytest.mark.parametrize("target", ["artefact", "numpy"])
    def test_a_write_that_fails_leaves_what_was_there(self, place, monkeypatch, target):
        output = place / ("old" if target == "artefact" else "old.py")
        export("ppo", target, output)
        before = tree(place)

        def full(descriptor):
            raise OSError(errno.ENOSPC, "No space left on device", str(output))

        monkeypatch.setattr(os, "fsync", full)
        assert main(["export", "dpo", "--to", target, "--output", str(output), "--force", "--quiet"]) == 1
        assert tree(place) == before


class TestForms:
    def test_the_closed_form_of_a_run_that_has_none_is_refused(self, refused, learned):
        refused(
            [learned, "--to", "artefact", "--form", "closed", "--output", "a"], "--form", "distilled.json", "distil"
        )

    def test_the_closed_form_of_a_run_is_the_closest_that_was_distilled(self, distilled_run, place):
        export(distilled_run, "artefact", place / "a", "--form", "closed")
        assert said(place / "a")["objective"] == {
            "kind": "forms",
            "constants": FORMS["constants"],
            "expressions": {"value": ["log_cosh", "error"]},
        }
        assert said(place / "a")["trained_on"]["envs"] == ["gymnax/Acrobot-v1"]

    def test_the_network_of_a_run_is_what_is_written_without_a_word(self, distilled_run, place):
        export(distilled_run, "artefact", place / "plain")
        export(distilled_run, "artefact", place / "network", "--form", "network")
        assert said(place / "plain") == said(place / "network")
        assert said(place / "plain")["objective"]["kind"] == "learned"

    def test_distilled_forms_that_are_damaged_are_refused(self, refused, distilled_run):
        (Path(distilled_run) / "distilled" / "distilled.json").write_text("{")
        refused([distilled_run, "--to", "artefact", "--form", "closed", "--output", "a"], "distilled.json", "JSON")

    def test_there_is_no_network_of_closed_forms(self, refused, distilled_run):
        forms = f"{distilled_run}/distilled"
        refused([forms, "--to", "numpy", "--form", "network", "--output", "a.py"], "--form", "closed")

    @pytest.mark.parametrize("target", ["artefact", "numpy"])
    def test_there_is_no_network_of_a_closed_objective(self, refused, target):
        refused(["ppo", "--to", target, "--form", "network", "--output", "a.py"], "--form")

    @pytest.mark.parametrize("target", ["artefact", "numpy"])
    def test_there_is_no_network_of_the_artefact_of_a_closed_objective(self, refused, place, target):
        export("ppo", "artefact", place / "closed")
        refused(["closed", "--to", target, "--form", "network", "--output", "a.py"], "--form")

    @pytest.mark.parametrize("target", ["artefact", "numpy"])
    def test_a_learned_artefact_has_no_closed_form(self, refused, artefact, target):
        """The requested form is missing; the network in its place would be another objective."""
        refused([artefact, "--to", target, "--form", "closed", "--output", "a.py"], "--form")

    def test_closed_forms_are_closed_when_they_are_asked_to_be(self, distilled_run, place):
        for index, name in enumerate(("ppo", f"{distilled_run}/distilled")):
            export(name, "artefact", place / f"plain{index}")
            export(name, "artefact", place / f"closed{index}", "--form", "closed")
            assert said(place / f"plain{index}") == said(place / f"closed{index}")
