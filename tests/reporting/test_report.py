"""Contents of a report about a run, and which results it accepts as those of the run: nothing is trained or drawn."""

import json
from pathlib import Path

import jax
import pytest

from metadisco import UserError
from metadisco.config import parse_config
from metadisco.discoveries.distilled import FILE
from metadisco.discoveries.sources import find_source
from metadisco.parametrisations import make_parametrisation
from metadisco.reporting.commands import commands_for, name_of
from metadisco.reporting.facts import changed_settings, environments, facts_of
from metadisco.reporting.parts import comparison_of, forms_of
from metadisco.storage.arrays import to_arrays
from metadisco.storage.runs import RunDirectory

SEVERAL = {
    "ppo": {"num_envs": 4, "num_steps": 64, "learning_rate": 0.001},
    "envs": [
        {"env": "gymnax/CartPole-v1", "ppo": {"num_env_steps": 32_768}},
        {"env": "gymnax/Pendulum-v1", "ppo": {"num_env_steps": 49_152, "gamma": 0.9}, "env_settings": {"g": 9.0}},
    ],
}
FORM = {"expression": ["square", "error"]}


def make_run(path, *, rows=(), generations=(0, 8), **config):
    run = RunDirectory(path)
    config = {"parametrisation": {"name": "value_loss", "hidden_sizes": [4]}, **config}
    run.create(parse_config(config))
    for generation in generations:
        params = make_parametrisation(run.config().parametrisation).init(jax.random.key(generation))
        run.write_centre(generation, to_arrays(params))
    for row in rows:
        run.append_metrics(row)
    return run


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def facts(run):
    return dict(facts_of(find_source(str(run.path))))


def rows(every, number=64, **more):
    """Return rows of which each generation took four seconds and had two failed members."""
    return [
        {"generation": n, "env_steps": 10 * (n + 1), "seconds": 4.0, "failed_members": 2, **more}
        for n in range(number)
        if n % every == 0 or n == number - 1
    ]


class TestFacts:
    def test_time_and_failures_of_a_whole_run_are_summed(self, place):
        told = facts(make_run(place / "run", rows=rows(1)))
        assert "4 min" in told["Spent"] and "about" not in told["Spent"]
        assert told["Failed members"] == "128"
        assert told["Generations"] == "64"

    def test_those_of_thinned_rows_are_told_as_what_they_are(self, place):
        told = facts(make_run(place / "run", rows=rows(8)))
        assert "about 4 min" in told["Spent"] and "9 generations" in told["Spent"]
        assert told["Failed members"].startswith("18 in the 9 generations")
        assert told["Generations"] == "64"

    def test_rows_without_times_give_none(self, place):
        assert facts(make_run(place / "run", rows=rows(1, seconds=None)))["Spent"] == "640 environment steps"

    def test_each_environment_has_its_own_lifetime_and_settings(self, place):
        run = make_run(place / "run", inner=SEVERAL)
        lifetime = facts(run)["Lifetime"]
        assert "32,768" in lifetime and "49,152" in lifetime and "499,712" not in lifetime
        told = dict(environments(find_source(str(run.path))))
        assert "learning rate 0.001" in told["everywhere"] and "gamma" not in told["everywhere"]
        assert "32,768" in told["gymnax/CartPole-v1"] and "gamma 0.99" in told["gymnax/CartPole-v1"]
        assert "49,152" in told["gymnax/Pendulum-v1 (g 9.0)"] and "gamma 0.9" in told["gymnax/Pendulum-v1 (g 9.0)"]

    def test_one_environment_has_all_of_them(self, place):
        run = make_run(place / "run", inner={"ppo": {"num_env_steps": 1024}})
        assert facts(run)["Lifetime"] == "1,024 environment steps of PPO"
        ((env, told),) = environments(find_source(str(run.path)))
        assert env == "gymnax/CartPole-v1" and "1,024" in told and "gamma 0.99" in told


