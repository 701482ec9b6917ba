"""Ranges from which settings are drawn: valid ones, and refusals."""

from typing import ClassVar

import pytest

from metadisco.config import PPOConfig, check_references, describe_tasks, parse_config
from metadisco.config.grid import config_at, one_environment
from metadisco.config.ranges import LIMITS, Range
from metadisco.errors import UserError
from metadisco.inner.optimise import Hyperparameters

CARTPOLE, ACROBOT = "gymnax/CartPole-v1", "gymnax/Acrobot-v1"
BOTH = {"learning_rate": {"log": [1e-4, 1e-2]}, "gamma": {"linear": [0.9, 1]}}
RANGES = (Range("learning_rate", 1e-4, 1e-2, True), Range("gamma", 0.9, 1.0, False))


def tasks_of(inner):
    return parse_config({"inner": inner, "outer": {"aggregate": "mean_rank"}}).tasks


def test_all_traced_settings_can_be_drawn_within_their_own_limits():
    assert set(LIMITS) == set(Hyperparameters._fields)
    for name, limits in LIMITS.items():
        for bound in limits:
            if (name, bound) != ("max_grad_norm", 0.0):
                assert getattr(PPOConfig(**{name: bound}), name) == bound
        if limits[1] == 1:
            with pytest.raises(ValueError, match=name):
                PPOConfig(**{name: 1.01})


def test_nothing_is_drawn_unless_it_is_asked_for():
    assert tasks_of({})[0].randomise == ()


def test_the_order_of_keys_does_not_matter():
    for given in (BOTH, dict(reversed(BOTH.items()))):
        assert tasks_of({"randomise": given})[0].randomise == RANGES


def test_an_environment_may_have_its_own_and_leave_some_out():
    own = {"learning_rate": None, "gamma": {"linear": [0.5, 0.6]}, "entropy_coef": {"linear": [-0.1, 0.1]}}
    envs = [{"env": CARTPOLE}, {"env": CARTPOLE, "randomise": own}]
    first, second = tasks_of({"randomise": BOTH, "envs": envs})
    assert first.randomise == RANGES
    assert second.randomise == (Range("gamma", 0.5, 0.6, False), Range("entropy_coef", -0.1, 0.1, False))


