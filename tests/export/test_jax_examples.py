"""The examples in JAX: objectives of metadisco replace PPO's own losses, with the same results."""

import functools
from collections.abc import Sequence

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import metadisco
from metadisco.inner.gae import gae

TOLERANCE = 1e-6  # of parameters of the order of 1, in float32
LIMIT = 200  # steps, of MountainCar, which no random agent ends before
pytestmark = pytest.mark.usefixtures("programs_compile_fast")


@pytest.fixture(scope="module")
def config(one_file):
    """Return settings of the single file for four updates, with a rate at which both losses clip."""
    return one_file.Config(num_env_steps=4 * 64, num_steps=16, num_epochs=2, num_minibatches=2, learning_rate=0.01)


@pytest.fixture(scope="module")
def start(one_file, config):
    """Return the state of the single file before its first update."""
    return jax.jit(one_file.make_learner(config, one_file.ppo_losses())[0])(jax.random.key(0))


@pytest.fixture(scope="module")
def one_file_steps(one_file, config, start, own, files):
    """Return the function from a name of losses to the parameters after each of four updates."""

    @functools.cache
    def steps(name: str) -> list[np.ndarray]:
        _, update = one_file.make_learner(config, own[name] if name in own else one_file.load_losses(files[name]))
        update, state, params = jax.jit(update), start, []
        for index in range(config.num_updates):
            state, _ = update(state, jnp.asarray(index))
            params.append(flat(state.learner.params))
        return params

    return steps


@pytest.fixture(scope="module")
def cartpole():
    return metadisco.make("gymnax/CartPole-v1")


@pytest.fixture(scope="module")
def learner(loop, cartpole):
    """Return network and optimiser of the loop, before it learns for four updates."""
    return loop.make_learner(jax.random.key(0), cartpole, num_updates=4)


@pytest.fixture(scope="module")
def loop_steps(loop, own, learner, cartpole):
    """Return the function from a name of losses to the parameters after each gradient step of four updates."""
    objectives = {
        "ppo": metadisco.load_objective("ppo"),
        "ppo_unclipped": metadisco.load_objective("ppo", value_clip_eps=None),
        "dpo": metadisco.load_objective("dpo"),
    }
    losses = own | {
        name: [metadisco.as_policy_loss(each), metadisco.as_value_loss(each)] for name, each in objectives.items()
    }

    @functools.cache
    def steps(name: str) -> list[np.ndarray]:
        update, params = loop.make_update(*losses[name]), []

        def recorded(learner, *rest):
            learner = update(learner, *rest)
            params.append(flat(learner.params))
            return learner

        loop.train(jax.random.key(1), learner, recorded, cartpole, num_updates=4)
        return params

    return steps


EXAMPLES = ["one_file", pytest.param("loop", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=EXAMPLES)
def steps(request):
    return request.getfixturevalue(f"{request.param}_steps")


def primal(x):
    """Return the value of the differentiated function."""
    return getattr(x, "primal", x)


def flat(params) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])


