"""`metadisco export`: what it refuses, writing nothing then, and which form of an objective it takes."""

import errno
import json
import os
import sys
from pathlib import Path

import jax
import pytest
from exported import make_run
from exporting import FORMS, export, said
from refusals import assert_refused

from metadisco import ValueLoss
from metadisco.cli import main
from metadisco.config import PARAMETRISATION_SETTINGS, parse_config
from metadisco.export.arrays import to_arrays
from metadisco.parametrisations import PARAMETRISATIONS
from metadisco.runs import RunDirectory

OWN = """
from metadisco import ValueLoss
from metadisco.expressions import apply
from metadisco.losses import Losses


class Mine:
    def __init__(self, hidden_sizes):
        self._own = ValueLoss(hidden_sizes=tuple(hidden_sizes))

    def init(self, key):
        return self._own.init(key)

    def bind(self, meta_params):
        return self._own.bind(meta_params)


class Written(ValueLoss):
    pass


class Wrong(Mine):
    def source_losses(self, meta_params):
        return ValueLoss(hidden_sizes=(8,), output_scale=2.0).source_losses(meta_params)


class Loose(Mine):
    def source_losses(self, meta_params):
        return 0, 1


class Odd(Mine):
    def source_losses(self, meta_params):
        return Losses(apply("arctan", "A"), 0)
"""


@pytest.fixture(scope="module")
def artefact(learned, tmp_path_factory):
    """The artefact of it."""
    path = str(tmp_path_factory.mktemp("artefacts") / "learned")
    assert main(["export", learned, "--to", "artefact", "--output", path, "--quiet"]) == 0
    return path


@pytest.fixture
def distilled_run(place):
    """A run with a closed form."""
    path = make_run(place / "distilled_run", "value_loss_of_all_inputs")
    (Path(path) / "distilled").mkdir()
    (Path(path) / "distilled" / "distilled.json").write_text(json.dumps(FORMS))
    return path


@pytest.fixture
def make_own_run(place, monkeypatch):
    """(class) -> a run of a parametrisation of one's own."""
    (place / "mine_alone.py").write_text(OWN)
    monkeypatch.setattr(sys, "path", [str(place), *sys.path])

    def make(name):
        run = RunDirectory(place / "own_run")
        run.create(parse_config({"parametrisation": {"name": f"mine_alone:{name}", "hidden_sizes": [8]}}))
        params = ValueLoss(hidden_sizes=(8,), start="random").init(jax.random.key(0))
        run.write_centre(1, to_arrays(params))
        return str(run.path)

    yield make
    sys.modules.pop("mine_alone", None)


@pytest.fixture
def own_run(make_own_run):
    return make_own_run("Mine")


def tree(place):
    return {path: path.read_bytes() if path.is_file() else None for path in place.rglob("*")}


@pytest.fixture
def refused(place, capsys):
    """(words, what is told) -> checked that the command is refused and writes nothing."""

    def refused(words, *told):
        before = tree(place)
        assert_refused(["export", *words], told, capsys)
        caches = {path for path in tree(place) if "__pycache__" in path.parts}  # of a module of one's own
        assert {path: content for path, content in tree(place).items() if path not in caches} == before

    return refused


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
        refused([name, "--to", target, "--output", "a.py"], "no objective", name[:20])

    def test_an_artefact_is_among_what_an_objective_can_be(self, refused):
        refused(["nowhere.zip", "--to", "numpy", "--output", "a.py"], "artefact")

    @pytest.mark.parametrize(
        ("word", "told"),
        [
            ("objective.clip_eps=-1", "objective.clip_eps: got -1"),
            ("objective.clipeps=0.1", "'objective.clipeps'; did you mean 'clip_eps'"),
            ("objective.clip_eps=wide", "objective.clip_eps"),
            ("seed=3", "seed"),
            ("inner.ppo.gamma=0.9", "inner.ppo.gamma"),
        ],
    )
    def test_a_setting_that_there_is_none_is_refused(self, refused, word, told):
        refused(["ppo", word, "--to", "artefact", "--output", "a"], told)

    def test_constants_of_what_was_learned_cannot_be_set(self, refused, learned, artefact):
        for name in (learned, artefact):
            refused([name, "objective.clip_eps=0.1", "--to", "artefact", "--output", "a"], "clip_eps cannot be set")


