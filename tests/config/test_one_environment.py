"""Selecting one environment of a config with several."""

import copy
import json

import pytest
from refusals import assert_refused

from metadisco.cli import main
from metadisco.config import parse_config, write_yaml
from metadisco.config.grid import config_at, one_environment
from metadisco.errors import UserError

CARTPOLE, ACROBOT, PENDULUM = "gymnax/CartPole-v1", "gymnax/Acrobot-v1", "gymnax/Pendulum-v1"
SEVERAL = {
    "seed": 7,
    "inner": {
        "envs": [
            {"env": CARTPOLE, "env_settings": {"max_steps_in_episode": 30}, "reference": {"random": 20, "ppo": 25}},
            {"env": ACROBOT, "ppo": {"gamma": 0.5, "num_steps": 16}},
            {"env": CARTPOLE, "ppo": {"gamma": 0.25}},
        ],
        "fitness": "final_return",
        "ppo": {"gamma": 0.9, "num_envs": 8},
    },
    "outer": {"aggregate": "mean_rank"},
}
ONE = {"inner": {"env": CARTPOLE, "env_settings": {"max_steps_in_episode": 30}, "ppo": {"gamma": 0.9}}}


def task_of(base, env, **overrides):
    """Return the settings of one lifetime under a base config, an environment by name, and words for single keys."""
    before = copy.deepcopy(base)
    config = config_at(one_environment(base, env), overrides)
    assert base == before
    assert config.inner.envs == ()
    (task,) = config.inner.tasks
    return task


class TestSeveral:
    @pytest.mark.parametrize("task", parse_config(SEVERAL).inner.tasks, ids=lambda task: task.name)
    def test_each_has_the_settings_that_it_has_among_them(self, task):
        assert task_of(SEVERAL, task.name)[1:-1] == task[1:-1]

    def test_the_first_is_meant_where_one_is_listed_twice(self):
        assert task_of(SEVERAL, CARTPOLE).env_settings == {"max_steps_in_episode": 30}
        assert task_of(SEVERAL, f"{CARTPOLE}#2").env_settings == {}
        assert task_of(SEVERAL, f"{CARTPOLE}#2").env == CARTPOLE

    def test_another_has_the_common_settings_alone(self):
        task = task_of(SEVERAL, PENDULUM)
        assert (task.env, task.env_settings) == (PENDULUM, {})
        assert (task.ppo.gamma, task.ppo.num_envs) == (0.9, 8)

    def test_words_win_over_settings_of_the_environment(self):
        task = task_of(SEVERAL, ACROBOT, **{"inner.ppo.gamma": 0.1, "inner.env_settings.max_steps_in_episode": 5})
        assert (task.ppo.gamma, task.ppo.num_steps, task.ppo.num_envs) == (0.1, 16, 8)
        assert task.env_settings == {"max_steps_in_episode": 5}

    def test_the_rest_of_the_config_stays(self):
        config = config_at(one_environment(SEVERAL, ACROBOT), {})
        assert config.seed == 7
        assert config.inner.fitness == "final_return"
        assert config.outer.aggregate == "mean_rank"

    def test_one_must_be_named(self):
        with pytest.raises(UserError, match=f"^env: missing, allowed: one of {CARTPOLE}, {ACROBOT}, {CARTPOLE}#2"):
            one_environment(SEVERAL, None)


class TestOne:
    def test_stays_as_it_is_where_none_is_named(self):
        assert task_of(ONE, None) == parse_config(ONE).inner.tasks[0]
        assert task_of({}, None) == parse_config({}).inner.tasks[0]

    def test_keeps_its_settings_where_it_is_named(self):
        assert task_of(ONE, CARTPOLE) == parse_config(ONE).inner.tasks[0]

    def test_another_does_not_take_them_over(self):
        task = task_of(ONE, ACROBOT)
        assert (task.env, task.env_settings) == (ACROBOT, {})
        assert task.ppo.gamma == 0.9

    def test_a_list_of_one_need_not_be_named(self):
        base = {"inner": {"envs": SEVERAL["inner"]["envs"][1:2]}}
        for env in (None, ACROBOT):
            task = task_of(base, env)
            assert (task.env, task.ppo.gamma) == (ACROBOT, 0.5)

    def test_settings_of_the_default_environment_are_its_own(self):
        base = {"inner": {"env_settings": {"max_steps_in_episode": 30}}}
        assert task_of(base, CARTPOLE).env_settings == {"max_steps_in_episode": 30}
        assert task_of(base, ACROBOT).env_settings == {}


TRAINING = {
    "num_envs": 2, "num_steps": 8, "num_env_steps": 32, "num_minibatches": 1, "num_epochs": 1, "hidden_sizes": [4],
    "num_evaluation_episodes": 2,
}  # fmt: skip
PROBES = {
    "inner": {
        "envs": [{"env": "probes:constant_reward"}, {"env": "probes:time_limit", "ppo": {"num_env_steps": 64}}],
        "ppo": TRAINING,
    }
}


class TestTrain:
    @pytest.fixture
    def config_path(self, tmp_path):
        path = tmp_path / "several.yaml"
        path.write_text(write_yaml(PROBES))
        return path

    @pytest.mark.slow
    def test_takes_settings_of_the_environment_and_words_over_them(self, config_path, tmp_path, capsys):
        output = tmp_path / "out.json"
        words = ["--config", str(config_path), "--env", "probes:time_limit", "inner.ppo.num_envs=4"]
        assert main(["train", "--objective", "ppo", *words, "--output", str(output), "--quiet"]) == 0
        result = json.loads(output.read_text())
        assert result["env"] == "probes:time_limit"
        assert result["env_steps"] == [32, 64]
        assert result["final_return"] == [1]  # whatever an agent does there
        assert result["curve"] == [[1, 1]]

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            ([], "--env: missing, allowed: one of probes:constant_reward, probes:time_limit"),
            (["--env", "probes:time_limit#2"], "time_limit#2"),
            (["--env", "probes:time_limit", "inner.envs=[{env: gymnax/CartPole-v1}]"], "inner.env"),
            (["--env", "probes:time_limit", "inner.envs.1.ppo.gamma=0.5"], "inner.envs"),
        ],
    )
    def test_what_is_no_single_environment_is_refused_in_one_line(self, config_path, capsys, words, told):
        assert_refused(["train", "--objective", "ppo", "--config", str(config_path), *words], [told], capsys)
