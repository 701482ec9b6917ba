"""Publishing a run: all of it or nothing, under a name that is free."""

import functools

import jax
import pytest
from scripts import scripts_of

from metadisco import load_message, load_meta_policy, load_objective
from metadisco.config import parse_config
from metadisco.parametrisations import ValueLoss
from metadisco.parametrisations.message import LearnedMessage
from metadisco.parametrisations.meta_policy import FeedForwardPolicy
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

PARAMETRISATION = ValueLoss(hidden_sizes=(4,), start="random")
SECTION = {"name": "value_loss", "hidden_sizes": [4], "start": "random"}


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Return a function from words of the command line to its exit code."""
    (tmp_path / "checkpoints" / "taken").mkdir(parents=True)

    def run(*words):
        monkeypatch.setattr("sys.argv", ["publish.py", *map(str, words)])
        try:
            script.main()
        except SystemExit as exit_:
            return exit_.code
        return 0

    with scripts_of("analysis") as load:
        script = load("publish")
        monkeypatch.setattr(script, "CHECKPOINTS", tmp_path / "checkpoints")
        yield run


@functools.cache
def start():
    return to_arrays(PARAMETRISATION.init(jax.random.key(0)))


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.create(parse_config({"parametrisation": SECTION, "inner": {"env": "gymnax/CartPole-v1"}}))
    run.note_start({})
    for generation in range(41):
        run.write_centre(generation, {name: array + generation for name, array in start().items()})
        run.append_metrics({"generation": generation} | ({"centre_fitness": 1.0} if generation == 13 else {}))
    return run


def test_a_meta_policy_is_published_with_all_centres_where_there_are_few(publish, tmp_path):
    run = RunDirectory(tmp_path / "run")
    section = {"name": "meta_policy", "hidden_sizes": [2], "num_states": 1}
    run.create(parse_config({"problem": {"name": "opponent_shaping", "game": "chicken"}, "parametrisation": section}))
    run.note_start({})
    run.append_metrics({"generation": 0})
    for generation in (0, 1):
        meta_params = FeedForwardPolicy(hidden_sizes=(2,), num_states=1).init(jax.random.key(generation))
        run.write_centre(generation, to_arrays(meta_params))
    assert publish(run.path, "found") == 0
    assert RunDirectory(tmp_path / "checkpoints" / "found").centre_generations() == [0, 1]
    load_meta_policy(tmp_path / "checkpoints" / "found")


@pytest.mark.slow
def test_a_message_is_published(publish, tmp_path):
    run = RunDirectory(tmp_path / "run")
    message = LearnedMessage(hidden_sizes=(2,), obs_size=4, num_goal_features=0)
    section = {"name": "message", "hidden_sizes": [2], "obs_size": 4, "num_goal_features": 0}
    inner = {"env": "gymnax/CartPole-v1"}
    run.create(parse_config({"problem": {"name": "cheap_talk"}, "parametrisation": section, "inner": inner}))
    run.note_start({})
    run.append_metrics({"generation": 0})
    run.write_centre(1, to_arrays(message.init(jax.random.key(0))))
    assert publish(run.path, "found") == 0
    assert load_message(tmp_path / "checkpoints" / "found").message(jax.numpy.zeros(4)).shape == (2,)


def test_the_objective_some_centres_and_some_metrics_are_published(publish, run, tmp_path):
    assert publish(run.path, "found") == 0
    found = RunDirectory(tmp_path / "checkpoints" / "found")
    assert len(found.centre_generations()) == 17 and {0, 40} <= set(found.centre_generations())
    assert [row["generation"] for row in found.metrics()] == [0, 8, 13, 16, 24, 32, 40]
    assert (found.path / "artefact.json").is_file() and found.last_start() == run.last_start()
    load_objective(found.path)


@pytest.mark.parametrize("name", ["taken", "ppo", "naive", "zero", "../escaped", "a@b", "Name", "", "a b"])
def test_a_name_that_cannot_be_is_refused(name, publish, run, tmp_path, capsys):
    assert publish(run.path, name) == 2
    assert "name: got " in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "checkpoints").rglob("*")] == ["taken"]


@pytest.mark.parametrize("missing", ["provenance.json", "metrics.jsonl", "config.yaml", "centres"])
def test_a_run_that_lacks_something_is_refused(missing, publish, run, tmp_path, capsys):
    (run.path / missing).rename(tmp_path / "away")
    assert publish(run.path, "found") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "checkpoints" / "found").exists()


@pytest.mark.parametrize("name", ["ppo", "{run}@3"])
def test_what_is_no_whole_run_is_refused(name, publish, run, tmp_path, capsys):
    assert publish(name.format(run=run.path), "found") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "checkpoints" / "found").exists()


def test_what_fails_half_way_leaves_nothing(publish, run, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", refuse)
    with pytest.raises(OSError, match="No space"):
        publish(run.path, "found")
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["taken"]
