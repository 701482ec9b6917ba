"""`metadisco reference`: its measurements and its changes to the file."""

import contextlib
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from refusals import assert_refused
from ruamel.yaml import YAML

from metadisco.cli import main
from metadisco.config import check_references, parse_config, read_yaml
from metadisco.evaluation.reference import ReferenceReturns

CONFIG = """\
# Two probes.
seed: 3   # of everything

parametrisation: {name: value_loss, hidden_sizes: [4]}

inner:
  fitness: 'final_return'
  envs:
  # the first
  - env: "probes:rewarded_action"
    ppo: {num_env_steps: 1_024, learning_rate: 5.0e-2}   # enough
  - env: probes:target_action   # the second

    reference: {random: -3.0, ppo: -2.0}   # of another time
  # both
  ppo:
    num_envs: 8
    num_steps: 16
    num_env_steps: 2.048e3
    num_minibatches: 2
    learning_rate: 3e-2
    hidden_sizes: [8]
    num_evaluation_episodes: 32
    max_grad_norm: 0.50

outer:
  num_generations: 2
  evaluate_every: 1
  strategy: {population_size: 4}
# the end
"""
NUM_SEEDS = 4


@pytest.fixture(scope="module")
def measurement(tmp_path_factory):
    """A config file after references were measured, and the output."""
    path = tmp_path_factory.mktemp("measured") / "two.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(["reference", str(path), "--seeds", str(NUM_SEEDS), "outer.num_devices=1"]) == 0
    return path, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def measured(measurement):
    return measurement[0]


class TestFile:
    def test_references_are_those_of_random_actions_and_of_ppo(self, measured):
        one, other = (task.reference for task in parse_config(read_yaml(measured)).inner.tasks)
        episodes = NUM_SEEDS * 8
        assert abs(one.random) <= 4 / episodes**0.5
        assert 0.8 < one.ppo <= 1
        assert abs(other.random + 0.75) <= 4 * 0.67 / episodes**0.5
        assert -0.4 < other.ppo < 0

    def test_everything_else_stays_as_it_was(self, measured):
        before, after = parse_config(read_yaml_text(CONFIG, measured)), parse_config(read_yaml(measured))
        assert [task[:-1] for task in after.inner.tasks] == [task[:-1] for task in before.inner.tasks]
        assert (after.outer, after.seed, after.parametrisation) == (before.outer, before.seed, before.parametrisation)

    def test_comments_and_all_lines_but_those_of_references_stay_as_they_were(self, measured):
        old, new = CONFIG.splitlines(), measured.read_text(encoding="utf-8").splitlines()
        kept = [line for line in old if "reference" not in line]
        rest = iter(new)
        assert [line for line in kept if line not in rest] == []

    def test_nothing_is_left_beside_it(self, measured):
        assert list(measured.parent.iterdir()) == [measured]

    def test_what_is_measured_and_how_surely_is_said(self, measurement):
        path, out, err = measurement
        assert out == ""
        for task in parse_config(read_yaml(path)).inner.tasks:
            assert f"{task.name}: {NUM_SEEDS} lifetimes of {task.ppo.num_env_steps:,} steps" in err
        for _, mean, error in re.findall(r"(random|ppo) (\S+) ± (\S+)", err):
            assert float(error) < 0.3
            assert -1 <= float(mean) <= 1
        assert len(re.findall("±", err)) == 4
        assert f"written to {path}" in err

    def test_evolve_has_no_objection(self, measured):
        check_references(parse_config(read_yaml(measured)))

    @pytest.mark.slow
    def test_evolve_takes_it(self, measured, tmp_path):
        run = tmp_path / "run"
        assert main(["evolve", str(measured), "outer.num_devices=1", "--run", str(run), "--quiet"]) == 0
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        references = [task.reference for task in parse_config(read_yaml(run / "config.yaml")).inner.tasks]
        for row in rows:
            for head in ("fitness_mean", "centre_fitness"):
                raw = [row[f"{head}/probes:{name}_action"] for name in ("rewarded", "target")]
                assert -1 <= raw[0] <= 1
                assert raw[1] < 0
                scaled = [(x - each.random) / (each.ppo - each.random) for x, each in zip(raw, references, strict=True)]
                np.testing.assert_allclose(row[head], np.mean(scaled), rtol=1e-4)
            assert row["env_steps"] == 4 * (1024 + 2048) * (row["generation"] + 1)


def read_yaml_text(text: str, beside: Path):
    path = beside.with_name("before.yaml")
    path.write_text(text, encoding="utf-8")
    data = read_yaml(path)
    path.unlink()
    return data


TINY = """\
inner:   # two of them
  envs:
  - {env: "probes:constant_reward", reference: {random: 0, ppo: 9}}
  - {env: "probes:rewarded_action"}
  ppo: {num_envs: 2, num_steps: 8, num_env_steps: 32, num_minibatches: 1, num_epochs: 1, hidden_sizes: [4]}
"""


