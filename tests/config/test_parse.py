import copy
import json
import math
import re

import pytest

from metadisco.config import (
    Config,
    PPOConfig,
    StrategyConfig,
    apply_overrides,
    build_settings,
    flatten,
    parse_config,
    parse_override,
    read_yaml,
    to_plain,
    write_yaml,
)
from metadisco.errors import UserError


def nested(dotted: str, value: object) -> dict:
    return apply_overrides({}, [(dotted, value)])


WRONG = [
    # unknown keys: the key in full, the nearest, and all keys
    ("seeed", 1, ["unknown key 'seeed'", "did you mean 'seed'", "outer"]),
    ("inner.ppo.num_env", 4, ["unknown key 'inner.ppo.num_env'", "did you mean 'num_envs'", "gae_lambda"]),
    ("outer.strategy.sdt", 0.1, ["unknown key 'outer.strategy.sdt'", "did you mean 'std'"]),
    ("parametrisation.hiden_sizes", [8], ["unknown key 'parametrisation.hiden_sizes'", "did you mean 'hidden_sizes'"]),
    ("outer.nonsense.deep", 1, ["unknown key 'outer.nonsense'"]),
    # wrong types
    ("seed", "three", ["seed", "'three'", "a whole number"]),
    ("seed", 1.5, ["seed", "1.5", "a whole number"]),
    ("seed", True, ["seed", "True", "a whole number"]),
    ("seed", None, ["seed", "None", "a whole number"]),
    ("inner.ppo.hidden_sizes", [10**6], ["inner.ppo.hidden_sizes.0", "1000000", "at most 65536"]),
    ("inner.envs", [{"env": "a:b", "ppo": {"num_env_steps": 2e9}}] * 2, ["num_env_steps", "over all environments"]),
    ("inner.envs", [{"env": "a:b", "reference": {"random": 1}}], ["inner.envs.0.reference.ppo: missing"]),
    ("inner.ppo.learning_rate", True, ["inner.ppo.learning_rate", "True", "a number"]),
    ("inner.ppo.learning_rate", "fast", ["inner.ppo.learning_rate", "'fast'", "a number"]),
    ("inner.ppo.learning_rate", [0.1], ["inner.ppo.learning_rate", "[0.1]", "a number"]),
    ("inner.ppo.anneal_learning_rate", 1, ["inner.ppo.anneal_learning_rate", "1", "true or false"]),
    ("inner.ppo.anneal_learning_rate", "no", ["inner.ppo.anneal_learning_rate", "'no'", "true or false"]),
    ("inner.ppo.hidden_sizes", 64, ["inner.ppo.hidden_sizes", "64", "a list"]),
    ("inner.ppo.hidden_sizes", [64, "x"], ["inner.ppo.hidden_sizes.1", "'x'", "a whole number"]),
    ("inner.env", 3, ["inner.env", "3", "text"]),
    ("inner", 3, ["inner", "3", "a section"]),
    ("outer", [1], ["outer", "[1]", "a section"]),
    ("inner.env_settings", 3, ["inner.env_settings", "3", "a section"]),
    # impossible values
    ("seed", -1, ["seed", "-1", "at least 0"]),
    ("inner.ppo.num_envs", 0, ["inner.ppo.num_envs", "0", "above 0"]),
    ("inner.ppo.gamma", 1.5, ["inner.ppo.gamma", "1.5", "at most 1"]),
    ("inner.ppo.gamma", math.nan, ["inner.ppo.gamma", "nan", "a finite number"]),
    ("inner.ppo.learning_rate", math.inf, ["inner.ppo.learning_rate", "inf", "a finite number"]),
    ("inner.ppo.activation", "tahn", ["inner.ppo.activation", "'tahn'", "'relu'", "did you mean 'tanh'"]),
    ("inner.ppo.initialisation", "lecun", ["inner.ppo.initialisation", "'lecun'", "'lecun_uniform'"]),
    ("inner.ppo.value_hidden_sizes", 64, ["inner.ppo.value_hidden_sizes", "64", "a list"]),
    ("inner.ppo.max_grad_norm", 0, ["inner.ppo.max_grad_norm", "0", "above 0"]),
    ("inner.ppo.max_grad_norm", "none", ["inner.ppo.max_grad_norm", "'none'", "a number"]),
    ("inner.ppo.num_minibatches", 7, ["inner.ppo.num_minibatches", "got 7", "512", "8"]),
    ("inner.ppo.num_minibatches", 512, ["inner.ppo.normalise_advantages", "'minibatch'", "one sample", "'none'"]),
    ("inner.ppo.num_env_steps", 100, ["inner.ppo.num_env_steps", "got 100", "512"]),
    ("outer.strategy.population_size", 7, ["outer.strategy.population_size", "got 7", "even"]),
    ("outer.strategy.name", "Open_SE", ["outer.strategy.name", "'Open_SE'", "did you mean 'Open_ES'"]),
    ("outer.strategy.name", "xNES", ["outer.strategy.name", "xNES is not offered", "SNES"]),
    ("outer.aggregate", "median", ["outer.aggregate", "'median'", "'mean_rank'"]),
    ("parametrisation.name", "valueloss", ["parametrisation.name", "'valueloss'", "did you mean 'value_loss'"]),
    ("parametrisation.name", 3, ["parametrisation.name", "3", "value_loss"]),
    ("parametrisation.inputs", ["target"], ["parametrisation.inputs", "['target']", "'error'"]),
    ("parametrisation.start", "zero", ["parametrisation.start", "'zero'", "did you mean 'zeros'"]),
]