@pytest.mark.parametrize(
    ("randomise", "told"),
    [
        ({"num_envs": {"linear": [1, 4]}}, ["inner.randomise.num_envs", "learning_rate, gamma, gae_lambda"]),
        ({"learning_rte": {"linear": [1, 4]}}, ["did you mean 'learning_rate'"]),
        ({"learning_rate": [1e-4, 1e-2]}, ["inner.randomise.learning_rate", "{log: [LOW, HIGH]}"]),
        ({"learning_rate": {"log": [1e-4, 1e-2], "linear": [0, 1]}}, ["inner.randomise.learning_rate", "allowed"]),
        ({"learning_rate": {"uniform": [1e-4, 1e-2]}}, ["inner.randomise.learning_rate", "uniform", "allowed"]),
        ({"learning_rate": {"log": [1e-4]}}, ["inner.randomise.learning_rate.log", "two numbers"]),
        ({"learning_rate": {"log": ["1e-4", True]}}, ["inner.randomise.learning_rate.log", "two numbers"]),
        ({"learning_rate": {"log": [1e-2, 1e-4]}}, ["[0.01, 0.0001]", "increasing"]),
        ({"gamma": {"linear": [0.9, 0.9]}}, ["inner.randomise.gamma.linear", "increasing"]),
        ({"entropy_coef": {"log": [0, 0.1]}}, ["inner.randomise.entropy_coef.log", "above 0"]),
        ({"gamma": {"linear": [0.9, 1.1]}}, ["inner.randomise.gamma.linear", "from 0 to 1"]),
        ({"value_coef": {"linear": [-1, 1]}}, ["inner.randomise.value_coef.linear", "from 0"]),
        ({"max_grad_norm": {"linear": [0, 1]}}, ["inner.randomise.max_grad_norm.linear", "above 0"]),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_range_that_is_none_is_refused_in_one_sentence(randomise, told, nested):
    inner = {"envs": [{"env": CARTPOLE, "randomise": randomise}]} if nested else {"randomise": randomise}
    with pytest.raises(UserError) as caught:
        parse_config({"inner": inner})
    message = str(caught.value)
    assert "\n" not in message
    for part in told:
        assert part.replace("inner.", "inner.envs.0." if nested else "inner.", 1) in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_ends_that_are_not_finite_are_refused(value):
    with pytest.raises(UserError, match=r"inner\.randomise\.learning_rate"):
        parse_config({"inner": {"randomise": {"learning_rate": {"linear": [0, value]}}}})


class TestOutsideOfASearch:
    SEARCH: ClassVar = {"inner": {"randomise": BOTH, "envs": [{"env": CARTPOLE, "randomise": BOTH}, {"env": ACROBOT}]}}
    ONE: ClassVar = {"inner": {"env": ACROBOT, "randomise": BOTH}}

    @pytest.mark.parametrize(("base", "env"), [(SEARCH, CARTPOLE), (SEARCH, ACROBOT), (ONE, None), (ONE, CARTPOLE)])
    def test_nothing_is_drawn(self, base, env):
        (task,) = config_at(one_environment(base, env), {}).tasks
        assert task.randomise == ()
        assert task.ppo == PPOConfig()

    def test_asking_for_it_is_refused(self):
        with pytest.raises(UserError, match=r"inner\.randomise\.gamma\.linear: .* allowed: in a search only"):
            config_at(one_environment(self.ONE, None), {"inner.randomise.gamma.linear": [0.9, 1]})


def test_ranges_are_described_with_the_settings():
    (_, words), _ = describe_tasks(tasks_of(TestOutsideOfASearch.SEARCH["inner"])).each
    assert not any("drawn" in each for each in words)  # both environments have them
    common = describe_tasks(tasks_of(TestOutsideOfASearch.SEARCH["inner"])).common
    assert "learning_rate drawn from 0.0001 to 0.01, log-uniformly" in common


class TestBaseline:
    REFERENCE: ClassVar = {"random": 0.0, "ppo": 1.0}

    @pytest.mark.parametrize(
        ("data", "told"),
        [
            ({"outer": {"baseline": "ppo", "evaluate_every": 0}}, "outer.baseline: got 'ppo' with evaluate_every 0"),
            ({"problem": {"name": "cheap_talk"}, "outer": {"baseline": "ppo"}}, "null with the problem cheap_talk"),
            ({"problem": {"name": "my:P"}, "outer": {"baseline": "ppo"}}, "null with the problem my:P"),
            ({"outer": {"aggregate": "capped_mean"}}, "outer.baseline: got null"),
        ],
    )
    def test_one_that_cannot_be_trained_is_refused(self, data, told):
        with pytest.raises(UserError) as caught:
            parse_config(data)
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_the_scale_of_capped_mean_begins_at_a_reference_even_on_one_environment(self):
        outer = {"aggregate": "capped_mean", "baseline": "ppo"}
        for inner in ({}, {"envs": [{"env": CARTPOLE}]}):
            with pytest.raises(UserError, match=r"inner\.envs.*: missing for gymnax/CartPole-v1"):
                check_references(parse_config({"inner": inner, "outer": outer}))
        envs = [{"env": CARTPOLE, "reference": self.REFERENCE}]
        check_references(parse_config({"inner": {"envs": envs}, "outer": outer}))

    def test_ranks_per_draw_need_no_references(self):
        envs = [{"env": CARTPOLE}, {"env": ACROBOT}]
        check_references(parse_config({"inner": {"envs": envs}, "outer": {"aggregate": "mean_rank_per_draw"}}))