class TestRefusals:
    """The file must be unchanged, to the byte."""

    @pytest.fixture
    def refused(self, tmp_path, capsys):
        def refused(text, words, told):
            path = tmp_path / "config.yaml"
            path.write_text(text, encoding="utf-8")
            before = path.read_bytes()
            assert_refused(["reference", str(path), "--quiet", *words], told, capsys)
            assert path.read_bytes() == before
            assert list(tmp_path.iterdir()) == [path]

        return refused

    @pytest.mark.slow
    def test_ppo_that_is_not_above_random(self, refused):
        """On a probe whose reward is 1 whatever an agent does."""
        words = ["--seeds", "2", "outer.num_devices=1"]
        refused(TINY, words, ["inner.envs.0", "probes:constant_reward", "1.0, not above random"])

    @pytest.mark.parametrize("text", ["{}", "inner: {env: gymnax/CartPole-v1}", "inner: {envs: []}"])
    def test_a_config_with_a_single_environment(self, refused, text):
        refused(text, [], ["inner.envs", "one environment"])

    @pytest.mark.parametrize(
        "word", ["inner.ppo.gamma=0.5", "inner.envs.0.env=gymnax/CartPole-v1", "parametrisation.name=lpo_drift"]
    )
    def test_words_that_would_measure_something_else_than_the_file_says(self, refused, word):
        refused(TINY, [word], [word.partition("=")[0], "only outer and seed can be set"])

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["--seeds", "0"], ["--seeds: got 0", "from 1"]),
            (["outer.num_device=1"], ["outer.num_device", "did you mean 'num_devices'"]),
            (["seed=x"], ["seed", "a whole number"]),
            (["outer.num_devices=64"], ["outer.num_devices: got 64"]),
        ],
    )
    def test_wrong_words(self, refused, words, told):
        refused(TINY, words, told)

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            (TINY.replace("hidden_sizes", "hiden_sizes"), ["inner.ppo.hiden_sizes", "did you mean 'hidden_sizes'"]),
            (TINY.replace("rewarded_action", "rewarded_acton"), ["probes has no 'rewarded_acton'"]),
            ("inner: [1, 2", ["not valid YAML"]),
        ],
    )
    def test_a_wrong_config(self, refused, text, told):
        refused(text, [], told)

    def test_a_config_that_is_not_there(self, tmp_path, capsys):
        assert_refused(["reference", str(tmp_path / "nowhere.yaml")], ["nowhere.yaml", "No such file"], capsys)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("locked", ["config.yaml", "."])
    def test_a_file_that_cannot_be_written(self, refused, tmp_path, monkeypatch, locked):
        """Said by the system here, as root may write everything."""
        access = os.access
        closed = tmp_path / locked
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed and access(path, mode))
        refused(TINY, [], ["cannot write", "config.yaml"])


class TestOutcomes:
    """References from given measurements: random and PPO on either probe of TINY."""

    @pytest.fixture
    def outcome(self, tmp_path, capsys, monkeypatch):
        """(one measurement per environment) -> exit code, output, the file's text."""

        def outcome(*measurements):
            results = iter(measurements)
            as_measured = lambda *arguments: ReferenceReturns(*map(np.float32, next(results)))  # noqa: E731
            monkeypatch.setattr("metadisco.evaluation.reference.measure_reference", as_measured)
            path = tmp_path / "config.yaml"
            path.write_text(TINY, encoding="utf-8")
            code = main(["reference", str(path), "outer.num_devices=1"])
            assert list(tmp_path.iterdir()) == [path]
            return code, capsys.readouterr().err, path.read_text(encoding="utf-8")

        return outcome

    GOOD = ([0.0, 1.0], [3.0, 5.0])

    def test_the_means_are_written(self, outcome):
        code, said, text = outcome(self.GOOD, ([-1.0, -2.0], [1e-3, 3e-3]))
        assert code == 0
        data = YAML(typ="safe", pure=True).load(text)
        written = [each["reference"] for each in data["inner"]["envs"]]
        assert written == [{"random": 0.5, "ppo": 4}, {"random": -1.5, "ppo": 0.002}]
        assert "ppo 4 ± 1 " in said  # the standard error of two numbers is half their difference

    @pytest.mark.parametrize("bad", [([2.0, 4.0], [3.0, 3.0]), ([2.0], [1.0]), ([1.0], [1.0000001])])
    def test_one_environment_where_ppo_is_not_above_random_leaves_the_file_as_it_is(self, outcome, bad):
        code, said, text = outcome(self.GOOD, bad)
        assert code == 2
        assert "inner.envs.1: PPO's fitness on probes:rewarded_action" in said
        assert "not above random" in said
        assert text == TINY

    def test_lives_that_failed_are_left_out_of_the_mean(self, outcome):
        code, _, text = outcome(self.GOOD, ([0.0, 0.0, 0.0], [1.0, np.nan, 3.0]))
        assert code == 0
        assert "ppo: 2.0" in text

    def test_an_environment_where_all_lives_failed_leaves_the_file_as_it_is(self, outcome):
        code, said, text = outcome(self.GOOD, ([0.0, 0.0], [np.nan, np.nan]))
        assert code == 2
        assert "inner.envs.1: all" in said
        assert "failed" in said
        assert text == TINY