@pytest.mark.parametrize(("dotted", "value", "told"), WRONG, ids=[f"{key}={value}" for key, value, _ in WRONG])
def test_wrong_input_is_answered_in_one_line_with_key_value_and_what_is_allowed(dotted, value, told):
    data = nested(dotted, value)
    if dotted.startswith("parametrisation.") and dotted != "parametrisation.name":
        data["parametrisation"]["name"] = "value_loss"
    with pytest.raises(UserError) as caught:
        parse_config(data)
    message = str(caught.value)
    assert "\n" not in message
    for part in told:
        assert part in message


def test_a_parametrisation_section_without_a_name_means_the_default_one():
    config = parse_config(nested("parametrisation.hidden_sizes", [8]))
    assert config.parametrisation["name"] == "value_loss"
    assert config.parametrisation["hidden_sizes"] == [8]


@pytest.mark.parametrize("text", ["5e5", "500_000", "500000", "5.0e+5"])
def test_whole_numbers_may_be_written_in_any_way(text):
    config = parse_config(nested(*parse_override(f"inner.ppo.num_env_steps={text}")))
    assert config.inner.ppo.num_env_steps == 500_000
    assert type(config.inner.ppo.num_env_steps) is int


def test_a_whole_number_is_a_number():
    assert parse_config(nested("inner.ppo.reward_scale", 2)).inner.ppo.reward_scale == 2.0


def test_settings_of_a_parametrisation_are_filled_in():
    section = parse_config({}).parametrisation
    assert section["name"] == "value_loss"
    assert section["clip_eps"] == 0.2
    assert parse_config({"parametrisation": section}).parametrisation == section


def test_settings_of_a_parametrisation_of_ones_own_are_left_as_they_are():
    section = {"name": "mine:Mine", "anything": [1, {"deep": True}]}
    assert parse_config({"parametrisation": section}).parametrisation == section


def test_defaults_of_a_strategy_are_filled_in_where_it_has_the_knob():
    strategy = parse_config({}).outer.strategy
    assert None not in (strategy.std, strategy.std_decay, strategy.learning_rate, strategy.fitness_shaping)
    snes = parse_config(nested("outer.strategy.name", "SNES")).outer.strategy
    assert snes.std is not None
    assert (snes.std_decay, snes.learning_rate, snes.fitness_shaping, snes.antithetic) == (None, None, None, None)


def test_limits_of_schedules_are_never_above_their_start():
    strategy = build_settings(StrategyConfig, {"std": 0.001, "learning_rate": 1e-4})
    assert strategy.std_limit == 0.001
    assert strategy.learning_rate_limit == 1e-4


