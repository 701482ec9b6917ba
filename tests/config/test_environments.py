"""Several environments in one config: validation, the settings of each, and round trips through text."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import matching_action, time_limit

from metadisco.config import (
    PPOConfig,
    apply_overrides,
    check_references,
    flatten,
    parse_config,
    parse_override,
    read_yaml,
    to_plain,
    write_yaml,
)
from metadisco.config.text import parse_yaml
from metadisco.errors import UserError
from metadisco.inner.train import TrainResult
from metadisco.problems import make_problem, objective_discovery
from metadisco.types import TaskInfo

CARTPOLE, ACROBOT = "gymnax/CartPole-v1", "gymnax/Acrobot-v1"
REFERENCE = {"random": -500.0, "ppo": -80.0}


NINE = {"num_envs": 3, "num_steps": 3, "num_minibatches": 3, "num_env_steps": 90}


def data_of(*envs, outer=None, **inner):
    return {"inner": {"envs": list(envs), **inner}, "outer": outer or {}}


def parsed(*envs, outer=None, **inner):
    return parse_config(data_of(*envs, outer=outer, **inner))


WRONG = [
    ({"env": CARTPOLE, "envs": [{"env": ACROBOT}]}, ["inner.env:", f"'{CARTPOLE}' beside envs", "one of the two"]),
    ({"env_settings": {"gravity": 1.0}, "envs": [{"env": ACROBOT}]}, ["inner.env", "beside envs"]),
    ({"envs": 3}, ["inner.envs: got 3", "a list"]),
    ({"envs": {"env": CARTPOLE}}, ["inner.envs: got", "a list"]),
    ({"envs": [CARTPOLE]}, ["inner.envs.0", CARTPOLE, "a section"]),
    ({"envs": [{"env": CARTPOLE}, {"env_settings": {}}]}, ["inner.envs.1.env"]),
    ({"envs": [{"env": CARTPOLE}, {"env": "gymnx/Acrobot-v1"}]}, ["inner.envs.1.env", "did you mean 'gymnax'"]),
    ({"envs": [{"env": "Acrobot-v1"}]}, ["inner.envs.0.env", f"did you mean '{ACROBOT}'"]),
    (
        {"envs": [{"env": CARTPOLE, "refrence": REFERENCE}]},
        ["unknown key 'inner.envs.0.refrence'", "did you mean 'reference'", "env_settings"],
    ),
    (
        {"envs": [{"env": CARTPOLE, "ppo": {"num_env": 4}}]},
        ["unknown key 'inner.envs.0.ppo.num_env'", "did you mean 'num_envs'", "gae_lambda"],
    ),
    ({"envs": [{"env": CARTPOLE}, {"env": ACROBOT, "ppo": {"gamma": 2}}]}, ["inner.envs.1.ppo.gamma", "at most 1"]),
    ({"envs": [{"env": CARTPOLE, "ppo": {"num_envs": True}}]}, ["inner.envs.0.ppo.num_envs", "a whole number"]),
    ({"envs": [{"env": CARTPOLE, "ppo": {"hidden_sizes": [8, "x"]}}]}, ["inner.envs.0.ppo.hidden_sizes.1", "'x'"]),
    ({"envs": [{"env": CARTPOLE, "ppo": [1]}]}, ["inner.envs.0.ppo", "a section"]),
    (
        {"envs": [{"env": CARTPOLE}, {"env": ACROBOT, "ppo": {"num_envs": 3, "num_steps": 3}}]},
        ["inner.envs.1.ppo.num_minibatches: got 4", "num_envs × num_steps = 9"],
    ),
    (
        {"envs": [{"env": CARTPOLE, "ppo": {"num_minibatches": 4}}], "ppo": NINE},
        ["inner.envs.0.ppo.num_minibatches: got 4", "num_envs × num_steps = 9"],
    ),
    (
        {"envs": [{"env": CARTPOLE, "ppo": {"num_minibatches": 9}}], "ppo": NINE},
        ["inner.envs.0.ppo.normalise_advantages"],
    ),
    ({"envs": [{"env": CARTPOLE, "reference": 3}]}, ["inner.envs.0.reference", "a section"]),
    ({"envs": [{"env": CARTPOLE, "reference": {"random": 1}}]}, ["inner.envs.0.reference.ppo"]),
    (
        {"envs": [{"env": CARTPOLE, "reference": {"random": 20, "ppo": 20}}]},
        ["inner.envs.0.reference.ppo: got 20", "above random"],
    ),
    (
        {"envs": [{"env": CARTPOLE}, {"env": ACROBOT, "reference": {"random": -80, "ppo": -500}}]},
        ["inner.envs.1.reference.ppo: got -500", "above random, -80"],
    ),
    (
        {"envs": [{"env": CARTPOLE, "reference": {"random": float("nan"), "ppo": 2}}]},
        ["inner.envs.0.reference.random", "a finite number"],
    ),
    ({"fitness_part": 0.5}, ["inner.fitness_part: got 0.5", "a list"]),
    ({"fitness_part": [0.5]}, ["inner.fitness_part"]),
    ({"fitness_part": [0.5, 0.5]}, ["inner.fitness_part: got [0.5, 0.5]", "two increasing fractions"]),
    ({"fitness_part": [0.9, 0.5]}, ["inner.fitness_part: got [0.9, 0.5]", "two increasing fractions"]),
    ({"fitness_part": [0.0, 1.5]}, ["inner.fitness_part.1: got 1.5", "at most 1"]),
    ({"fitness_part": [-0.1, 1.0]}, ["inner.fitness_part.0: got -0.1", "at least 0"]),
    ({"fitness_part": [0.5, 1], "fitness": "final_return"}, ["inner.fitness_part", "final_return", "mean_evaluation"]),
    ({"fitness_part": [0.5, 1], "fitness": "mine:fitness"}, ["inner.fitness_part", "mine:fitness"]),
]


@pytest.mark.parametrize(("inner", "told"), WRONG, ids=[" ".join(told) for _, told in WRONG])
def test_wrong_input_is_answered_in_one_line_that_names_the_place(inner, told):
    with pytest.raises(UserError) as caught:
        parse_config({"inner": inner})
    message = str(caught.value)
    assert "\n" not in message
    for part in told:
        assert part in message


@pytest.mark.parametrize("fitness", ["final_return", "mine:fitness"])
def test_the_whole_lifetime_is_a_part_for_every_fitness(fitness):
    assert parse_config({"inner": {"fitness": fitness, "fitness_part": [0, 1]}}).inner.fitness_part == (0, 1)


class TestReferences:
    WITH, WITHOUT = {"env": CARTPOLE, "reference": REFERENCE}, {"env": ACROBOT}

    @pytest.mark.parametrize("how", ["mean", "minimum"])
    def test_without_them_several_environments_are_on_no_scale(self, how):
        config = parsed(self.WITH, self.WITHOUT, outer={"aggregate": how})
        with pytest.raises(UserError, match=rf"inner\.envs\.1\.reference: missing for {ACROBOT}.*mean_rank") as caught:
            check_references(config)
        assert "\n" not in str(caught.value)

    def test_ranks_need_none(self):
        check_references(parsed(self.WITHOUT, self.WITHOUT, outer={"aggregate": "mean_rank"}))

    def test_one_environment_needs_none(self):
        check_references(parse_config({}))
        check_references(parsed(self.WITHOUT))

    def test_all_that_are_needed_are_enough(self):
        check_references(parsed(self.WITH, {**self.WITHOUT, "reference": REFERENCE}))


class TestTasks:
    def test_without_a_list_there_is_the_one_environment(self):
        config = parse_config({"inner": {"env": ACROBOT, "env_settings": {"gravity": 1.0}, "ppo": {"gamma": 0.5}}})
        (task,) = config.inner.tasks
        assert task == (ACROBOT, ACROBOT, {"gravity": 1.0}, config.inner.ppo, (), None)
        assert [task.env for task in parse_config({}).inner.tasks] == [CARTPOLE]
        assert [task.env for task in parse_config({"inner": {"envs": []}}).inner.tasks] == [CARTPOLE]

    def test_settings_of_an_environment_go_over_the_common_ones(self):
        common = {"num_envs": 8, "gamma": 0.9, "hidden_sizes": [16], "num_env_steps": 1e5}
        one, other = parsed(
            {"env": CARTPOLE, "ppo": {"gamma": 0.5, "hidden_sizes": [4, 4], "num_steps": 64.0}},
            {"env": ACROBOT, "env_settings": {"max_steps_in_episode": 20}, "reference": REFERENCE},
            ppo=common,
        ).inner.tasks
        assert one.ppo == PPOConfig(num_envs=8, gamma=0.5, hidden_sizes=(4, 4), num_steps=64, num_env_steps=100_000)
        assert other.ppo == PPOConfig(num_envs=8, gamma=0.9, hidden_sizes=(16,), num_env_steps=100_000)
        assert hash(one.ppo) != hash(other.ppo)  # static arguments of jit
        assert (one.env_settings, other.env_settings) == ({}, {"max_steps_in_episode": 20})
        assert one.reference is None
        assert vars(other.reference) == REFERENCE

    def test_settings_need_fit_together_with_the_common_ones_alone(self):
        (task,) = parsed({"env": CARTPOLE, "ppo": {"num_minibatches": 9, "num_envs": 6}}, ppo=NINE).inner.tasks
        assert task.ppo.minibatch_size == 2

    def test_the_common_settings_are_those_of_the_config(self):
        config = parsed({"env": CARTPOLE, "ppo": {"gamma": 0.5}})
        assert config.inner.tasks[0].ppo.gamma == 0.5
        assert config.inner.ppo.gamma == PPOConfig().gamma

    def test_an_environment_that_is_listed_again_is_numbered(self):
        tasks = parsed({"env": CARTPOLE}, {"env": ACROBOT}, {"env": CARTPOLE}, {"env": CARTPOLE}).inner.tasks
        assert [task.name for task in tasks] == [CARTPOLE, ACROBOT, f"{CARTPOLE}#2", f"{CARTPOLE}#3"]
        assert [task.env for task in tasks] == [CARTPOLE, ACROBOT, CARTPOLE, CARTPOLE]

    def test_infos_hold_names_and_scales(self):
        config = parsed({"env": CARTPOLE}, {"env": CARTPOLE, "reference": REFERENCE})
        infos = [TaskInfo(task.name, task.zero, task.one) for task in make_problem(config).tasks]
        assert infos == [TaskInfo(CARTPOLE, 0, 1), TaskInfo(f"{CARTPOLE}#2", -500, -80)]


class TestText:
    ENVS = (
        {"env": CARTPOLE, "ppo": {"learning_rate": 1e-5, "hidden_sizes": [8, 8], "value_hidden_sizes": []}},
        {"env": "mine.module:make", "env_settings": {"deep": {"list": [1, None, "no"]}}, "reference": REFERENCE},
        {"env": CARTPOLE, "ppo": {"max_grad_norm": None}},
    )

    @pytest.mark.parametrize("inner", [{}, {"fitness": "mean_evaluation", "fitness_part": [0.25, 1]}])
    def test_a_written_config_reads_back_equal(self, tmp_path, inner):
        config = parsed(*self.ENVS, **inner)
        path = tmp_path / "config.yaml"
        path.write_text(write_yaml(to_plain(config)), encoding="utf-8")
        again = parse_config(read_yaml(path))
        assert again == config
        assert again.inner.tasks == config.inner.tasks

    def test_environments_are_flat_keys_with_their_place(self):
        flat = flatten(to_plain(parsed(*self.ENVS)))
        assert flat["inner.envs.0.ppo.learning_rate"] == 1e-5
        assert flat["inner.envs.0.ppo.hidden_sizes"] == [8, 8]
        assert flat["inner.envs.1.reference.ppo"] == -80
        assert flat["inner.envs.2.env"] == CARTPOLE
        assert flatten(to_plain(parse_config({})))["inner.envs"] == []

    def test_lists_of_sections_are_told_from_lists_of_values(self):
        data = {"a": [], "b": [{}], "c": [{"x": 1}, {"y": [1, {}]}], "d": [1, {"x": 1}]}
        assert flatten(data) == {"a": [], "b.0": {}, "c.0.x": 1, "c.1.y": [1, {}], "d": [1, {"x": 1}]}

    def test_flat_keys_of_a_config_set_what_they_name(self):
        plain = to_plain(parsed(*self.ENVS))
        assert apply_overrides(plain, flatten(plain).items()) == plain


class TestOverrides:
    BASE = data_of({"env": CARTPOLE}, {"env": ACROBOT, "ppo": {"gamma": 0.5}})

    def configured(self, *words):
        return parse_config(apply_overrides(self.BASE, map(parse_override, words)))

    def test_a_place_in_the_list_is_a_part_of_a_key(self):
        tasks = self.configured(
            "inner.envs.1.ppo.learning_rate=3e-3", "inner.envs.0.env_settings.gravity=1"
        ).inner.tasks
        assert [task.ppo.learning_rate for task in tasks] == [PPOConfig().learning_rate, 3e-3]
        assert [task.ppo.gamma for task in tasks] == [PPOConfig().gamma, 0.5]
        assert [task.env_settings for task in tasks] == [{"gravity": 1}, {}]

    def test_a_common_setting_reaches_those_that_say_nothing_else(self):
        tasks = self.configured("inner.ppo.gamma=0.25").inner.tasks
        assert [task.ppo.gamma for task in tasks] == [0.25, 0.5]

    def test_an_environment_may_be_replaced_whole(self):
        assert self.configured(f"inner.envs.0={{env: {ACROBOT}}}").inner.envs[0].env == ACROBOT

    def test_the_list_may_be_replaced_whole(self):
        assert len(self.configured(f"inner.envs=[{{env: {ACROBOT}}}]").inner.tasks) == 1

    @pytest.mark.parametrize("place", ["2", "-1", "x", "²", "١", ""])
    @pytest.mark.parametrize("rest", ["", ".env"])
    def test_a_place_that_is_none_is_refused(self, place, rest):
        with pytest.raises(UserError, match=r"inner\.envs.*allowed") as caught:
            self.configured(f"inner.envs.{place}{rest}={ACROBOT}")
        assert "\n" not in str(caught.value)

    def test_a_list_is_not_made_where_there_is_none(self):
        with pytest.raises(UserError, match=r"inner\.envs"):
            parse_config(apply_overrides({}, [("inner.envs.0.env", ACROBOT)]))

    def test_nothing_that_is_given_is_changed(self):
        data = data_of({"env": CARTPOLE, "ppo": {"gamma": 0.5}})
        apply_overrides(data, [("inner.envs.0.ppo.gamma", 0.1), ("inner.envs.0.env", ACROBOT)])
        assert data == data_of({"env": CARTPOLE, "ppo": {"gamma": 0.5}})


class TestEvaluation:
    """How the meta-problem uses a config; training is replaced by a fake."""

    CONFIG = parsed(
        {"env": "probes:time_limit"},
        {"env": "probes:matching_action", "ppo": {"gamma": 0.5, "num_env_steps": 1024}},
        ppo={"num_env_steps": 512},
        fitness="final_return",
    )

    @pytest.fixture
    def evaluate(self, monkeypatch):
        """(return of an agent, whether it is finite) -> fitness and metrics."""

        def evaluate(returned, finite=lambda config: True):
            def fake_train(key, env, config, objective, *, hyperparameters):
                return TrainResult(
                    state=None,
                    curve=jnp.zeros(config.num_updates),
                    evaluation=jnp.full((1, 2), returned(key, env, config)),
                    finite=jnp.asarray(finite(config)),
                    diagnostics=None,
                )

            monkeypatch.setattr(objective_discovery, "train", fake_train)
            problem = make_problem(self.CONFIG)
            return problem.evaluate(jax.random.key(3), problem.init(jax.random.key(4)))

        return evaluate

    def test_each_task_has_its_environment_and_its_settings(self, evaluate):
        lengths = evaluate(lambda key, env, config: float(env.episode_length)).fitness
        np.testing.assert_array_equal(lengths, [time_limit().episode_length, matching_action().episode_length])
        np.testing.assert_allclose(evaluate(lambda key, env, config: config.gamma).fitness, [0.99, 0.5])

    def test_each_task_has_a_seed_of_its_own(self, evaluate):
        one, other = evaluate(lambda key, env, config: jax.random.uniform(key)).fitness
        assert one != other

    def test_steps_of_all_tasks_are_counted(self, evaluate):
        assert make_problem(self.CONFIG).env_steps == 512 + 1024

    def test_a_lifetime_that_failed_fails_its_task_alone(self, evaluate):
        fitness = evaluate(lambda key, env, config: 7.0, lambda config: config.gamma != 0.5).fitness
        np.testing.assert_array_equal(fitness, [7, np.nan])


class TestYaml:
    @pytest.mark.parametrize(
        "text", ["2020-01-01: 3", "{? [1, 2] : 3}", "{1: 2}", "a: !!set {b, c}", "a: !!binary aGk="]
    )
    def test_what_no_config_can_hold_is_refused(self, text):
        with pytest.raises(UserError, match="is not valid YAML"):
            parse_yaml(text)

    def test_a_date_is_text(self):
        assert parse_yaml("seed: 2020-01-01") == {"seed": "2020-01-01"}

    @pytest.mark.parametrize("place", ["9", "-1", "x", "1" * 5000])
    def test_a_place_beyond_a_list_is_refused(self, place):
        with pytest.raises(UserError, match="an index from 0 into a list of 2"):
            apply_overrides({"a": [1, 2]}, [(f"a.{place}", 3)])
