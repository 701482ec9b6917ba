"""JAX settings of the caller, in the environment or in Python, have no effect or are rejected."""

import contextlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick import quick

from metadisco import (
    Evaluation,
    LPODrift,
    PolicyAndValue,
    PPOConfig,
    TaskInfo,
    UserError,
    ValueLoss,
    as_policy_loss,
    as_value_loss,
    load_objective,
    make,
    ppo,
    search,
    train,
)
from metadisco.config import OuterConfig, StrategyConfig
from metadisco.inner.ppo import init
from metadisco.objectives.arithmetic import SETTINGS, gives_nan
from metadisco.outer.devices import start_jax

OTHERS = {
    "enable_x64": True,
    "debug_nans": True,
    "debug_infs": True,
    "numpy_dtype_promotion": "strict",
    "numpy_rank_promotion": "raise",
    "transfer_guard": "disallow",
}
"""Settings of a caller; inside the caller's `jax.jit` NaN would not come out, which has a separate test."""
CONFIG = PPOConfig(
    num_envs=2,
    num_steps=8,
    num_env_steps=64,
    num_minibatches=2,
    num_epochs=1,
    hidden_sizes=(4,),
    num_evaluation_episodes=2,
)


@contextlib.contextmanager
def other_settings(*left_out):
    with contextlib.ExitStack() as stack:
        for name, value in OTHERS.items():
            if name not in left_out:
                stack.enter_context(getattr(jax, name)(value))
        yield


def leaves_of(tree):
    return [jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
            for leaf in jax.tree.leaves(tree)]  # fmt: skip


def assert_same(tree, other):
    assert jax.tree.structure(tree) == jax.tree.structure(other)
    for leaf, expected in zip(leaves_of(tree), leaves_of(other), strict=True):
        assert leaf.dtype == expected.dtype
        np.testing.assert_array_equal(leaf, expected)


def test_all_settings_are_tried():
    assert OTHERS.keys() == SETTINGS.keys()
    assert all(OTHERS[name] != value for name, value in SETTINGS.items())


@pytest.fixture(scope="module")
def env():
    return make("gymnax/CartPole-v1", max_steps_in_episode=20)


@pytest.mark.slow
def test_a_lifetime_comes_to_its_end_and_has_gaps(env):
    key = jax.random.key(0)
    with other_settings():
        result = train(key, env, CONFIG, ppo())
    assert jnp.isnan(result.curve).any() and result.finite
    assert {leaf.dtype.name for leaf in leaves_of(result)} <= {"float32", "int32", "uint32", "bool"}


def test_a_lifetime_in_a_jit_of_the_caller_has_no_number_of_64_bits(env):
    """But for the counters of loops, which JAX adds."""
    with other_settings("debug_nans", "transfer_guard"):
        lowered = jax.jit(lambda key: train(key, env, CONFIG, ppo())).lower(jax.random.key(0))
    assert "f32" in lowered.as_text() and "f64" not in lowered.as_text()
    assert {leaf.dtype.name for leaf in jax.tree.leaves(lowered.out_info)} == {"float32", "int32", "bool"}


def test_a_jit_that_lets_no_nan_out_is_refused(env):
    with (
        jax.debug_nans(True),
        pytest.raises(UserError, match=r"jax_debug_nans: got True around train, .*debug_nans\(False\)"),
    ):
        jax.jit(lambda key: train(key, env, CONFIG, ppo()))(jax.random.key(0))


def test_only_a_jit_is_refused_and_not_a_vmap_by_itself():
    twice = gives_nan(lambda x: 2 * x)
    with jax.debug_nans(True):
        np.testing.assert_array_equal(jax.vmap(twice)(jnp.arange(2.0)), [0, 2])
        for traced in (jax.jit(twice), jax.jit(jax.vmap(twice)), jax.vmap(jax.jit(twice))):
            with pytest.raises(UserError, match="jax_debug_nans"):
                traced(jnp.arange(2.0))
    np.testing.assert_array_equal(jax.jit(twice)(jnp.arange(2.0)), [0, 2])


def test_an_agent_and_an_environment_begin_the_same(env):
    key = jax.random.key(0)
    plain = init(key, env, CONFIG), env.step(key, env.reset(key)[0], jnp.ones((), jnp.int32))
    action = jnp.ones((), jnp.int32)
    with other_settings("debug_nans"):
        assert_same((init(key, env, CONFIG), env.step(key, env.reset(key)[0], action)), plain)


@pytest.mark.parametrize("parametrisation", [ValueLoss(), LPODrift(), PolicyAndValue()])
def test_meta_parameters_begin_the_same(parametrisation):
    key = jax.random.key(0)
    plain = parametrisation.init(key)
    with other_settings():
        assert_same(parametrisation.init(key), plain)


@pytest.mark.parametrize("name", quick(["value_loss_cartpole", "lpo_drift_classic", "dpo"], ["lpo_drift_classic"]))
def test_losses_are_as_exact_as_what_they_are_given(name):
    """The caller's own settings are meant for his own numbers."""
    value, target = np.linspace(-2, 2, 5), np.linspace(3, -3, 5)

    def losses(dtype):
        objective = load_objective(name)
        x, y = jnp.asarray(value, dtype), jnp.asarray(target, dtype)
        both = as_policy_loss(objective)(x / 4, y / 4, y), as_value_loss(objective)(x, y, y)
        assert {loss.dtype for loss in both} == {jnp.dtype(dtype)}
        return both

    plain = losses(jnp.float32)
    with jax.enable_x64(True):
        for loss, exact in zip(plain, losses(jnp.float64), strict=True):
            np.testing.assert_allclose(loss, exact, rtol=1e-4, atol=1e-5)


class Towards(NamedTuple):
    """A meta-problem without agents: the fitness is how near x is to 1; a member whose x is above 1.1 fails."""

    tasks: tuple[TaskInfo, ...] = (TaskInfo("near"),)
    env_steps: int = 1

    def init(self, key):
        return {"x": jnp.zeros(2)}

    def evaluate(self, key, meta_params):
        x = meta_params["x"]
        fitness = jnp.where(x[0] > 0.1, jnp.nan, -jnp.square(x - 1).sum())
        return Evaluation(fitness[None])


class Rows(list):
    """A recorder of rows alone."""

    def restore(self, template):
        return None

    def start(self, evaluator):
        pass

    def log(self, row):
        self.append((row["fitness_mean"], row["failed_members"]))

    def save(self, state, progress):
        pass


def test_a_search_is_the_same():
    config = OuterConfig(
        num_generations=3, num_devices=1, evaluate_every=2, strategy=StrategyConfig(population_size=4, std=0.2)
    )
    plain, others = Rows(), Rows()
    centre = search(Towards(), config, plain)
    assert any(failed for _, failed in plain)
    with other_settings():
        assert_same(search(Towards(), config, others), centre)
    assert others == plain


def test_commands_set_them_for_their_process():
    before = {name: getattr(jax.config, f"jax_{name}") for name in (*SETTINGS, "compilation_cache_dir")}
    try:
        for name, value in OTHERS.items():
            jax.config.update(f"jax_{name}", value)
        start_jax(None)
        assert {name: getattr(jax.config, f"jax_{name}") for name in SETTINGS} == SETTINGS
    finally:
        for name, value in before.items():
            jax.config.update(f"jax_{name}", value)