class TestOutput:
    @pytest.mark.parametrize("target", ["numpy", "jax", "torch"])
    @pytest.mark.parametrize("output", ["losses", "losses.txt", "losses.zip", "losses.PY.gz", ".py"])
    def test_source_is_a_file_that_ends_in_py(self, refused, target, output):
        refused(["ppo", "--to", target, "--output", output], "--output", "ends in .py")

    @pytest.mark.parametrize(
        ("target", "name"), [("numpy", "folder.py"), ("torch", "folder.py"), ("artefact", "a.zip")]
    )
    def test_a_directory_in_the_place_of_a_file_is_refused(self, refused, place, target, name):
        (place / name).mkdir()
        refused(["ppo", "--to", target, "--output", name], f"--output: {name!r} is a directory")

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
        refused(["ppo", "--to", target, "--output", output], "--output", "locked", "written to")

    @pytest.mark.parametrize("output", ["folder", "folder/", ".", ""])
    def test_a_folder_of_something_else_is_refused(self, refused, place, output):
        (place / "folder").mkdir()
        (place / "folder" / "notes.txt").write_text("mine")
        refused(["ppo", "--to", "artefact", "--output", output], "--output", "holds something else")

    def test_a_run_is_not_made_an_artefact_which_would_stand_before_it(self, refused, distilled_run):
        refused([distilled_run, "--to", "artefact", "--output", distilled_run], "--output", "holds something else")

    def test_distilled_forms_are_not_joined_by_an_artefact(self, refused, distilled_run):
        refused(["ppo", "--to", "artefact", "--output", f"{distilled_run}/distilled"], "holds something else")

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
        refused([forms, "--to", "numpy", "--form", "network", "--output", "a.py"], "--form", "no network")

    @pytest.mark.parametrize("target", ["artefact", "numpy"])
    def test_there_is_no_network_of_a_closed_objective(self, refused, target):
        refused(["ppo", "--to", target, "--form", "network", "--output", "a.py"], "--form")

    @pytest.mark.parametrize("target", ["artefact", "numpy"])
    def test_there_is_no_network_of_the_artefact_of_a_closed_objective(self, refused, place, target):
        export("ppo", "artefact", place / "closed")
        refused(["closed", "--to", target, "--form", "network", "--output", "a.py"], "--form")

    @pytest.mark.parametrize("target", ["artefact", "numpy"])
    def test_a_learned_artefact_has_no_closed_form(self, refused, artefact, target):
        """What was asked for is not there; the network in its place would be another objective."""
        refused([artefact, "--to", target, "--form", "closed", "--output", "a.py"], "--form")

    def test_closed_forms_are_closed_when_they_are_asked_to_be(self, distilled_run, place):
        for index, name in enumerate(("ppo", f"{distilled_run}/distilled")):
            export(name, "artefact", place / f"plain{index}")
            export(name, "artefact", place / f"closed{index}", "--form", "closed")
            assert said(place / f"plain{index}") == said(place / f"closed{index}")


class TestRuns:
    @pytest.mark.parametrize("target", ["numpy", "jax", "torch"])
    def test_source_of_a_parametrisation_of_ones_own_is_refused(self, refused, own_run, target):
        refused([own_run, "--to", target, "--output", "a.py"], "mine_alone:Mine", "of your own", "metadisco distil")
        refused([own_run, "--to", target, "--output", "new/folder/a.py"])

    @pytest.mark.parametrize(
        ("name", "told"), [("Wrong", "what bind gives"), ("Loose", "got tuple"), ("Odd", "policy: got 'arctan'")]
    )
    def test_source_losses_that_are_none_or_others_than_those_of_bind_are_refused(
        self, refused, make_own_run, name, told
    ):
        refused([make_own_run(name), "--to", "torch", "--output", "a.py"], "source_losses", told)

    @pytest.mark.parametrize("says", [True, False])
    def test_a_further_built_in_one_is_written_by_what_it_says(self, refused, place, monkeypatch, says):
        class Fourth(ValueLoss):
            if not says:
                source_losses = None

        monkeypatch.setitem(PARAMETRISATIONS, "fourth", Fourth)
        monkeypatch.setitem(PARAMETRISATION_SETTINGS, "fourth", Fourth)
        run = RunDirectory(place / "run")
        run.create(parse_config({"parametrisation": {"name": "fourth", "hidden_sizes": [8]}}))
        run.write_centre(1, to_arrays(ValueLoss(hidden_sizes=(8,), start="random").init(jax.random.key(0))))
        if not says:
            refused(["run", "--to", "jax", "--output", "a.py"], "fourth has no source_losses", "metadisco distil")
            return
        export("run", "jax", place / "a.py")
        assert "PPO had these settings" in (place / "a.py").read_text()

    def test_source_of_one_that_says_its_losses_is_that_of_a_built_in_one(self, make_own_run, place):
        export(make_own_run("Written"), "numpy", place / "a.py")
        module = {}
        exec(compile((place / "a.py").read_text(), "a.py", "exec"), module)
        module["_check"]()

    def test_an_artefact_of_a_parametrisation_of_ones_own_is_written(self, own_run, place):
        export(own_run, "artefact", place / "a")
        assert said(place / "a")["objective"]["parametrisation"] == {"name": "mine_alone:Mine", "hidden_sizes": [8]}

    @pytest.mark.parametrize("target", ["artefact", "numpy"])
    def test_a_run_without_centres_is_refused(self, refused, place, target):
        RunDirectory(place / "new").create(parse_config({}))
        refused(["new", "--to", target, "--output", "a.py"], "'new' holds no centre yet")

    @pytest.mark.parametrize("target", ["artefact", "numpy"])
    def test_a_generation_that_was_not_kept_is_refused(self, refused, learned, target):
        refused([f"{learned}@8", "--to", target, "--output", "a.py"], "generation 8, allowed: 7")

    @pytest.mark.parametrize("target", ["artefact", "numpy"])
    def test_a_damaged_centre_is_refused(self, refused, distilled_run, target):
        centre = Path(distilled_run) / "centres" / "000007.npz"
        centre.write_bytes(centre.read_bytes()[:-40])
        refused([distilled_run, "--to", target, "--output", "a.py"], "000007.npz")

    @pytest.mark.slow
    def test_any_flipped_bit_in_the_header_of_a_centre_is_refused(self, place, capsys):
        """Centres have no checksum but that of the zip file, which is compared after headers are read."""
        run = RunDirectory(place / "run")
        run.create(parse_config({"parametrisation": {"name": "value_loss", "hidden_sizes": [8, 512]}}))
        params = ValueLoss(hidden_sizes=(8, 512)).init(jax.random.key(0))
        run.write_centre(0, to_arrays(params))
        whole = run.centre_path(0).read_bytes()
        start = whole.rindex(b"\x93NUMPY", 0, whole.index(b"(8, 512)"))
        for bit in range(8 * start, 8 * (start + 80), 3):
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            run.centre_path(0).write_bytes(bytes(changed))
            words = ["export", "run", "--to", "artefact", "--output", "a"]
            assert_refused(words, ["000000.npz"], capsys)
