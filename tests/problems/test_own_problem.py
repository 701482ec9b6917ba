"""A user-defined meta-problem in one file, with every command that does not need an objective."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from refusals import assert_refused
from rows import timeless

from metadisco import UserError, load_meta_params, load_objective
from metadisco.cli import main
from metadisco.config import read_yaml
from metadisco.storage.package import ARTEFACT, read_package, write_package
from metadisco.storage.runs import RunDirectory

PROBLEM = """
from dataclasses import dataclass
import jax
import jax.numpy as jnp
from metadisco import Evaluation, TaskInfo

@dataclass(frozen=True)
class Curve:
    width: int
    obs_size: int | None = None
    facts = ("obs_size",)

    def init(self, key):
        return {"w": jnp.zeros((self.obs_size, self.width))}

    def bind(self, meta_params):
        return lambda x: jnp.tanh(x @ meta_params["w"]).sum()

class Fit:
    env_steps = 0

    def __init__(self, scale=1.0, inner=None, parametrisation=None):
        if scale <= 0:
            raise ValueError(f"scale: got {scale}, allowed: a number above 0")
        self.scale = scale
        self.tasks = (TaskInfo("up"), TaskInfo("down"))
        self.parametrisation = None
        if parametrisation is not None:
            self.parametrisation = Curve(parametrisation.width, obs_size=inner["obs_size"])

    def init(self, key):
        return self.parametrisation.init(key) if self.parametrisation else {"w": 0.1 * jax.random.normal(key, (3,))}

    def evaluate(self, key, meta_params):
        near = -self.scale * jnp.square(meta_params["w"] - 1).sum() + 0.1 * jax.random.normal(key)
        return Evaluation(jnp.stack([near, 2 * near]), {"size": jnp.abs(meta_params["w"]).max()})

class Untold:
    init = evaluate = Fit.init

    def __init__(self, scale=1.0):
        pass
"""
OWN = {"name": "own_fit:Fit", "scale": 0.5}
CONFIG = """
problem: {name: "own_fit:Fit", scale: 0.5}
outer: {num_generations: 4, num_devices: 2, num_rollouts: 2, chunk_size: 1, evaluate_every: 2, checkpoint_every: 2,
        strategy: {population_size: 8, std: 0.1}}
"""
SECTIONS = """
inner: {obs_size: 2}
parametrisation: {name: "own_fit:Curve", width: 3}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("own_problem")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        Path("own_fit.py").write_text(PROBLEM)
        Path("fit.yaml").write_text(CONFIG)
        Path("learned.yaml").write_text(CONFIG + SECTIONS)
        for name in ("fit", "learned"):
            assert main(["evolve", f"{name}.yaml", "--run", name, "--quiet"]) == 0
    return path


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_its_metrics_are_in_the_rows_beside_each_task():
    rows = RunDirectory(Path("fit")).metrics()
    assert [row["generation"] for row in rows] == [0, 1, 2, 3]
    for row in rows:
        assert row["metrics/size"] > 0
        assert row["fitness_mean/down"] == pytest.approx(2 * row["fitness_mean/up"])
    assert rows[3]["centre/size"] > rows[1]["centre/size"]
    assert rows[3]["centre_fitness"] > rows[1]["centre_fitness"]


def test_the_config_that_is_kept_has_the_sections_that_were_asked_for():
    assert read_yaml(Path("fit/config.yaml")).keys() == {"seed", "deterministic", "problem", "outer", "logging"}
    assert read_yaml(Path("learned/config.yaml")).keys() >= {"inner", "parametrisation"}


def test_facts_that_it_gives_its_parametrisation_are_kept_in_config_and_artefact():
    section = {"name": "own_fit:Curve", "width": 3, "obs_size": 2}
    assert read_yaml(Path("learned/config.yaml"))["parametrisation"] == section
    assert main(["export", "learned", "--to", "artefact", "--output", "learned.zip"]) == 0
    said = read_package(Path("learned.zip"), ARTEFACT).data
    assert said["learned"] == {"inner": {"obs_size": 2}, "parametrisation": section}
    np.testing.assert_array_equal(load_meta_params("learned.zip")["w"], load_meta_params("learned")["w"])


def test_a_run_that_was_stopped_goes_on_to_the_same_numbers():
    half, whole = RunDirectory(Path("half")), RunDirectory(Path("learned"))
    for generations in (2, 4):
        assert main(["evolve", "learned.yaml", f"outer.num_generations={generations}", "--run", "half"]) == 0
    assert timeless(half.metrics()) == timeless(whole.metrics())
    assert half.centre_path(4).read_bytes() == whole.centre_path(4).read_bytes()


def test_what_was_learned_is_an_artefact_that_can_be_loaded_and_handed_on():
    assert main(["export", "fit", "--to", "artefact", "--output", "fit.zip"]) == 0
    assert main(["export", "fit.zip", "--to", "artefact", "--output", "again"]) == 0
    said = json.loads(Path("again/artefact.json").read_text())
    assert (said["version"], said["problem"]) == (2, {"name": "own_fit:Fit", "scale": 0.5})
    learned = [load_meta_params(name)["w"] for name in ("fit", "fit.zip", "again")]
    assert jnp.array_equal(learned[0], learned[1]) and jnp.array_equal(learned[0], learned[2])
    assert not jnp.array_equal(learned[0], load_meta_params("fit@2")["w"])


