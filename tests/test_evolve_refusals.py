"""Refusals of `metadisco evolve`: one line, and no files."""

import os

import pytest
from refusals import assert_refused

from metadisco.config import parse_config, write_yaml
from metadisco.storage.lock import RunLock
from metadisco.storage.runs import RunDirectory

CONFIG = {
    "inner": {"env": "gymnax/CartPole-v1", "ppo": {"num_envs": 2, "num_steps": 16, "num_env_steps": 32}},
    "outer": {"num_generations": 1},
}

REFUSED = [
    (["inner.ppo.num_env=4"], ["inner.ppo.num_env", "did you mean 'num_envs'"]),
    (["seed=three"], ["seed", "'three'", "a whole number"]),
    (["inner.ppo.num_minibatches=5"], ["inner.ppo.num_minibatches", "got 5", "32"]),
    (["outer.strategy.population_size=5"], ["outer.strategy.population_size", "got 5", "even"]),
    (["outer.strategy.name=Open_SE"], ["outer.strategy.name", "did you mean 'Open_ES'"]),
    (["outer.strategy.name=SNES", "outer.strategy.std_decay=0.9"], ["outer.strategy.std_decay", "SNES"]),
    (["parametrisation.name=value_los"], ["parametrisation.name", "did you mean 'value_loss'"]),
    (["inner.fitness=final_retrun"], ["inner.fitness", "did you mean 'final_return'"]),
    (["inner.env=gymnaks/CartPole-v1"], ["inner.env", "did you mean 'gymnax'"]),
    (["inner.env=CartPole-v1"], ["inner.env", "did you mean 'gymnax/CartPole-v1'"]),
    (["inner.env=gymnax/CartPol-v1"], ["inner.env", "did you mean 'CartPole-v1'"]),
    (["inner.env_settings.max_steps=20"], ["inner.env_settings", "max_steps", "max_steps_in_episode"]),
    (["inner.env_settings.max_steps_in_episode=many"], ["inner.env_settings.max_steps_in_episode", "'many'"]),
    (["outer.strategy.settings.std_lrr=0.1"], ["outer.strategy.settings", "std_lrr"]),
    (["outer.num_devices=2", "outer.strategy={name: SNES, population_size: 5}"], ["population_size", "4 or 6"]),
    (["outer.num_devices=64"], ["outer.num_devices", "got 64", "at most"]),
    (["parametrisation.name=no_such_module:Mine"], ["parametrisation.name", "no_such_module"]),
    (["parametrisation.name=json:Mine"], ["parametrisation.name", "json has no 'Mine'"]),
    (["inner.env=json:make"], ["inner.env", "json has no 'make'"]),
    (["inner.fitness=json:area"], ["inner.fitness", "json has no 'area'"]),
    (["inner.fitness=string:digits"], ["inner.fitness", "a function of a TrainResult"]),
    (["outer.chunk_size=99999999999999999999"], ["outer.chunk_size", "from 1 to 2147483647, auto, or null"]),
    (["outer.num_devices=99999999999"], ["outer.num_devices", "got 99999999999", "at most"]),
    (["nonsense"], ["'nonsense'", "KEY=VALUE"]),
    (["--nonsense"], ["'--nonsense'"]),
    (["seed=[1"], ["seed", "not a YAML value"]),
]


@pytest.fixture(scope="module")
def config_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(write_yaml(CONFIG))
    return path


@pytest.mark.parametrize(("words", "told"), REFUSED, ids=[" ".join(case[0]) for case in REFUSED])
def test_one_line_on_stderr_exit_code_two_and_nothing_written(words, told, config_path, tmp_path, capsys):
    assert_refused(["evolve", str(config_path), *words, "--run", str(tmp_path / "run")], told, capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["metrics.jsonl", "centres", "checkpoints"])
def test_a_part_of_a_run_that_is_of_the_wrong_kind_is_refused(name, config_path, tmp_path, capsys):
    run = tmp_path / "run"
    RunDirectory(run).create(parse_config(CONFIG))
    if name == "metrics.jsonl":
        (run / name).mkdir()
    else:
        (run / name).write_text("")
    assert_refused(["evolve", str(config_path), "--run", str(run)], ["--run", name, "expected a"], capsys)


def test_an_empty_config_of_a_run_is_not_taken_for_the_defaults(config_path, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("# lost\n")
    assert_refused(["evolve", str(config_path), "--run", str(run)], ["config.yaml", "is damaged", "empty"], capsys)


def test_a_missing_config_is_refused(tmp_path, capsys):
    words = ["evolve", str(tmp_path / "nowhere.yaml"), "--run", str(tmp_path / "run")]
    assert_refused(words, ["nowhere.yaml", "No such file"], capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["inner: [1, 2\nouter: }", "- a\n- b", "inner: {ppo: {gamma: 2}}"])
def test_a_config_that_makes_no_sense_is_refused(tmp_path, capsys, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    assert_refused(["evolve", str(path), "--run", str(tmp_path / "run")], [], capsys)
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_that_is_a_file_is_refused(config_path, tmp_path, capsys):
    path = tmp_path / "file"
    path.write_text("mine")
    assert_refused(["evolve", str(config_path), "--run", str(path)], ["--run", "is a file"], capsys)
    assert path.read_text() == "mine"


def test_a_directory_that_is_no_run_is_refused(config_path, tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("mine")
    assert_refused(["evolve", str(config_path), "--run", str(tmp_path)], ["--run", "no run directory"], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_another_configuration_for_a_run_that_exists_is_refused_with_its_keys(config_path, tmp_path, capsys):
    run = RunDirectory(tmp_path / "run")
    run.create(parse_config(CONFIG))
    run.append_metrics({"generation": 0})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    words = ["seed=7", "inner.ppo.gamma=0.5", "outer.num_generations=99", "--run", str(run.path)]
    told = ["seed is 0 there and 7 here", "inner.ppo.gamma is 0.99 there and 0.5 here"]
    assert_refused(["evolve", str(config_path), *words], told, capsys)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_parametrisation_that_lacks_a_method_is_refused(config_path, tmp_path, capsys, monkeypatch):
    (tmp_path / "half_a_parametrisation.py").write_text("class Half:\n    def init(self, key): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["parametrisation={name: 'half_a_parametrisation:Half'}", "--run", str(tmp_path / "run")]
    assert_refused(["evolve", str(config_path), *words], ["parametrisation.name", "'bind'"], capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("hours", ["0", "-2", "nan", "soon"])
def test_a_limit_that_is_no_positive_number_is_refused(hours, config_path, tmp_path, capsys):
    words = ["evolve", str(config_path), f"--max-hours={hours}", "--run", str(tmp_path / "run")]
    assert_refused(words, ["--max-hours", hours, "a positive number of hours"], capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_use_is_refused_before_anything_is_written(config_path, tmp_path, capsys):
    with RunLock(tmp_path / "run", print):
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        words = ["evolve", str(config_path), "--run", str(tmp_path / "run")]
        assert_refused(words, ["--run", "in use by another command", f"process {os.getpid()}"], capsys)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_without_run_nothing_is_started(config_path, capsys):
    assert_refused(["evolve", str(config_path)], ["--run"], capsys)
