"""Outputs whose path is taken during training: the existing file stays, and results are written beside it."""

import errno
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from metadisco.cli import main
from metadisco.errors import MachineError
from metadisco.evaluation.lifetimes import Lifetimes
from metadisco.storage.outputs import write_or_beside, write_output
from metadisco.storage.package import AGENTS, read_package, write_package

pytestmark = pytest.mark.usefixtures("place")
TRAIN = ["train", "--objective", "ppo", "--env", "gymnax/CartPole-v1", "outer.num_devices=1"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_stays_and_the_new_one_is_beside_it(place, monkeypatch, links):
    if not links:  # a file system that has none

        def refuse(*_):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(Path, "hardlink_to", refuse)
    Path("ppo.json").write_text("theirs")
    Path("ppo-1.json").write_text("theirs as well")
    with pytest.raises(MachineError, match=r"ppo-2\.json"):
        write_output(Path("ppo.json"), "ours", force=False)
    contents = {path.name: path.read_text() for path in place.iterdir()}
    assert contents == {"ppo.json": "theirs", "ppo-1.json": "theirs as well", "ppo-2.json": "ours"}


@pytest.mark.parametrize("name", ["agents", "agents.zip"])
@pytest.mark.parametrize("arrays", [{}, {"x": np.ones(2)}])
def test_agents_stay_and_the_new_ones_are_beside_them(name, arrays):
    write_package(Path(name), AGENTS, {"are": "theirs"}, {})
    with pytest.raises(MachineError, match="agents-1"):
        write_package(Path(name), AGENTS, {"are": "ours"}, arrays)
    beside = Path(name).with_stem("agents-1")
    assert read_package(Path(name), AGENTS).data["are"] == "theirs"
    assert read_package(beside, AGENTS).data["are"] == "ours"


def test_a_file_in_the_place_of_a_folder_stays():
    Path("agents").write_text("theirs")
    with pytest.raises(MachineError, match="agents-1"):
        write_package(Path("agents"), AGENTS, {"are": "ours"}, {})
    assert Path("agents").read_text() == "theirs"
    assert read_package(Path("agents-1"), AGENTS).data["are"] == "ours"


@pytest.mark.parametrize("theirs", ["notes.txt", "arrays.npz", "agents.json"])
@pytest.mark.parametrize("arrays", [{}, {"x": np.ones(2)}])
def test_a_folder_of_something_else_stays_as_it_is(theirs, arrays):
    Path("agents").mkdir()
    (Path("agents") / theirs).write_text("theirs")
    with pytest.raises(MachineError, match="agents-1"):
        write_package(Path("agents"), AGENTS, {"are": "ours"}, arrays)
    assert [(path.name, path.read_text()) for path in Path("agents").iterdir()] == [(theirs, "theirs")]
    assert read_package(Path("agents-1"), AGENTS).data["are"] == "ours"


@pytest.mark.parametrize("name", ["a", "a.json", "folder/a.zip", "."])
def test_further_names_that_appear_are_passed_over(place, name):
    taken = []

    def write(at):
        taken.append(at)
        if len(taken) < 4:
            if name != "." or len(taken) > 1:
                at.parent.mkdir(exist_ok=True)
                at.write_text("theirs")
            raise FileExistsError(errno.EEXIST, "File exists", str(at))
        at.write_text("ours")

    with pytest.raises(MachineError, match=r"-3"):
        write_or_beside(Path(name), write)
    assert len(set(taken)) == 4 and taken[-1].read_text() == "ours"


def test_what_is_refused_for_another_reason_is_not_tried_for_ever():
    def write(at):
        raise FileExistsError(errno.EEXIST, "File exists", "elsewhere")

    with pytest.raises(FileExistsError):
        write_or_beside(Path("a"), write)


@pytest.mark.parametrize("appears", [[], ["curves.json"], ["agents.zip"], ["curves.json", "agents.zip"]])
def test_all_that_was_trained_is_kept(monkeypatch, capsys, appears):
    def train_agents(objective, env, configs, num_seeds, stream):
        for name in appears:
            Path(name).write_text("theirs")
        lifetimes = {
            name: np.zeros((num_seeds, 1) if name in ("curve", "filled") else num_seeds) for name in Lifetimes._fields
        }
        return [(Lifetimes(**lifetimes), None) for _ in configs]

    def save_agents(path, *rest):
        write_package(path, AGENTS, {"are": "ours"}, {}, rest[-1])

    monkeypatch.setattr("metadisco.evaluation.training.train_agents", train_agents)
    monkeypatch.setattr("metadisco.evaluation.training.save_agents", save_agents)
    code = main([*TRAIN, "--output", "curves.json", "--save", "agents.zip"])
    out, err = capsys.readouterr()
    assert code == (1 if appears else 0)
    assert "final return" in out and "┃ seed " not in out
    names = {name: name.replace(".", "-1.") if name in appears else name for name in ("curves.json", "agents.zip")}
    assert json.loads(Path(names["curves.json"]).read_text())["objective"] == "ppo"
    assert read_package(Path(names["agents.zip"]), AGENTS).data["are"] == "ours"
    assert all(Path(name).read_text() == "theirs" and names[name] in err for name in appears)


def test_a_rollout_is_shown_all_the_same(monkeypatch, capsys):
    def play(*_):
        Path("returns.json").write_text("theirs")
        return np.ones((1, 2))

    agents = SimpleNamespace(final_return=np.zeros(1), env="gymnax/CartPole-v1", objective="ppo")
    monkeypatch.setattr("metadisco.evaluation.rollout.load_agents", lambda _: agents)
    monkeypatch.setattr("metadisco.evaluation.rollout.policy_at", lambda *_: None)
    monkeypatch.setattr("metadisco.evaluation.rollout._play_here", play)
    assert main(["rollout", "agents", "--output", "returns.json"]) == 1
    out, err = capsys.readouterr()
    assert "return" in out and "returns-1.json" in err
    assert json.loads(Path("returns-1.json").read_text())["returns"] == [[1, 1]]
