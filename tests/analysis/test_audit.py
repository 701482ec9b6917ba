"""The audit: its agents are those of an evaluation, and its terms match their names."""

import jax.numpy as jnp
import numpy as np
import pytest
from samples import make_sample
from scripts import scripts_of

from metadisco import load_objective, make
from metadisco.config import parse_config
from metadisco.evaluation.lifetimes import run_lifetimes


@pytest.fixture(scope="module")
def scripts():
    with scripts_of("analysis") as load:
        yield load


def test_a_term_is_added_to_ppos_drift(scripts):
    added = scripts("added_terms")
    ratio = np.array([0.5, 0.9, 0.9995, 1.1, 1.5])
    for advantage in (1.5, -0.7):
        sample = make_sample(np.log(ratio), np.full(5, advantage))
        plain = load_objective("ppo").policy_loss(sample)
        terms = {
            "0.6·A⁺·relu(0.999 − r)": 0.6 * max(advantage, 0) * np.maximum(0.999 - ratio, 0),
            "0.24·relu(0.999 − r) for any A": 0.24 * np.maximum(0.999 - ratio, 0),
            "3·A⁺·relu(1 − r)²": 3 * max(advantage, 0) * np.maximum(1 - ratio, 0) ** 2,
        }
        for name, expected in terms.items():
            loss = added.beside_ppo(added.TERMS[name]).policy_loss(sample)
            np.testing.assert_allclose(loss - plain, expected, atol=1e-6)


def test_halves_are_told_apart_by_the_sign_of_the_advantage(scripts):
    sample = make_sample(np.full(2, 0.5), np.array([1.0, -1.0]))
    ppo, dpo = load_objective("ppo"), load_objective("dpo")
    mixed = scripts("added_terms").halves(dpo, ppo).policy_loss(sample)
    expected = jnp.array([dpo.policy_loss(sample)[0], ppo.policy_loss(sample)[1]])
    np.testing.assert_array_equal(mixed, expected)


@pytest.mark.slow  # compiles training twice
def test_agents_that_are_watched_are_those_that_an_evaluation_trains(scripts, tmp_path):
    ppo = {"num_envs": 2, "num_steps": 8, "num_env_steps": 128, "num_minibatches": 1, "hidden_sizes": [4],
           "learning_rate": 0.03}  # fmt: skip
    config = parse_config({"inner": {"env": "probes:rewarded_action", "ppo": ppo}})
    objective = load_objective("ppo")
    found = scripts("entropy").watched(objective, "ppo", config, 4, tmp_path)
    (lifetimes,) = run_lifetimes(objective, make("probes:rewarded_action"), [config], 4)
    np.testing.assert_allclose(found.area_under_curve, lifetimes.area_under_curve, rtol=1e-5)
    assert ((found.entropy > 0) & (found.entropy < np.log(2))).all()
