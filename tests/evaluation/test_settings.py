"""Settings by the name of a discovery, and messages about the settings in use."""

import json

import jax
import numpy as np
import pytest
from refusals import assert_refused

from metadisco.cli import main
from metadisco.config import parse_config, to_plain
from metadisco.config.grid import config_at, one_environment
from metadisco.discoveries.published import FOLDER
from metadisco.discoveries.sources import find_source
from metadisco.errors import UserError
from metadisco.evaluation.lifetimes import Lifetimes
from metadisco.evaluation.settings import found_with, settings_for, settings_named, settings_of
from metadisco.parametrisations import LPODrift
from metadisco.storage.arrays import to_arrays
from metadisco.storage.package import AGENTS, write_package
from metadisco.storage.runs import RunDirectory

CLASSIC = "lpo_drift_classic"
CARTPOLE, ACROBOT, CATCH = "gymnax/CartPole-v1", "gymnax/Acrobot-v1", "gymnax/Catch-bsuite"
OWN = {"num_env_steps": 4096, "num_envs": 8, "gamma": 0.9}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A run on two environments, and its artefact as a folder and as a zip file."""
    folder = tmp_path_factory.mktemp("found")
    settings = {"name": "lpo_drift", "hidden_sizes": [4]}
    envs = [{"env": CARTPOLE, "env_settings": {"max_steps_in_episode": 9}, "ppo": {"gamma": 0.5}}, {"env": ACROBOT}]
    run = RunDirectory(folder / "run")
    run.create(parse_config({"seed": 7, "parametrisation": settings, "inner": {"envs": envs, "ppo": OWN}}))
    run.write_centre(0, to_arrays(LPODrift(hidden_sizes=(4,)).init(jax.random.key(0))))
    for name in ("artefact", "artefact.zip"):
        words = ["export", str(run.path), "--to", "artefact", "--output", str(folder / name), "--quiet"]
        assert main(words) == 0
    return folder


def at(name, env):
    return config_at(one_environment(settings_named(name).base, env), {})


class TestSettingsByName:
    def test_what_was_published_is_what_comes_back(self):
        ppo = at(CLASSIC, CARTPOLE).inner.ppo
        assert (ppo.num_env_steps, ppo.num_envs, ppo.num_steps) == (32_768, 4, 64)
        assert (ppo.learning_rate, ppo.num_epochs, ppo.num_minibatches) == (0.005, 4, 4)

    @pytest.mark.parametrize("env", [CARTPOLE, ACROBOT, "gymnax/Pendulum-v1", "gymnax/MountainCar-v0"])
    def test_a_discovery_its_folder_and_its_config_say_the_same(self, env):
        by_name = at(CLASSIC, env)
        assert by_name == at(str(FOLDER / CLASSIC), env) == at(str(FOLDER / CLASSIC / "config.yaml"), env)
        assert by_name == at(f"{CLASSIC}@0", env)

    @pytest.mark.parametrize("name", ["run", "run@0", "run/config.yaml", "artefact", "artefact.zip"])
    def test_each_environment_of_the_search_has_its_own_and_any_other_the_common_ones(self, found, name):
        cartpole, acrobot, catch = (at(str(found / name), env) for env in (CARTPOLE, ACROBOT, CATCH))
        assert [each.inner.ppo.gamma for each in (cartpole, acrobot, catch)] == [0.5, 0.9, 0.9]
        assert {each.inner.ppo.num_envs for each in (cartpole, acrobot, catch)} == {8}
        settings = [each.inner.env_settings for each in (cartpole, acrobot, catch)]
        assert settings == [{"max_steps_in_episode": 9}, {}, {}]
        assert {each.seed for each in (cartpole, acrobot, catch)} == {7}

    @pytest.mark.parametrize("name", ["distilled", "distilled/distilled.json"])
    def test_distilled_forms_have_those_that_they_were_fitted_with(self, name):
        assert found_with(find_source(CLASSIC), at(str(FOLDER / CLASSIC / name), CARTPOLE)) == {}

    def test_the_file_of_an_artefact_has_those_of_its_folder(self):
        file = FOLDER / CLASSIC / "artefact.json"
        assert settings_named(str(file)).base == settings_named(str(file.parent)).base != {}

    def test_the_file_of_something_else_has_none(self, tmp_path):
        write_package(tmp_path / "agents", AGENTS, {}, {})
        with pytest.raises(UserError, match=r"^config: .*agents\.json"):
            settings_named(tmp_path / "agents" / "agents.json")

    def test_without_a_name_they_are_the_defaults_or_the_objective_s_own(self, found):
        assert settings_named(None) == ({}, None)
        assert settings_of(find_source("ppo"), None) == ({}, None)
        run = str(found / "run")
        assert settings_of(find_source(run), None) == settings_named(run)
        assert settings_of(find_source("ppo"), CLASSIC) == settings_named(CLASSIC)
        assert settings_for(find_source(CLASSIC), CATCH, run, {}) == (CATCH, at(run, CATCH), settings_named(run))

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("nosuch", ["no objective 'nosuch'", "YAML"]),
            ("lpo_drift_clasic", ["did you mean 'lpo_drift_classic'"]),
            ("no/such.yaml", ["no/such.yaml", "No such file"]),
            ("ppo", ["'ppo' keeps no settings"]),
            (str(FOLDER / CLASSIC / "by_hand.json"), ["keeps no settings"]),
            (f"{CLASSIC}@7", ["no centre was kept after generation 7"]),
            *((name, [f"no objective {name!r}"]) for name in (".", "/", "", "/dev/null", "\0")),
            (str(FOLDER), ["no objective"]),
            (str(FOLDER / CLASSIC / "arrays.npz"), ["arrays.npz", "not UTF-8"]),
        ],
    )
    @pytest.mark.parametrize("command", ["train", "evaluate", "plot", "distil"])
    def test_what_names_none_is_refused(self, command, name, told, tmp_path, capsys, monkeypatch):
        monkeypatch.chdir(tmp_path)
        words = {"train": ["--objective", "ppo"], "evaluate": ["--objectives", "ppo", "--envs", CARTPOLE]}
        output = [] if command == "train" else ["--output", "out"]
        given = [command, *words.get(command, ["ppo"]), *output, "--config", name]
        assert_refused(given, ["metadisco: --config: ", *told], capsys)
        assert list(tmp_path.iterdir()) == []

    def test_a_file_comes_before_a_discovery_of_its_name(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / CLASSIC).write_text("seed: 5")
        assert settings_named(CLASSIC) == ({"seed": 5}, CLASSIC)


class TestFoundWith:
    def test_what_differs_comes_with_the_values_of_the_search(self, found):
        source = find_source(str(found / "run"))
        assert found_with(source, parse_config({"inner": {"env": ACROBOT}})) == OWN
        config = parse_config({"inner": {"env": CARTPOLE, "ppo": {"num_envs": 8, "num_evaluations": 3}}})
        expected = {"num_env_steps": 4096, "gamma": 0.5, "env_settings": {"max_steps_in_episode": 9}}
        assert found_with(source, config) == expected

    def test_of_what_was_drawn_the_range_is_told_where_the_value_is_outside(self, tmp_path):
        ranges = {"learning_rate": {"log": [1e-3, 1e-2]}, "gamma": {"linear": [0.9, 0.95]}}
        envs = [{"env": CARTPOLE, "randomise": {"gamma": {"linear": [0.9, 0.995]}}}, {"env": ACROBOT}]
        run = RunDirectory(tmp_path / "drawn")
        run.create(parse_config({"inner": {"envs": envs, "randomise": ranges, "ppo": {"learning_rate": 0.005}}}))
        run.write_centre(0, to_arrays(LPODrift(hidden_sizes=(4,)).init(jax.random.key(0))))
        source = find_source(str(run.path))
        for env, expected in ((CARTPOLE, {}), (ACROBOT, {"gamma": [0.9, 0.95]})):
            inner = {"env": env, "ppo": {"learning_rate": 0.003}}
            assert found_with(source, parse_config({"inner": inner})) == expected
        inner = {"env": CATCH, "ppo": {"learning_rate": 0.1, "gamma": 0.93}}
        assert found_with(source, parse_config({"inner": inner})) == {"learning_rate": [1e-3, 1e-2]}

    @pytest.mark.parametrize("name", ["run", "artefact", "artefact.zip"])
    @pytest.mark.parametrize("env", [CARTPOLE, ACROBOT, CATCH])
    def test_nothing_differs_from_its_own(self, found, name, env):
        assert found_with(find_source(str(found / name)), at(str(found / "run"), env)) == {}

    def test_nothing_is_said_of_what_was_not_learned_or_does_not_say_how(self):
        config = parse_config({"inner": {"env": ACROBOT}})
        assert found_with(find_source("ppo"), config) is None
        assert found_with(find_source(str(FOLDER / CLASSIC / "by_hand.json")), config) is None
        assert found_with(find_source(str(FOLDER / CLASSIC / "distilled")), config) is None  # fitted on CartPole alone


WORDS = {
    "train": ["train", "--objective", CLASSIC, "--env", CARTPOLE],
    "evaluate": ["evaluate", "--objectives", "ppo", CLASSIC, "--envs", CARTPOLE, "--output", "out"],
    "plot": ["plot", CLASSIC, "--env", CARTPOLE, "--output", "out"],
    "distil": ["distil", CLASSIC, "--env", CARTPOLE, "--output", "out"],
    "report": ["report", CLASSIC, "--output", "page.html"],
}


class StoppedError(Exception):
    """Raised where agents would be trained."""


class TestAnnouncements:
    @pytest.fixture
    def said(self, capsys, monkeypatch, tmp_path):
        """Return a function from arguments to the messages of a command before training."""
        monkeypatch.chdir(tmp_path)

        def stop(*arguments, **more):
            raise StoppedError

        for place in ("training.train_agents", "evaluate.map_over_devices", "histogram_cache.collect_histograms"):
            monkeypatch.setattr(f"metadisco.evaluation.{place}", stop)

        def said(*words):
            with pytest.raises(StoppedError):
                main([*words, *([] if words[0] == "report" else ["outer.num_devices=1"])])
            out, err = capsys.readouterr()
            assert out == ""
            return err

        return said

    @pytest.mark.parametrize("command", WORDS)
    def test_the_settings_and_where_they_come_from(self, command, said):
        facts = ["32,768 environment steps", "4 × 64", "0.005", "4 epochs × 4 minibatches", CLASSIC]
        told = said(*WORDS[command], *([] if command == "report" else ["--config", CLASSIC]))
        assert all(fact in told.splitlines()[0] for fact in facts)
        assert "other settings" not in told

    @pytest.mark.parametrize("command", ["train", "evaluate"])
    def test_that_the_defaults_are_not_what_it_was_found_with(self, command, said):
        told = said(*WORDS[command])
        settings, differing = told.splitlines()[:2]
        assert "499,712 environment steps" in settings
        assert "default" in settings
        for part in ("num_env_steps 32768", "learning_rate 0.005", f"those of config {CLASSIC!r}"):
            assert part in differing

    @pytest.mark.parametrize("command", ["plot", "distil"])
    def test_its_own_are_taken_unless_others_are_named(self, command, said, tmp_path):
        assert "32,768 environment steps" in said(*WORDS[command])
        (tmp_path / "mine.yaml").write_text("inner: {ppo: {num_env_steps: 1024}}")
        told = said(*WORDS[command], "--config", "mine.yaml")
        assert "1,024 environment steps" in told
        assert "mine.yaml" in told
        assert "num_env_steps 32768" in told

    @pytest.mark.parametrize("command", ["train", "plot"])
    def test_words_of_the_command_line_count(self, command, said):
        told = said(*WORDS[command], "--config", CLASSIC, "inner.ppo.num_env_steps=1024")
        settings, differing = told.splitlines()[:2]
        assert "1,024 environment steps" in settings
        assert "KEY=VALUE" in settings
        assert "num_env_steps 32768" in differing
        assert "those of config" not in differing  # which is there

    @pytest.mark.parametrize("command", ["train", "plot", "report"])
    def test_nothing_is_said_that_nobody_wants_to_hear(self, command, said):
        assert said(*WORDS[command], "--quiet") == ""

    def test_a_grid_and_several_environments_and_objectives_take_few_lines(self, said):
        told = said(*WORDS["train"], "inner.ppo.learning_rate=[1e-3,1e-4]", "inner.ppo.gamma=[0.9,0.99]")
        assert told.count("environment steps") == 1
        assert "0.001" in told
        assert "0.0001" in told
        words = ["evaluate", "--objectives", "ppo", CLASSIC, f"{CLASSIC}_1", "--envs", CARTPOLE, ACROBOT, CATCH]
        told = said(*words, "--output", "out")
        assert told.count("\n") == 2
        told = said(*words, "--output", "out", "--config", CLASSIC)
        assert told.count("\n") == 2  # Acrobot and Catch have the same
        assert "other settings" not in told


def test_json_of_train_says_which_settings_were_used(monkeypatch, tmp_path):
    def train_agents(objective, env, configs, num_seeds, stream):
        arrays = {name: np.zeros(num_seeds) for name in Lifetimes._fields}
        arrays |= {name: np.zeros((num_seeds, 1)) for name in ("curve", "filled")}
        return [(Lifetimes(**arrays), None) for _ in configs]

    monkeypatch.setattr("metadisco.evaluation.training.train_agents", train_agents)
    words = ["train", "--objective", CLASSIC, "--env", CARTPOLE, "outer.num_devices=1", "--quiet", "--output"]
    file = tmp_path / "out.json"
    assert main([*words, str(file), "--config", CLASSIC]) == 0
    said = json.loads(file.read_text())
    assert (said["config"], said["found_with"]) == (CLASSIC, {})
    assert said["inner"] == to_plain(at(CLASSIC, CARTPOLE))["inner"]
    assert (
        main([*words, str(file), "--force", "inner.ppo.learning_rate=[0.005,0.1]", "inner.ppo.num_env_steps=32768"])
        == 0
    )
    said = json.loads(file.read_text())
    assert said["config"] is None
    assert [point["inner"]["ppo"]["learning_rate"] for point in said["grid"]] == [0.005, 0.1]
    assert ["learning_rate" in point["found_with"] for point in said["grid"]] == [False, True]