class TestYaml:
    def write(self, tmp_path, text):
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def test_is_version_1_2(self, tmp_path):
        """In YAML 1.1 `no` is false, 010 is eight and 5e5 is text."""
        data = read_yaml(self.write(tmp_path, "a: no\nb: on\nc: 5e5\nd: 010\ne: 500_000\n"))
        assert data == {"a": "no", "b": "on", "c": 500_000.0, "d": 10, "e": 500_000}

    def test_an_empty_file_is_an_empty_mapping(self, tmp_path):
        assert read_yaml(self.write(tmp_path, "# nothing\n")) == {}

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("inner: [1, 2", "not valid YAML"),
            ("a: 1\na: 2\n", "not valid YAML"),
            ("a:\tb: c\n", "not valid YAML"),
            ("!!python/object:os.system {}", "not valid YAML"),
            ("- 1\n- 2\n", "a mapping"),
            ("just text", "a mapping"),
        ],
    )
    def test_what_is_no_mapping_is_refused_in_one_line_naming_the_file(self, tmp_path, text, told):
        with pytest.raises(UserError) as caught:
            read_yaml(self.write(tmp_path, text))
        assert told in str(caught.value)
        assert "config.yaml" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_files_that_cannot_be_read_are_refused(self, tmp_path):
        with pytest.raises(UserError, match=r"nowhere\.yaml.*No such file"):
            read_yaml(tmp_path / "nowhere.yaml")
        with pytest.raises(UserError, match="directory"):
            read_yaml(tmp_path)
        (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(UserError, match="not UTF-8"):
            read_yaml(tmp_path / "binary.yaml")

    @pytest.mark.parametrize("text", ["when: 2020-01-01", "seed: !!binary aGVsbG8="])
    def test_values_that_no_setting_takes_are_refused(self, tmp_path, text):
        with pytest.raises(UserError):
            parse_config(read_yaml(self.write(tmp_path, text)))


class TestOverrides:
    @pytest.mark.parametrize(
        ("word", "expected"),
        [
            ("seed=3", ("seed", 3)),
            ("a.b=5e5", ("a.b", 500_000.0)),
            ("a=[1, 2]", ("a", [1, 2])),
            ("a={b: c}", ("a", {"b": "c"})),
            ("a=no", ("a", "no")),
            ("a=null", ("a", None)),
            ("a=", ("a", None)),
            ("a=b=c", ("a", "b=c")),
            ("inner.env=gymnax/CartPole-v1", ("inner.env", "gymnax/CartPole-v1")),
            ("inner.env=my_package.my_module:make", ("inner.env", "my_package.my_module:make")),
        ],
    )
    def test_values_are_read_as_yaml(self, word, expected):
        assert parse_override(word) == expected

    @pytest.mark.parametrize("word", ["seed", "=3", "seed:3", "a=[1", "a={b"])
    def test_words_that_are_no_override_are_refused_in_one_line(self, word):
        with pytest.raises(UserError) as caught:
            parse_override(word)
        assert "\n" not in str(caught.value)

    def test_nothing_that_is_given_is_changed(self):
        data = {"inner": {"ppo": {"num_envs": 4}}, "list": [1, 2]}
        overrides = [("inner.ppo.num_envs", 8), ("outer.num_generations", 3), ("list", [3])]
        before = copy.deepcopy((data, overrides))
        result = apply_overrides(data, overrides)
        assert (data, overrides) == before
        assert result == {"inner": {"ppo": {"num_envs": 8}}, "outer": {"num_generations": 3}, "list": [3]}

    def test_a_section_given_as_a_value_is_not_changed_by_a_later_override(self):
        section = {"num_envs": 4}
        result = apply_overrides({}, [("inner.ppo", section), ("inner.ppo.num_steps", 8)])
        assert section == {"num_envs": 4}
        assert result == {"inner": {"ppo": {"num_envs": 4, "num_steps": 8}}}

    def test_the_last_word_counts(self):
        assert apply_overrides({}, [("a", 1), ("a", 2)]) == {"a": 2}

    def test_a_value_is_no_section(self):
        with pytest.raises(UserError, match=r"seed\.deep: seed is a value, not a section"):
            apply_overrides({"seed": 3}, [("seed.deep", 1)])


class TestRoundTrip:
    CONFIGS = (
        {},
        nested("outer.strategy.name", "CMA_ES"),
        nested("inner.env_settings", {"max_steps_in_episode": 20}),
        nested("inner.fitness_part", [0.25, 1]),
        {"inner": {"ppo": {"max_grad_norm": None, "value_hidden_sizes": [], "initialisation": "lecun_uniform"}}},
        {"parametrisation": {"name": "mine:Mine", "text": "no", "number": 1e-7, "nothing": None}},
        {"inner": {"ppo": {"learning_rate": 1e-5, "hidden_sizes": []}}, "outer": {"strategy": {"std": 1 / 3}}},
    )

    @pytest.mark.parametrize("data", CONFIGS)
    def test_a_written_config_reads_back_equal(self, tmp_path, data):
        config = parse_config(data)
        path = tmp_path / "config.yaml"
        path.write_text(write_yaml(to_plain(config)), encoding="utf-8")
        assert parse_config(read_yaml(path)) == config

    def test_plain_data_is_what_json_and_yaml_hold(self):
        plain = to_plain(parse_config({}))
        assert json.loads(json.dumps(plain)) == plain

    def test_dotted_keys_are_those_of_the_command_line(self):
        plain = to_plain(parse_config(nested("inner.env_settings", {"max_steps_in_episode": 20})))
        assert apply_overrides({}, flatten(plain).items()) == plain

    def test_parsing_changes_nothing_that_is_given(self):
        data = {"parametrisation": {"name": "value_loss"}, "inner": {"ppo": {"num_envs": 8}}}
        before = copy.deepcopy(data)
        parse_config(data)
        assert data == before


class TestPPOConfig:
    def test_is_hashable_and_equal_by_value(self):
        assert hash(PPOConfig(num_envs=8)) == hash(PPOConfig(num_envs=8))
        assert PPOConfig(num_envs=8) == PPOConfig(num_envs=8)
        assert PPOConfig(num_envs=8) != PPOConfig()

    def test_is_hashable_when_it_was_parsed(self):
        config = parse_config(nested("inner.ppo.hidden_sizes", [8, 8])).inner.ppo
        assert config == PPOConfig(hidden_sizes=(8, 8))
        assert hash(config) == hash(PPOConfig(hidden_sizes=(8, 8)))

    @pytest.mark.parametrize("config", [PPOConfig(), Config(), StrategyConfig()])
    def test_settings_cannot_be_changed(self, config):
        with pytest.raises(AttributeError):
            config.seed = 3

    def test_whole_updates_are_counted(self):
        config = PPOConfig(num_envs=4, num_steps=8, num_env_steps=100, num_minibatches=2)
        assert (config.batch_size, config.minibatch_size, config.num_updates, config.executed_env_steps) == (
            32, 16, 3, 96,
        )  # fmt: skip

    def test_advantages_of_one_sample_cannot_be_standardised(self):
        """They would all be 0, and no policy would ever move."""
        one = {"num_envs": 1, "num_steps": 1, "num_minibatches": 1, "num_env_steps": 4}
        for over, sizes in (("batch", one), ("minibatch", one), ("minibatch", {"num_minibatches": 512})):
            with pytest.raises(ValueError, match=f"normalise_advantages: got '{over}'.*allowed: 'none'"):
                PPOConfig(normalise_advantages=over, **sizes)
        assert PPOConfig(normalise_advantages="none", **one).batch_size == 1
        assert PPOConfig(normalise_advantages="batch", num_minibatches=512).minibatch_size == 1

    def test_a_number_of_minibatches_that_is_suggested_is_allowed(self):
        with pytest.raises(ValueError, match="such as") as refused:
            PPOConfig(num_minibatches=500)
        for word in re.search(r"such as (\d+) or (\d+)", str(refused.value)).groups():
            assert PPOConfig(num_minibatches=int(word)).num_minibatches == int(word)

    def test_impossible_values_are_value_errors_for_callers_from_python(self):
        with pytest.raises(ValueError, match="num_minibatches"):
            PPOConfig(num_minibatches=7)
