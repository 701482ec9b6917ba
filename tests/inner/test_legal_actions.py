"""Legal actions, from the mask at the end of an observation to the choices of an agent."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from compiling import QUICK
from env_contract import assert_contract
from masked_env import NUMS, masked_env

from metadisco.config import PPOConfig
from metadisco.evaluation.reference import random_return
from metadisco.inner.distributions import ILLEGAL, make_distribution, mask_logits
from metadisco.inner.envs import Discrete, MultiDiscrete, ignore_mask
from metadisco.inner.envs.cheap_talk import cheap_talk, memoryless
from metadisco.inner.envs.checks import checked
from metadisco.inner.networks import make_agent
from metadisco.inner.normalise import init_statistics, update_statistics
from metadisco.inner.policy import network_input
from metadisco.inner.train import train
from metadisco.objectives import ppo

NUM_SAMPLES = 100_000
SPACES = {
    "one": Discrete(4, masked=True),
    "rows": MultiDiscrete(NUMS, masked=True),
    "equal rows": MultiDiscrete((3, 3), masked=True),
}
CONFIG = PPOConfig(
    num_envs=4,
    num_steps=16,
    num_env_steps=256,
    hidden_sizes=(8,),
    num_minibatches=2,
    learning_rate=0.01,
    normalise_observations=True,
    num_evaluation_episodes=16,
)


def sizes_of(space):
    return (space.num_actions,) if isinstance(space, Discrete) else space.nums


def rows_of(space, flat):
    """Split the last axis into choices."""
    return np.split(np.asarray(flat), np.cumsum(sizes_of(space))[:-1], -1)


def masks_of(space):
    """Return masks with all, one, half and no legal actions, the same for each choice, and one that differs."""
    sizes, rng = sizes_of(space), np.random.default_rng(1)
    one = [np.eye(size)[size - 1] for size in sizes]
    half = [np.arange(size) % 2 == 0 for size in sizes]
    mixed = [np.ones(sizes[0]), *(np.zeros(size) for size in sizes[1:])]
    rows = [[np.ones(size) for size in sizes], one, half, [np.zeros(size) for size in sizes], mixed]
    masks = np.stack([np.concatenate(row) for row in rows]).astype(np.float32)
    return jnp.asarray(masks), jnp.asarray(3 * rng.normal(size=masks.shape), jnp.float32)


def allowed(row):
    """Return a row of a mask, or all actions where none is legal."""
    return row > 0.5 if row.any() else np.ones(row.shape, bool)


@pytest.fixture(params=SPACES)
def masked(request):
    """Return an action space, its distribution, masks, logits before and after masking."""
    space = SPACES[request.param]
    legal, logits = masks_of(space)
    return space, make_distribution(space, "gaussian"), legal, logits, mask_logits(logits, legal)


def test_no_illegal_action_is_drawn_or_most_likely(masked, getkey):
    space, distribution, legal, _, parameters = masked
    many = jnp.broadcast_to(parameters, (NUM_SAMPLES, *parameters.shape))
    actions = np.asarray(jax.jit(distribution.sample, compiler_options=QUICK)(getkey(), many))
    modes = np.asarray(distribution.mode(parameters))
    assert actions.dtype == modes.dtype == np.int32
    if isinstance(space, Discrete):
        actions, modes = actions[..., None], modes[..., None]
    for choice, (mask, logits) in enumerate(zip(rows_of(space, legal), rows_of(space, parameters), strict=True)):
        for index, row in enumerate(mask):
            counts = np.bincount(actions[:, index, choice], minlength=row.size)
            assert counts.sum() == NUM_SAMPLES and (counts[~allowed(row)] == 0).all()
            assert allowed(row)[modes[index, choice]]
            expected = NUM_SAMPLES * scipy.special.softmax(logits[index][allowed(row)].astype(np.float64))
            assert len(expected) == 1 or scipy.stats.chisquare(counts[allowed(row)], expected).pvalue > 1e-4


def test_probabilities_and_entropy_are_those_of_the_legal_actions_alone(masked):
    space, distribution, legal, logits, parameters = masked
    entropy, log_prob = np.zeros(len(legal)), np.zeros(len(legal))
    modes = np.asarray(distribution.mode(parameters)).reshape(len(legal), -1)
    choices = zip(rows_of(space, legal), rows_of(space, logits), modes.T, strict=True)
    for masks, values, mode in choices:
        for index, (mask, row) in enumerate(zip(masks, values.astype(np.float64), strict=True)):
            rest = scipy.special.log_softmax(np.where(mask.any(), row, 0.0)[allowed(mask)])
            entropy[index] += scipy.stats.entropy(np.exp(rest))
            log_prob[index] += rest[np.flatnonzero(allowed(mask)).tolist().index(mode[index])]
    np.testing.assert_allclose(distribution.entropy(parameters), entropy, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        distribution.log_prob(parameters, distribution.mode(parameters)), log_prob, rtol=1e-5, atol=1e-6
    )


def test_gradients_are_finite_and_pass_by_illegal_actions(masked):
    _, distribution, legal, logits, parameters = masked
    action = distribution.mode(parameters)

    def total(logits):
        masked = mask_logits(logits, legal)
        return (distribution.log_prob(masked, action) + distribution.entropy(masked)).sum()

    gradient = np.asarray(jax.grad(total)(logits))
    assert np.isfinite(gradient).all()
    assert (gradient[np.asarray(legal) == 0] == 0).all()
    assert (gradient[0] != 0).any()


def test_logits_of_illegal_actions_may_be_permuted(masked):
    _, _, legal, logits, parameters = masked
    permuted = jnp.where(legal > 0.5, logits, logits[..., ::-1] + 7)
    assert (permuted != logits).any()
    np.testing.assert_array_equal(mask_logits(permuted, legal), parameters)


def test_the_network_does_not_see_the_mask(getkey):
    env = masked_env()
    agent = make_agent(env, CONFIG)
    params = agent.init(getkey())
    obs = jax.random.normal(getkey(), (4,))
    shown = jnp.stack([jnp.append(obs, mask) for mask in (jnp.ones(4), jnp.array([0.0, 1, 0, 1]), jnp.zeros(4))])
    logits, values = agent.apply(params, shown)
    np.testing.assert_array_equal(values, jnp.full(3, values[0]))
    np.testing.assert_array_equal(logits[1, 1::2], logits[0, 1::2])
    assert (logits[1, ::2] == ILLEGAL).all() and (logits[2] == ILLEGAL).all()


def test_observation_statistics_leave_mask_and_indicators_alone(getkey):
    env = masked_env()
    obs = 3 + 2 * jax.random.normal(getkey(), (5, 6, *env.obs_shape))
    statistics = update_statistics(init_statistics(env.obs_shape), obs)
    inputs = network_input(statistics, obs, make_agent(env, replace(CONFIG, observation_clip=0.5)))
    np.testing.assert_array_equal(jnp.delete(inputs, 3, -1), jnp.delete(obs, 3, -1))
    assert (jnp.abs(inputs[..., 3]) <= 0.5).all()


def talking(env):
    return cheap_talk(env, memoryless(lambda obs: -obs[:2]), 2)


TOLD = pytest.param(lambda: talking(masked_env(nums=NUMS)), id="rows, told", marks=pytest.mark.slow)


@pytest.mark.parametrize("made", [pytest.param(masked_env, id="plain"), TOLD])
def test_agents_learn_without_an_illegal_action(made, getkey):
    """An illegal action would cost 100."""
    env = checked(made(), "masked")
    result = jax.jit(partial(train, env=env, config=CONFIG, objective=ppo()), compiler_options=QUICK)(getkey())
    assert result.finite
    assert result.diagnostics.initial_ratio_error < 1e-5
    assert result.curve.min() > 0 and result.evaluation.min() >= 0


def test_a_message_goes_before_the_mask(getkey):
    env = talking(masked_env())
    assert_contract(env)
    assert env.obs_shape == (10,) and env.action_space == Discrete(4, masked=True)
    _, obs = env.reset(getkey())
    np.testing.assert_array_equal(obs[4:6], -obs[:2])
    assert jnp.isin(obs[6:], jnp.array([0.0, 1.0])).all() and obs[6:].any()


@pytest.mark.parametrize("nums", [None, pytest.param(NUMS, marks=pytest.mark.slow)])
def test_random_actions_are_legal_unless_the_mask_is_ignored(nums, getkey):
    env = masked_env(nums=nums)
    assert_contract(env)
    returns = jax.jit(random_return, static_argnums=1, compiler_options=QUICK)
    assert returns(getkey(), env) > 0
    free = ignore_mask(env)
    assert free.obs_shape == env.obs_shape and not free.action_space.masked
    assert returns(getkey(), free) < 0
    assert ignore_mask(free) is free
