"""`metadisco export`: replacement of files, meaning of names, and messages."""

import json
import zipfile

import numpy as np
import pytest
from exporting import FORMS, export, said

from metadisco import load_objective
from metadisco.cli import main


class TestReplacing:
    """An artefact may be written over another one, with --force."""

    def losses(self, path):
        return load_objective(path).value_loss

    @pytest.mark.parametrize("name", ["a", "a.zip"])
    def test_a_learned_one_is_replaced_by_a_closed_one(self, learned, place, name):
        export(learned, "artefact", place / name)
        export("ppo", "artefact", place / name, "--force")
        load_objective(place / name)
        export("ppo", "artefact", place / f"new{name}")
        assert contents(place / name) == contents(place / f"new{name}")

    @pytest.mark.parametrize("name", ["a", "a.zip"])
    def test_a_closed_one_is_replaced_by_a_learned_one(self, learned, place, name):
        export("ppo", "artefact", place / name)
        export(learned, "artefact", place / name, "--force")
        load_objective(place / name)
        export(learned, "artefact", place / f"new{name}")
        assert contents(place / name) == contents(place / f"new{name}")

    def test_a_damaged_one_is_replaced(self, learned, place):
        export(learned, "artefact", place / "a")
        (place / "a" / "artefact.json").write_text("{")
        export(learned, "artefact", place / "a", "--force")
        load_objective(place / "a")

    def test_what_else_lies_in_its_folder_stays(self, learned, place):
        export("ppo", "artefact", place / "a")
        (place / "a" / "README.md").write_text("mine")
        export(learned, "artefact", place / "a", "--force")
        load_objective(place / "a")
        assert (place / "a" / "README.md").read_text() == "mine"


def contents(path):
    if path.is_dir():
        return {file.name: file.read_bytes() for file in path.iterdir()}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class TestNames:
    """A built-in name means the built-in objective, whatever is in the working directory."""

    def test_an_artefact_in_a_folder_of_that_name_is_not_meant(self, place):
        export("ppo", "artefact", place / "ppo")
        export("ppo", "artefact", place / "narrow", "objective.clip_eps=0.1")
        assert said(place / "narrow")["objective"]["settings"]["clip_eps"] == 0.1

    def test_distilled_forms_in_a_folder_of_that_name_are_not_meant(self, place):
        (place / "dpo").mkdir()
        (place / "dpo" / "distilled.json").write_text(json.dumps(FORMS))
        export("dpo", "artefact", place / "a")
        assert said(place / "a")["objective"]["kind"] == "closed"

    def test_a_name_with_equals_and_at_signs_is_a_path(self, learned, place):
        for name in ("a=b", "a@3", "a=b@3.zip"):
            export(learned, "artefact", place / name)
            export(f"./{name}", "artefact", place / f"again {name}")
            assert contents(place / name) == contents(place / f"again {name}")


class TestWhatIsSaid:
    @pytest.mark.parametrize(("target", "output"), [("artefact", "a"), ("artefact", "a.zip"), ("numpy", "a.py")])
    def test_the_path_is_printed_and_nothing_else_is_written(self, place, capsys, target, output):
        assert main(["export", "ppo", "--to", target, "--output", output]) == 0
        out, err = capsys.readouterr()
        assert (out, err) == (f"{output}\n", "")
        assert [path.name for path in place.iterdir()] == [output]
        assert main(["export", "ppo", "--to", target, "--output", output, "--force", "--quiet"]) == 0
        assert capsys.readouterr() == ("", "")

    def test_constants_are_those_that_were_set(self, place):
        export("dpo", "artefact", place / "a", "objective.alpha=1.5", "objective.value_clip_eps=null")
        assert said(place / "a")["objective"]["settings"] == {"alpha": 1.5, "beta": 0.6, "value_clip_eps": None}
        sample = np.float32(0.3)
        module = {}
        export("dpo", "numpy", place / "a.py", "objective.alpha=1.5", "objective.value_clip_eps=null")
        exec(compile((place / "a.py").read_text(), "a.py", "exec"), module)
        assert module["value_loss"](np.full(1, 3.0), np.zeros(1), np.full(1, sample)) == pytest.approx(0.5 * 2.7**2)
