"""PPO on environments whose values and optimal policies are known in closed form."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from compiling import QUICK
from probes import (
    TARGET_ACTION,
    constant_reward,
    delayed_reward,
    matching_action,
    observed_reward,
    one_of,
    rewarded_action,
    target_action,
    time_limit,
)

from metadisco.config import PPOConfig
from metadisco.inner.networks import make_agent
from metadisco.inner.train import train
from metadisco.objectives import closed as objectives

GAMMA = 0.8
SEEDS = 3
OBSERVATIONS = (-1.0, 0.0, 1.0)
PROBES = (constant_reward, observed_reward, delayed_reward, rewarded_action, matching_action, time_limit)
CONFIG = PPOConfig(
    num_envs=4,
    num_steps=16,
    num_env_steps=64 * 120,
    num_epochs=4,
    num_minibatches=2,
    learning_rate=1e-2,
    gamma=GAMMA,
    entropy_coef=0.0,
    hidden_sizes=(8,),
)


class Learned(NamedTuple):
    """Values and action probabilities of agents, one per seed, at each observation."""

    value: dict[float, np.ndarray]
    policy: dict[float, np.ndarray]
    evaluation: np.ndarray


def learn(env, key, config):
    result = train(key, env, config, objectives.ppo())
    policy, value = make_agent(env, config).apply(result.state.params, jnp.array(OBSERVATIONS)[:, None])
    return value, policy, result.evaluation[-1], result.finite


def learned(value, policy, evaluation, finite):
    assert finite.all()
    value, policy = (dict(zip(OBSERVATIONS, np.moveaxis(np.asarray(x), 1, 0), strict=True)) for x in (value, policy))
    return Learned(value, policy, np.asarray(evaluation))


@pytest.fixture(scope="module")
def solutions():
    """All discrete probes and all seeds in one program."""
    envs = [probe() for probe in PROBES]
    over_seeds = jax.vmap(lambda index, key: learn(one_of(index, envs), key, CONFIG), (None, 0))
    compiled = jax.jit(jax.vmap(over_seeds, (0, None)), compiler_options=QUICK)
    results = compiled(jnp.arange(len(envs)), jax.random.split(jax.random.key(0), SEEDS))
    return {probe: learned(*(x[i] for x in results)) for i, probe in enumerate(PROBES)}


def train_alone(env, **settings):
    config = CONFIG.__class__(**{**vars(CONFIG), **settings})
    compiled = jax.jit(jax.vmap(partial(learn, env, config=config)), compiler_options=QUICK)
    return learned(*compiled(jax.random.split(jax.random.key(1), SEEDS)))


def test_a_constant_reward_is_learned(solutions):
    np.testing.assert_allclose(solutions[constant_reward].value[1.0], 1, atol=0.02)


def test_a_reward_that_depends_on_the_observation_is_learned(solutions):
    value = solutions[observed_reward].value
    np.testing.assert_allclose(value[1.0], 1, atol=0.02)
    np.testing.assert_allclose(value[-1.0], -1, atol=0.02)


def test_a_delayed_reward_is_discounted(solutions):
    value = solutions[delayed_reward].value
    np.testing.assert_allclose(value[1.0], 1, atol=0.02)
    np.testing.assert_allclose(value[0.0], GAMMA, atol=0.02)


def test_the_rewarded_action_is_chosen(solutions):
    solution = solutions[rewarded_action]
    assert (scipy.special.softmax(solution.policy[1.0], -1)[:, 1] > 0.98).all()
    np.testing.assert_allclose(solution.value[1.0], 1, atol=0.05)


def test_the_action_that_matches_the_observation_is_chosen(solutions):
    solution = solutions[matching_action]
    assert (scipy.special.softmax(solution.policy[1.0], -1)[:, 1] > 0.98).all()
    assert (scipy.special.softmax(solution.policy[-1.0], -1)[:, 0] > 0.98).all()
    for obs in (-1.0, 1.0):
        np.testing.assert_allclose(solution.value[obs], 1, atol=0.05)
    assert solution.evaluation.mean() > 0.9


def test_values_reach_beyond_a_time_limit(solutions):
    value = solutions[time_limit].value
    np.testing.assert_allclose(value[1.0], 1 / (1 - GAMMA), rtol=0.02)
    np.testing.assert_allclose(value[-1.0], GAMMA / (1 - GAMMA), rtol=0.02)


def test_values_end_at_a_time_limit_where_truncation_is_taken_for_termination():
    value = train_alone(time_limit(), bootstrap_on_truncation=False).value
    np.testing.assert_allclose(value[1.0], 1, atol=0.02)
    np.testing.assert_allclose(value[-1.0], GAMMA, atol=0.02)


@pytest.mark.slow
def test_a_gaussian_policy_finds_the_best_action():
    policy = train_alone(target_action(), policy="gaussian").policy[1.0]
    mean, log_std = policy.T
    np.testing.assert_allclose(mean, TARGET_ACTION, atol=0.1)
    assert (log_std < -0.5).all()  # it started at 0, and noise costs reward


@pytest.mark.slow
def test_a_squashed_gaussian_policy_finds_the_best_action():
    env = target_action()
    solution = train_alone(env, policy="tanh_gaussian", deterministic_evaluation=True)
    distribution = make_agent(env, PPOConfig(policy="tanh_gaussian")).distribution
    actions = distribution.to_env(distribution.mode(jnp.asarray(solution.policy[1.0])))
    np.testing.assert_allclose(actions, TARGET_ACTION, atol=0.1)
    np.testing.assert_allclose(solution.evaluation, -np.square(actions - TARGET_ACTION) + np.zeros(8), atol=1e-5)
