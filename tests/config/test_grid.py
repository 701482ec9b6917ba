import copy

import pytest

from metadisco.config.grid import config_at, expand, split_objective
from metadisco.errors import UserError


def settings_of(*overrides):
    return [point.settings for point in expand(overrides)]


def test_words_without_a_choice_are_one_point():
    (point,) = expand([("seed", 3), ("inner.ppo.gamma", 0.9)])
    assert point == ({}, {"seed": 3, "inner.ppo.gamma": 0.9})
    assert expand([]) == [({}, {})]


def test_a_list_for_a_single_value_is_a_choice():
    points = expand([("seed", 3), ("inner.ppo.gamma", [0.9, 0.99])])
    assert [point.settings for point in points] == [{"inner.ppo.gamma": 0.9}, {"inner.ppo.gamma": 0.99}]
    assert [point.overrides["inner.ppo.gamma"] for point in points] == [0.9, 0.99]
    assert all(point.overrides["seed"] == 3 for point in points)


def test_a_list_with_one_value_is_a_choice_of_one():
    assert settings_of(("inner.ppo.gamma", [0.9])) == [{"inner.ppo.gamma": 0.9}]


def test_a_list_where_a_list_is_meant_is_a_value():
    (point,) = expand([("inner.ppo.hidden_sizes", [64, 64])])
    assert point == ({}, {"inner.ppo.hidden_sizes": [64, 64]})
    (point,) = expand([("inner.ppo.hidden_sizes", [])])
    assert point == ({}, {"inner.ppo.hidden_sizes": []})


def test_a_list_where_a_list_is_meant_and_null_the_default_is_a_value():
    (point,) = expand([("inner.ppo.value_hidden_sizes", [8, 8])])
    assert point == ({}, {"inner.ppo.value_hidden_sizes": [8, 8]})
    assert settings_of(("inner.ppo.max_grad_norm", [0.5, None])) == [
        {"inner.ppo.max_grad_norm": 0.5},
        {"inner.ppo.max_grad_norm": None},
    ]


@pytest.mark.parametrize("key", ["inner.ppo.hidden_sizes", "parametrisation.hidden_sizes"])
def test_a_list_of_lists_where_a_list_is_meant_is_a_choice(key):
    assert settings_of((key, [[8], [64, 64]])) == [{key: [8]}, {key: [64, 64]}]


def test_a_list_for_a_setting_of_the_default_parametrisation_is_a_value():
    (point,) = expand([("parametrisation.hidden_sizes", [8])])
    assert point.settings == {}


def test_choices_span_their_product_with_the_last_running_fastest():
    settings = settings_of(("inner.ppo.gamma", [0.9, 0.99]), ("objective.clip_eps", [0.1, 0.2, 0.3]))
    assert [tuple(setting.values()) for setting in settings] == [
        (0.9, 0.1), (0.9, 0.2), (0.9, 0.3), (0.99, 0.1), (0.99, 0.2), (0.99, 0.3),
    ]  # fmt: skip


def test_the_last_word_for_a_key_counts():
    assert settings_of(("seed", [1, 2]), ("seed", 3)) == [{}]


def test_an_empty_choice_is_refused_by_name():
    with pytest.raises(UserError, match=r"inner\.ppo\.gamma: got an empty list"):
        expand([("inner.ppo.gamma", [])])


def test_settings_of_the_objective_are_kept_apart():
    objective, rest = split_objective({"objective.clip_eps": 0.1, "seed": 3})
    assert (objective, rest) == ({"clip_eps": 0.1}, {"seed": 3})


def test_points_are_refused_as_settings_are():
    """Some settings fit each other at one point only."""
    fits, does_not = expand(
        [("inner.ppo.num_minibatches", 512), ("inner.ppo.normalise_advantages", ["none", "minibatch"])]
    )
    assert config_at({}, fits.overrides).inner.ppo.minibatch_size == 1
    with pytest.raises(UserError, match=r"inner\.ppo\.normalise_advantages: got 'minibatch'"):
        config_at({}, does_not.overrides)


def test_a_point_has_a_config_of_its_own_and_the_base_is_left_alone():
    base = {"inner": {"ppo": {"num_envs": 8}}}
    before = copy.deepcopy(base)
    configs = [config_at(base, point.overrides) for point in expand([("inner.ppo.gamma", [0.9, 0.99])])]
    assert [config.inner.ppo.gamma for config in configs] == [0.9, 0.99]
    assert all(config.inner.ppo.num_envs == 8 for config in configs)
    assert base == before