def test_an_artefact_cannot_have_a_function_called():
    data = {"problem": {"name": "os:mkdir", "path": "made"}, "learned": {"inner": {}, "parametrisation": {}}}
    write_package(Path("evil.zip"), ARTEFACT, data, {"w": np.zeros(3, np.float32)}, force=True)
    with pytest.raises(UserError, match="os:mkdir is no class"):
        load_meta_params("evil.zip")
    learned = {"inner": {}, "parametrisation": {"name": "os:mkdir", "path": "made"}}
    write_package(
        Path("evil.zip"), ARTEFACT, {**data, "problem": OWN, "learned": learned}, {"w": np.zeros(3)}, force=True
    )
    with pytest.raises(UserError, match="os:mkdir' is no class with init and bind"):
        load_meta_params("evil.zip")
    assert not Path("made").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--objective", "fit", "--env", "gymnax/CartPole-v1"],
        ["evaluate", "--objectives", "ppo", "fit", "--envs", "gymnax/CartPole-v1", "--output", "evaluated"],
        ["distil", "fit", "--output", "distilled"],
        ["export", "fit", "--to", "jax", "--output", "fit_loss.py"],
        ["reference", "fit.yaml"],
    ],
    ids=lambda words: words[0],
)
def test_what_needs_an_objective_says_what_the_run_is(words, capsys):
    assert_refused(words, ["own_fit:Fit"], capsys)


def test_it_is_no_objective_in_python_either():
    with pytest.raises(UserError, match="'fit': got what own_fit:Fit found, allowed: an objective"):
        load_objective("fit")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("problem.scale=-1", ["problem.name", "own_fit:Fit rejected", "a number above 0"]),
        ("problem.shape=1", ["own_fit:Fit rejected", "shape"]),
        ("problem.name=own_fit:Fitt", ["problem.name", "did you mean 'Fit'"]),
        ("problem.name=objective_discovry", ["problem.name", "allowed: objective_discovery"]),
        ("problem.name=3", ["problem.name: got 3"]),
        ("inner=3", ["inner: got 3", "a section"]),
        ("problem=3", ["problem: got 3", "a section"]),
        ("problem.name=own_fit:Curve", ["problem.name: own_fit:Curve is no class with init and evaluate"]),
        ("problem.name=own_fit:Untold", ["problem.name: own_fit:Untold has no tasks"]),
        ("problem.name=os:getcwd", ["problem.name: os:getcwd is no class"]),
        ("parametrisation.width=3", ["parametrisation.name: got None"]),
        ("parametrisation.name=null", ["parametrisation.name: got None"]),
        ("problem.scale=.inf", ["problem.scale: got inf", "a finite number"]),
        ("problem={name: 'own_fit:Fit', inner: 5}", ["problem.inner: got 5", "a section of its own"]),
        ("problem.name='own_fit:'", ["problem.name: got 'own_fit:'"]),
    ],
)
def test_what_makes_no_problem_is_refused(change, told, capsys):
    assert_refused(["evolve", "fit.yaml", change, "--run", "refused"], told, capsys)
    assert not Path("refused").exists()


@pytest.mark.parametrize("words", [["train", "--objective", "ppo"], ["plot", "ppo", "--output", "figures"]])
def test_its_config_gives_no_settings_of_agents(words, capsys):
    told = ["problem.name: got own_fit:Fit", "a problem in which PPO is trained"]
    assert_refused([*words, "--config", "fit.yaml"], told, capsys)


def test_a_fact_that_the_config_gives_otherwise_is_refused(capsys):
    words = ["evolve", "learned.yaml", "parametrisation.obs_size=7", "--run", "refused"]
    assert_refused(words, ["parametrisation.obs_size: got 7, allowed: 2"], capsys)
    assert not Path("refused").exists()


def test_source_that_was_edited_between_two_starts_is_told(capsys):
    assert main(["evolve", "fit.yaml", "outer.num_generations=2", "--run", "edited"]) == 0
    Path("own_fit.py").write_text(f"{PROBLEM}\n# edited\n")
    capsys.readouterr()
    assert main(["evolve", "fit.yaml", "outer.num_generations=3", "--run", "edited"]) == 0
    assert "the source of own_fit:Fit was edited since the last start" in capsys.readouterr().err
    Path("own_fit.py").write_text(PROBLEM)


def test_settings_of_its_own_may_not_change_in_a_run(capsys):
    assert_refused(["evolve", "fit.yaml", "problem.scale=0.25", "--run", "fit"], ["problem.scale is 0.5"], capsys)
    changed = ["evolve", "learned.yaml", "inner.obs_size=4", "--run", "learned"]
    assert_refused(changed, ["inner.obs_size is 2"], capsys)
