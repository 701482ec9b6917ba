"""Pilots: files of them are refused in one sentence, and the pages of `experiments` show their results."""

import json
import re
import sys
from pathlib import Path

import pytest
from scripts import scripts_of

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
FILES = sorted(EXPERIMENTS.glob("*/pilots*.json"))


def tables(page):
    """Return the rows of each table of pilots: generations, score, and the gain with its interval, as written."""
    found = []
    for block in re.findall(r"^\| pilot \|.*\n((?:\|.*\n)+)", page, re.MULTILINE):
        rows = [line.strip().strip("|").split("|")[-3:] for line in block.splitlines()[1:]]
        found.append([re.findall(r"-?\d+(?:\.\d+)?", " ".join(row).replace("−", "-")) for row in rows])
    return found


def as_written(written, values):
    """Whether numbers are those that are written, rounded to as many digits."""
    return all(f"{value:.{len(text.partition('.')[2])}f}" == text for text, value in zip(written, values, strict=True))


def test_every_experiment_with_pilots_has_a_table_of_each():
    assert len(FILES) == sum(len(tables(path.read_text())) for path in EXPERIMENTS.glob("*/README.md")) > 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_table_has_the_numbers_of_the_file(path):
    found = [
        (each["generations"], each["score"], *each["gain"]) for each in json.loads(path.read_text())["found"].values()
    ]
    page = tables(path.with_name("README.md").read_text())
    (rows,) = [rows for rows in page if all(any(as_written(row, values) for row in rows) for values in found)]
    assert len(rows) == len(found)


PLAN = """
config: cartpole_tuned.yaml
env_steps: 1.0e+4
seeds: 4
baseline: {name: ppo, settings: {value_clip_eps: null}}
pilots:
  one: []
  two: [outer.strategy.std=0.3]
"""
REFUSED = {
    "unknown key": ("seeds: 4", "seeds: 4\nseed: 4", "unknown key 'seed'; did you mean 'seeds'?"),
    "no number": ("1.0e+4", "many", "env_steps: got 'many', allowed: a number"),
    "no seeds": ("seeds: 4", "seeds: 0", "seeds: got 0, allowed: a number at least 2"),
    "words that are no list": ("one: []", "one: outer.strategy.std=0.3", "pilots.one: got"),
    "bad word": ("one: []", "one: [outer.std=0.3]", "unknown key 'outer.std'"),
    "two of one folder": ("two:", "a b: []\n  a_b:", "pilots: got 'a_b' and 'a b'"),
    "path": ("two:", "../two:", "pilots: got '../two'"),
    "no config": ("cartpole_tuned", "cartpole_tined", "cannot read config"),
    "bad baseline": ("name: ppo", "name: pppo", "no objective 'pppo'"),
}


@pytest.fixture
def pilots():
    with scripts_of("experiments") as load:
        yield load("pilots")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_files_of_pilots_can_be_read(path, pilots):
    assert json.loads(path.read_text())["found"].keys() == pilots.read_plan(path.with_suffix(".yaml")).pilots.keys()


def ask(pilots, monkeypatch, capsys, path, *words):
    """Return the message about a plan that is refused."""
    monkeypatch.setattr("sys.argv", ["pilots.py", str(path), "--runs", str(path.parent / "runs"), *words])
    with pytest.raises(SystemExit) as exit_:
        pilots.main()
    said = capsys.readouterr().err
    assert exit_.value.code == 2 and said.count("\n") == 1
    return said


@pytest.mark.parametrize("suffix", [".json", ".png", ".svg"])
def test_what_came_out_before_is_replaced_with_force_alone(suffix, pilots, tmp_path, monkeypatch, capsys):
    (tmp_path / "cartpole_tuned.yaml").write_bytes((EXPERIMENTS / "value_loss" / "cartpole_tuned.yaml").read_bytes())
    (tmp_path / "pilots.yaml").write_text(PLAN)
    before = tmp_path / f"pilots{suffix}"
    before.write_text("mine")
    assert "--force" in ask(pilots, monkeypatch, capsys, tmp_path / "pilots.yaml")
    assert before.read_text() == "mine" and not (tmp_path / "runs").exists()
    begun = []
    monkeypatch.setattr(pilots, "run_pilots", lambda *_: begun.append(1))
    monkeypatch.setattr("sys.argv", [*sys.argv, "--force"])
    pilots.main()
    assert begun


def test_a_plan_is_not_replaced_by_its_results(pilots, tmp_path, monkeypatch, capsys):
    (tmp_path / "cartpole_tuned.yaml").write_bytes((EXPERIMENTS / "value_loss" / "cartpole_tuned.yaml").read_bytes())
    (tmp_path / "pilots.json").write_text(PLAN)
    assert "pilots.json" in ask(pilots, monkeypatch, capsys, tmp_path / "pilots.json", "--force")
    assert (tmp_path / "pilots.json").read_text() == PLAN


@pytest.mark.parametrize(("old", "new", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_refused_before_anything_runs(old, new, sentence, pilots, tmp_path, monkeypatch, capsys):
    (tmp_path / "cartpole_tuned.yaml").write_bytes((EXPERIMENTS / "value_loss" / "cartpole_tuned.yaml").read_bytes())
    path = tmp_path / "pilots.yaml"
    path.write_text(PLAN.replace(old, new))
    monkeypatch.setattr("sys.argv", ["pilots.py", str(path), "--runs", str(tmp_path / "runs")])
    with pytest.raises(SystemExit) as exit_:
        pilots.main()
    said = capsys.readouterr().err
    assert exit_.value.code == 2 and sentence in said and said.count("\n") == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cartpole_tuned.yaml", "pilots.yaml"]


@pytest.mark.parametrize("path", FILES[:1], ids=lambda path: path.parent.name)
def test_gains_are_drawn_with_their_intervals(path, pilots):
    result = json.loads(path.read_text())
    _, gains = pilots.draw(result).axes
    drawn = [tuple(each.vertices[:, 0]) for lines in gains.collections for each in lines.get_paths()]
    assert drawn == [tuple(found["gain"][1:]) for found in result["found"].values()]
    assert [label.get_text().replace("\n", " ") for label in gains.get_yticklabels()] == list(result["found"])