class TestChangedSettings:
    def changed(self, place, **config):
        run = make_run(place / "run", **config)
        return {key: (value, default) for key, value, default in changed_settings(find_source(str(run.path)))}

    @pytest.mark.parametrize("name", ["value_loss", "lpo_drift", "policy_and_value"])
    def test_defaults_are_those_of_the_same_parametrisation(self, place, name):
        assert self.changed(place, parametrisation={"name": name}) == {}

    @pytest.mark.parametrize("name", ["CMA_ES", "SNES", "PGPE"])
    def test_and_of_the_same_strategy(self, place, name):
        assert self.changed(place, outer={"strategy": {"name": name}}).keys() == {"parametrisation.hidden_sizes"}

    def test_what_was_set_is_there_with_its_default(self, place):
        found = self.changed(place, parametrisation={"name": "lpo_drift", "ppo_init": False})
        assert found == {"parametrisation.ppo_init": ("False", "True")}

    def test_settings_of_one_environment_are_there_beside_the_default_of_all(self, place):
        found = self.changed(place, inner=SEVERAL)
        assert found["inner.envs.1.ppo.gamma"] == ("0.9", "0.99")
        assert found["inner.envs.0.ppo.num_env_steps"] == ("32768", "500000")
        assert found["inner.envs.1.env_settings.g"][0] == "9.0"
        assert "inner.env" not in found

    def test_defaults_of_ones_own_parametrisation_are_not_guessed(self, place):
        config = {"name": "metadisco.parametrisations:ValueLoss", "hidden_sizes": [4], "clip_eps": 0.3}
        found = self.changed(place, parametrisation=config)
        assert found["parametrisation.clip_eps"] == ("0.3", "not known")
        assert not any(key.startswith("parametrisation.") and key not in
                       ("parametrisation.clip_eps", "parametrisation.hidden_sizes") for key in found)  # fmt: skip


def write_results(folder, names, **more):
    folder.mkdir(parents=True)
    cell = {"env": "gymnax/CartPole-v1", "held_out": None}
    data = {"baseline": names[0], "seeds": 2, "envs": {}, "rows": [],
            "cells": [{"objective": name, **cell} for name in names], **more}  # fmt: skip
    (folder / "results.json").write_text(json.dumps(data))


def write_forms(folder, **more):
    folder.mkdir(parents=True)
    data = {"format": "metadisco distilled forms", "version": 1, "constants": {"clip_eps": 0.2, "value_clip_eps": None},
            "value": {"closest": "plain", "forms": {"plain": FORM}}, **more}  # fmt: skip
    (folder / FILE).write_text(json.dumps(data))