def largest_difference(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> np.ndarray:
    """Return by how much parameters differ at most, after each step."""
    return np.abs(np.subtract(found, expected)).max(1)


@pytest.mark.parametrize("clipping", ["", pytest.param("_unclipped", marks=pytest.mark.slow)])
def test_ppo_of_metadisco_takes_the_steps_of_own_losses(steps, clipping):
    found, expected = steps("ppo" + clipping), steps("own" + clipping)
    assert len(expected) >= 4
    assert largest_difference(expected[1:], expected[:-1]).min() > 100 * TOLERANCE
    assert largest_difference(found, expected).max() < TOLERANCE


def test_another_policy_loss_takes_other_steps(steps):
    assert largest_difference(steps("dpo"), steps("own"))[-1] > 1000 * TOLERANCE


def test_another_value_loss_takes_other_steps(steps):
    assert largest_difference(steps("ppo_unclipped"), steps("own"))[-1] > 1000 * TOLERANCE


def test_a_loss_in_a_file_is_told_how_much_of_the_training_has_elapsed(one_file, config, start, files):
    losses = one_file.load_losses(files["at_progress"])
    _, update = one_file.make_learner(config._replace(entropy_coef=0.0), losses)
    update, before = jax.jit(update), flat(start.learner.params)
    moved = [flat(update(start, jnp.asarray(index))[0].learner.params) != before for index in (0, 3)]
    assert [each.any() for each in moved] == [True, False]


def test_the_loop_tells_its_losses_how_much_of_the_training_has_elapsed(loop, learner, cartpole):
    told = []

    def update(learner, batch, advantage, progress):
        told.append(progress)
        return learner

    loop.train(jax.random.key(0), learner, update, cartpole, num_updates=4)
    assert told == [0.0] * 4 + [0.25] * 4 + [0.5] * 4 + [0.75] * 4


@pytest.mark.parametrize("example", EXAMPLES)
def test_losses_are_given_log_probs_standardised_advantages_and_returns(request, one_file, learner, example):
    module, rng = request.getfixturevalue(example), np.random.default_rng(0)
    given = {}

    def policy_loss(*arguments):
        given["policy"] = arguments[:3]
        return arguments[0]

    def value_loss(*arguments):
        given["value"] = arguments[:3]
        return arguments[0]

    obs, (old_value, advantage, old_log_prob) = rng.normal(size=(6, 4)), rng.normal(3, 2, size=(3, 6))
    fields = {name: np.full(6, np.nan) for name in module.Transition._fields}
    fields |= {"obs": obs, "action": np.array([0, 1, 1, 0, 1, 0]), "log_prob": old_log_prob, "value": old_value}
    batch = module.Transition(**fields)
    if example == "one_file":
        losses = one_file.Losses(policy_loss, value_loss)
        one_file.total_loss(learner.params, learner.apply_fn, batch, advantage, 0.0, losses, one_file.Config())
    else:
        still = learner.replace(tx=optax.set_to_zero(), opt_state=optax.EmptyState())
        module.make_update(policy_loss, value_loss).__wrapped__(still, batch, advantage, 0.0)
    logits, value = learner.apply_fn(learner.params, obs)
    log_prob = jax.nn.log_softmax(logits)[jnp.arange(6), batch.action]
    standardised = (advantage - advantage.mean()) / advantage.std()
    expected = {"policy": (log_prob, old_log_prob, standardised), "value": (value, old_value, advantage + old_value)}
    for name, arguments in expected.items():
        for ours, theirs in zip(given[name], arguments, strict=True):
            np.testing.assert_allclose(primal(ours), theirs, atol=1e-5)


@pytest.mark.parametrize("example", ["one_file", "loop"])
def test_advantages_are_those_of_metadisco(request, example):
    module, rng = request.getfixturevalue(example), np.random.default_rng(0)
    reward, value, next_value = rng.normal(size=(3, 40, 3)).astype(np.float32)
    terminated, truncated = rng.random((2, 40, 3)) < 0.3
    assert (terminated & truncated).any() and (truncated & ~terminated).any()
    expected = gae(*map(jnp.asarray, (reward, value, next_value, terminated, truncated)), 0.99, 0.95)
    fields = dict.fromkeys(module.Transition._fields, reward)
    fields |= {"value": value, "next_value": np.where(terminated, 0, next_value), "done": terminated | truncated}
    settings = [module.Config()] if example == "one_file" else []
    np.testing.assert_allclose(module.gae(module.Transition(**fields), *settings), expected, rtol=1e-5, atol=1e-5)


def rollout_of_one_file(module):
    config = module.Config(env="MountainCar-v0", num_envs=2, num_steps=LIMIT + 10)
    state = module.make_learner(config, module.ppo_losses())[0](jax.random.key(0))
    env, params = gymnax.make(config.env)
    step = jax.vmap(functools.partial(env.step, params=params))
    return jax.jit(lambda: module.rollout(state, step, config)[1])()


def rollout_of_loop(module):
    env = metadisco.make("gymnax/MountainCar-v0")
    learner = module.make_learner(jax.random.key(0), env, num_updates=1)
    env_state, obs = jax.vmap(env.reset)(jax.random.split(jax.random.key(1), 2))
    collected = []
    for key in jax.random.split(jax.random.key(2), LIMIT + 10):
        env_state, obs, kept = module.act(key, learner, env_state, obs, env)
        collected.append(kept)
    return module.Transition(*map(jnp.stack, zip(*collected, strict=True)))


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_time_limit_is_bootstrapped_from_the_observation_before_the_reset(request, example):
    module = request.getfixturevalue(example)
    rollouts = {"one_file": rollout_of_one_file, "loop": rollout_of_loop}
    transitions = rollouts[example](module)
    cut = np.arange(LIMIT + 10) == LIMIT - 1
    assert (np.asarray(transitions.done).all(1) == cut).all()
    after, seen_next = np.asarray(transitions.next_value[:-1]), np.asarray(transitions.value[1:])
    np.testing.assert_allclose(after[~cut[:-1]], seen_next[~cut[:-1]], atol=1e-5)
    assert (np.abs(after[LIMIT - 1]) > 1e-3).all()
    assert (np.abs(after[LIMIT - 1] - seen_next[LIMIT - 1]) > 1e-3).all()
    if example == "one_file":
        assert (np.asarray(transitions.episode_return[LIMIT - 1 : LIMIT + 1]) == [[-LIMIT], [-1]]).all()
