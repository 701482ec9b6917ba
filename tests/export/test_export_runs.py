"""`metadisco export` of runs: refusals, and runs of a user-defined parametrisation."""

import sys
from pathlib import Path

import jax
import pytest
from exporting import export, said
from refusals import assert_refused

from metadisco import ValueLoss
from metadisco.config import parse_config
from metadisco.errors import UserError
from metadisco.export.source import check_source
from metadisco.parametrisations import PARAMETRISATIONS
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

OWN = """
from metadisco import ValueLoss
from metadisco.objectives.expressions import apply
from metadisco.objectives.losses import Losses


class Mine:
    def __init__(self, hidden_sizes):
        self._own = ValueLoss(hidden_sizes=tuple(hidden_sizes))

    def init(self, key):
        return self._own.init(key)

    def bind(self, meta_params):
        return self._own.bind(meta_params)


class Written(ValueLoss):
    pass


class Mute(ValueLoss):
    source_losses = None


class Wrong(Mine):
    def source_losses(self, meta_params):
        return ValueLoss(hidden_sizes=(8,), output_scale=2.0).source_losses(meta_params)


class Narrow(Mine):
    def source_losses(self, meta_params):
        losses = self._own.source_losses(meta_params)
        return losses._replace(value=losses.value._replace(features=("error", "target")))


class Circular(Mine):
    def source_losses(self, meta_params):
        losses = self._own.source_losses(meta_params)
        return losses._replace(value=losses.value._replace(features=("network",)))


class Loose(Mine):
    def source_losses(self, meta_params):
        return 0, 1


class Odd(Mine):
    def source_losses(self, meta_params):
        return Losses(apply("arctan", "A"), 0)
"""


@pytest.fixture
def make_own_run(place, monkeypatch):
    """(class) -> a run of a user-defined parametrisation."""
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


@pytest.mark.parametrize("target", ["numpy", "jax", "torch"])
def test_source_of_a_parametrisation_of_ones_own_is_refused(refused, own_run, target):
    refused([own_run, "--to", target, "--output", "a.py"], "mine_alone:Mine", "distil it, and then --form closed")
    refused([own_run, "--to", target, "--output", "new/folder/a.py"])


@pytest.mark.parametrize(
    ("name", "told"),
    [("Wrong", "bind"), ("Loose", "tuple"), ("Odd", "'arctan'"), ("Narrow", "2 features"), ("Circular", "'network'")],
)
def test_source_losses_that_are_none_or_others_than_those_of_bind_are_refused(refused, make_own_run, name, told):
    refused([make_own_run(name), "--to", "torch", "--output", "a.py"], "source_losses", told)


def test_numbers_that_source_losses_do_not_share_with_bind_are_not_shown_as_code():
    with pytest.raises(UserError, match="source_losses") as refusal:
        check_source("def _check():\n    raise SystemExit('not it: got array([1.0])')\n", "mine")
    assert "array" not in str(refusal.value) and "not it" not in str(refusal.value)


@pytest.mark.parametrize(("cls", "says"), [("Written", True), ("Mute", False)])
def test_a_further_built_in_one_is_written_by_what_it_says(refused, place, make_own_run, monkeypatch, cls, says):
    make_own_run(cls)
    monkeypatch.setitem(PARAMETRISATIONS, "fourth", f"mine_alone:{cls}")
    run = RunDirectory(place / "run")
    run.create(parse_config({"parametrisation": {"name": "fourth", "hidden_sizes": [8]}}))
    run.write_centre(1, to_arrays(ValueLoss(hidden_sizes=(8,), start="random").init(jax.random.key(0))))
    if not says:
        refused(
            ["run", "--to", "jax", "--output", "a.py"], "fourth", "source_losses", "distil it, and then --form closed"
        )
        return
    export("run", "jax", place / "a.py")
    assert "discovered with these settings of PPO" in (place / "a.py").read_text()


def test_source_of_one_that_says_its_losses_is_that_of_a_built_in_one(make_own_run, place):
    export(make_own_run("Written"), "numpy", place / "a.py")
    module = {}
    exec(compile((place / "a.py").read_text(), "a.py", "exec"), module)
    module["_check"]()


def test_an_artefact_of_a_parametrisation_of_ones_own_is_written(own_run, place):
    export(own_run, "artefact", place / "a")
    assert said(place / "a")["objective"]["parametrisation"] == {"name": "mine_alone:Mine", "hidden_sizes": [8]}


@pytest.mark.parametrize("target", ["artefact", "numpy"])
def test_a_run_without_centres_is_refused(refused, place, target):
    RunDirectory(place / "new").create(parse_config({}))
    refused(["new", "--to", target, "--output", "a.py"], "'new'", "centre")


@pytest.mark.parametrize("target", ["artefact", "numpy"])
def test_a_generation_that_was_not_kept_is_refused(refused, learned, target):
    refused([f"{learned}@8", "--to", target, "--output", "a.py"], "8", "allowed: 7")


@pytest.mark.parametrize("target", ["artefact", "numpy"])
def test_a_damaged_centre_is_refused(refused, distilled_run, target):
    centre = Path(distilled_run) / "centres" / "000007.npz"
    centre.write_bytes(centre.read_bytes()[:-40])
    refused([distilled_run, "--to", target, "--output", "a.py"], "000007.npz")


@pytest.mark.slow
def test_any_flipped_bit_in_the_header_of_a_centre_is_refused(place, capsys):
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
