"""Short training on environments of every suite; slow, as each is compiled separately."""

import jax
import numpy as np
import pytest
from compiling import QUICK

from metadisco.config import SUITES, PPOConfig
from metadisco.inner.envs import Box, kinds, make, names, not_offered
from metadisco.inner.envs.jumanji_tasks import TASKS
from metadisco.inner.train import train
from metadisco.objectives import ppo

SMALL = {"num_envs": 2, "num_steps": 16, "num_env_steps": 64, "num_evaluation_episodes": 2, "hidden_sizes": (8,)}


@pytest.mark.slow
@pytest.mark.parametrize("name", names("gymnax"))
def test_a_lifetime_ends_with_finite_parameters_and_full_evaluation(name):
    env = make(f"gymnax/{name}", max_steps_in_episode=20)
    policies = ("gaussian", "tanh_gaussian") if isinstance(env.action_space, Box) else ("gaussian",)
    for policy in policies:
        config = PPOConfig(**SMALL, policy=policy, normalise_observations=True, normalise_rewards=True)
        result = jax.jit(lambda key, config=config: train(key, env, config, ppo()))(jax.random.key(0))
        assert bool(result.finite)
        assert np.isfinite(result.evaluation).all()
        assert float(result.diagnostics.initial_ratio_error) < 1e-5


WITH_MASKS = ("connect_four", "kuhn_poker", "leduc_holdem", "othello", "tic_tac_toe")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*(f"jumanji/{name}" for name in TASKS), *(f"pgx/{name}" for name in WITH_MASKS)])
def test_a_lifetime_with_legal_actions_begins_with_a_ratio_of_one(name):
    bank = {"num_initial_states": 4} if name.startswith("jumanji/") else {}
    env = make(name, episode_length=20, **bank)
    config = PPOConfig(**SMALL, normalise_observations=True, normalise_rewards=True)
    result = jax.jit(lambda key: train(key, env, config, ppo()), compiler_options=QUICK)(jax.random.key(0))
    assert bool(result.finite)
    assert np.isfinite(result.evaluation).all()
    assert float(result.diagnostics.initial_ratio_error) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_says_what_it_has_and_what_it_leaves_out(suite):
    assert "observations are" in kinds(suite)
    assert not set(names(suite)) & set(not_offered(suite))
    assert all(not_offered(suite).values())
