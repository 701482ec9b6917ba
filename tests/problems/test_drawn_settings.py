"""Settings that the problems with PPO inside draw for each training, and their baseline."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import matching_action

from metadisco.config import PPOConfig, Range
from metadisco.errors import UserError
from metadisco.inner.draws import draw, drawn_hyperparameters
from metadisco.inner.optimise import Hyperparameters
from metadisco.inner.train import TrainResult
from metadisco.objectives import ppo
from metadisco.parametrisations import DriftBasis
from metadisco.parametrisations.message import LearnedMessage
from metadisco.problems import ObjectiveDiscovery, Task, cheap_talk, objective_discovery
from metadisco.types import Objective

RATE = Range("learning_rate", 1e-4, 1e-2, True)
GAMMA = Range("gamma", 0.9, 1.0, False)
CONFIG = PPOConfig(
    num_envs=2, num_steps=8, num_env_steps=32, num_minibatches=1, num_epochs=1, hidden_sizes=(4,), entropy_coef=0.5
)
"""The entropy coefficient is not drawn."""


class TestDraws:
    KEYS = jax.random.split(jax.random.key(3), 4000)

    def test_are_uniform_in_their_range_or_their_logarithm_is(self):
        drawn = jax.vmap(lambda key: draw(key, (RATE, GAMMA)))(self.KEYS)
        for values, each in ((np.log(drawn["learning_rate"]), np.log([1e-4, 1e-2])), (drawn["gamma"], [0.9, 1.0])):
            share = (np.asarray(values) - each[0]) / (each[1] - each[0])
            assert share.min() >= -1e-5 and share.max() <= 1 + 1e-5
            counts, _ = np.histogram(share, 8, (0, 1))
            assert np.abs(counts - 500).max() < 100  # over four standard deviations
        assert abs(np.corrcoef(np.log(drawn["learning_rate"]), drawn["gamma"])[0, 1]) < 0.06

    def test_never_leave_the_range_by_rounding(self):
        narrow = Range("gamma", 1 - 1e-7, 1.0, False)
        assert jnp.max(jax.vmap(lambda key: draw(key, (narrow,))["gamma"])(self.KEYS)) <= 1

    def test_share_no_number_with_the_training(self):
        """A training splits its key, which gives the same as folding in small numbers."""
        key = self.KEYS[0]
        beside = jax.random.fold_in(key, 0x64726177)
        for number in (2, 3, 8):
            for own in jax.random.split(key, number):
                assert (jax.random.key_data(own) != jax.random.key_data(beside)).any()

    def test_settings_without_a_range_are_those_of_the_config(self):
        drawn = drawn_hyperparameters(self.KEYS[0], CONFIG, (RATE,))
        assert drawn._replace(learning_rate=0) == Hyperparameters.from_config(CONFIG)._replace(learning_rate=0)
        assert drawn_hyperparameters(self.KEYS[0], CONFIG, ()) == Hyperparameters.from_config(CONFIG)


def result_of(score):
    """Return what a training might return."""
    return TrainResult(
        state=None, curve=jnp.zeros(4), evaluation=jnp.full((1, 1), score), finite=jnp.ones((), bool), diagnostics=None
    )


@pytest.fixture
def trained(monkeypatch):
    """Replace trainings by their learning rates; return the objectives that were trained."""
    objectives = []

    def train(key, env, config, objective, *, hyperparameters):
        objectives.append(objective)
        return result_of(hyperparameters.learning_rate)

    monkeypatch.setattr(objective_discovery, "train", train)
    return objectives


def problem_of(num_tasks=2, **settings):
    ranges = ((RATE,), (RATE, GAMMA))
    tasks = tuple(Task(matching_action(), CONFIG, name, randomise=own) for name, own in zip("ab", ranges, strict=True))
    return ObjectiveDiscovery(DriftBasis(), tasks[:num_tasks], lambda result: result.evaluation[0, 0], **settings)


class TestObjectiveDiscovery:
    def test_each_task_trains_under_what_is_reported_whatever_the_member(self, trained, getkey):
        problem, key = problem_of(), getkey()
        drawn = problem.draws(key)
        assert set(drawn) == {"learning_rate/a", "learning_rate/b", "gamma/b"}
        start = problem.init(getkey())
        for member in (start, jax.tree.map(lambda leaf: leaf + 1, start)):
            fitness = problem.evaluate(key, member).fitness
            np.testing.assert_array_equal(fitness, [drawn["learning_rate/a"], drawn["learning_rate/b"]])
        assert drawn["learning_rate/a"] != drawn["learning_rate/b"]
        assert problem.draws(getkey())["learning_rate/a"] != drawn["learning_rate/a"]

    def test_a_single_task_is_not_named(self, getkey):
        assert set(problem_of(1).draws(getkey())) == {"learning_rate"}

    def test_the_baseline_trains_its_objective_under_the_same_draws(self, trained, getkey):
        key, objective = getkey(), ppo()
        problem = problem_of(compared_with=objective)
        np.testing.assert_array_equal(problem.baseline(key), problem.evaluate(key, problem.init(getkey())).fitness)
        assert [each is objective for each in trained] == [True, True, False, False]
        assert problem_of().baseline is None

    def test_a_baseline_that_does_not_exist_is_refused_with_the_nearest_name(self):
        assert objective_discovery._named_objective(None) is None
        assert isinstance(objective_discovery._named_objective("dpo"), Objective)
        with pytest.raises(UserError, match=r"outer\.baseline: no objective .*did you mean 'total_variation'"):
            objective_discovery._named_objective("total_variaton")


def test_learners_of_cheap_talk_draw_likewise(monkeypatch, getkey):
    def train(key, env, config, objective, *, hyperparameters):
        return result_of(hyperparameters.learning_rate)

    monkeypatch.setattr(cheap_talk, "train", train)
    message = LearnedMessage(num_channels=2, obs_size=1)
    tasks = (Task(matching_action(), CONFIG, "a", randomise=(RATE,)),)
    problem = cheap_talk.CheapTalk(message, tasks, lambda result: result.evaluation[0, 0], ppo(), aim="help")
    key = getkey()
    (fitness,) = problem.evaluate(key, problem.init(getkey())).fitness
    assert problem.draws(key) == {"learning_rate": fitness}