class TestWhatIsTakenForTheRuns:
    """Evaluations and forms, by their contents; `run` at two generations gives two objectives."""

    @pytest.fixture
    def run(self, place):
        return make_run(place / "run")

    @pytest.fixture(params=["evaluation", "forms"])
    def part(self, request, run):
        """(sha256 or None, name when it was written, name of the run, is its folder named) -> the part."""

        def part(sha256, name, source="run", named=False):
            folder = run.path / "somewhere"
            if request.param == "evaluation":
                write_results(folder, ["ppo", name], **({} if sha256 is None else {"objectives": {name: sha256}}))
            else:
                write_forms(folder, source=name, **({} if sha256 is None else {"source_sha256": sha256}))
            function = comparison_of if request.param == "evaluation" else forms_of
            return function(find_source(source), folder if named else None, folder)

        return part

    def test_an_evaluations_figures_are_shown_those_of_all_environments_first(self, run):
        folder = run.path / "somewhere"
        write_results(folder, ["ppo", "run"], objectives={"run": find_source("run").sha256})
        (folder / "figures").mkdir()
        for name in ("returns", "profiles", "gymnax_CartPole-v1", "intervals"):
            (folder / "figures" / f"{name}.png").touch()
        shown = comparison_of(find_source("run"), None, folder).figures
        assert [file.stem for file in shown if "gymnax" not in file.stem] == ["intervals", "returns", "profiles"]
        (folder / "figures" / "curves.png").touch()
        shown = comparison_of(find_source("run"), None, folder).figures
        assert [file.stem for file in shown] == ["intervals", "curves", "returns", "profiles"]

    @pytest.mark.parametrize("named", [True, False])
    def test_what_is_of_the_same_weights_is_shown_whatever_it_was_called(self, part, named):
        shown = part(find_source("run").sha256, "elsewhere/old", named=named)
        assert shown.content is not None and shown.note == ""

    def test_what_is_of_others_is_left_out_with_a_sentence(self, part):
        shown = part(find_source("run@0").sha256, "run")
        assert shown.content is None and "another discovery" in shown.note

    def test_and_is_refused_where_its_folder_was_named(self, part):
        with pytest.raises(UserError, match="is of another discovery than 'run'"):
            part(find_source("run@0").sha256, "run", named=True)

    def test_one_generation_is_not_taken_for_another(self, part):
        assert part(find_source("run").sha256, "run", source="run@0").content is None

    def test_what_an_earlier_version_wrote_is_known_by_its_name_alone(self, part):
        shown = part(None, str(Path("run").absolute()))
        assert shown.content is not None and "do not tell" in shown.note

    def test_or_not_at_all(self, part):
        shown = part(None, "another")
        assert shown.content is None and "not known" in shown.note

    def test_unless_its_folder_was_named(self, part):
        shown = part(None, "another", named=True)
        assert shown.content is not None and "not known" in shown.note

    @pytest.fixture(params=["evaluation", "forms", "retrained"])
    def damaged(self, request, run):
        """(content, is its folder named) -> the part of which a file has that content."""

        def damaged(content, named):
            folder = run.path / "somewhere"
            file, function = folder / ("results.json" if request.param == "evaluation" else FILE), forms_of
            if request.param == "evaluation":
                folder.mkdir()
                function = comparison_of
            else:
                write_forms(folder, source="run", source_sha256=find_source("run").sha256)
            if request.param == "retrained":
                file = folder / "retrained" / "results.json"
                file.parent.mkdir()
            file.write_bytes(content)
            return function(find_source("run"), folder if named else None, folder)

        damaged.option = "evaluation" if request.param == "evaluation" else "distilled"
        damaged.shown = request.param == "retrained"  # the forms
        return damaged

    DAMAGE = (
        b"{", b"", b"\xff", b"[]", b"{}", b"[" * 10_000,
        b'{"baseline": "ppo", "seeds": 2, "envs": {}, "rows": [], "cells": [], "objectives": {"ppo": []}}',
    )  # fmt: skip

    @pytest.mark.parametrize("content", DAMAGE)
    def test_what_cannot_be_read_is_left_out_with_a_sentence(self, damaged, content):
        part = damaged(content, named=False)
        assert (part.content is not None) == damaged.shown
        assert not damaged.shown or part.content["retrained"] is None
        assert "somewhere" in part.note and "left out" in part.note and "--" not in part.note

    @pytest.mark.parametrize("content", DAMAGE)
    def test_and_is_refused_where_it_was_named(self, damaged, content):
        with pytest.raises(UserError, match=f"^{damaged.option}: .*somewhere"):
            damaged(content, named=True)

    def test_where_nothing_is_nothing_is_said(self, run):
        for function in (comparison_of, forms_of):
            assert function(find_source("run"), None, Path("nowhere")) == (None, "", (), False)


class TestCommands:
    def test_a_run_is_called_as_it_was_named(self, place):
        make_run(place / "my runs" / "first")
        for name in ("my runs/first", "my runs/first@0"):
            source = find_source(name)
            assert name_of(source) == name
            quoted = commands_for(source)["quoted"]
            assert quoted["objective"] == f"'{name}'"
            assert quoted["config"] == "'my runs/first/config.yaml'"

    def test_where_the_machine_keeps_it_is_not_told(self, place):
        run = make_run(place / "run")
        source = find_source(str(run.path))
        assert name_of(source) == "run"
        assert str(place) not in json.dumps(commands_for(source))
        assert name_of(find_source(f"{run.path}@0")) == "run@0"
        assert str(Path.home()) not in json.dumps(commands_for(find_source("lpo_drift_classic")))

    def test_of_a_path_elsewhere_only_the_last_part_is_told(self, place, tmp_path_factory):
        run = make_run(tmp_path_factory.mktemp("elsewhere") / "run")
        for name in (str(run.path), f"{run.path}@0"):
            assert name_of(find_source(name)) == name.rpartition("/")[2]
        assert commands_for(find_source(str(run.path)))["quoted"]["config"] == "run/config.yaml"

    def test_an_environment_that_is_there_twice_is_named_once(self, place):
        env = {"env": "gymnax/CartPole-v1"}
        make_run(place / "run", inner={"envs": [env, env]}, outer={"aggregate": "mean_rank"})
        assert commands_for(find_source("run"))["envs"] == "gymnax/CartPole-v1"

    def test_another_generation_and_what_is_published_have_places_of_their_own(self, place):
        make_run(place / "run")
        assert not commands_for(find_source("run"))["apart"]
        for name in ("run@0", "lpo_drift_classic"):
            commands = commands_for(find_source(name))
            assert commands["apart"]
            assert commands["quoted"]["evaluation"] != commands_for(find_source("run"))["quoted"]["evaluation"]
