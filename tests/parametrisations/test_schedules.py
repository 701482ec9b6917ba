"""Schedules of PPO's settings: curves, what they do to a training, and with which losses they go."""

import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import QUICK
from probes import matching_action
from samples import make_sample

from metadisco.config import PPOConfig, build_settings
from metadisco.errors import UserError
from metadisco.inner.optimise import Hyperparameters
from metadisco.inner.train import train
from metadisco.objectives import ppo
from metadisco.objectives.schedules import factors_over
from metadisco.parametrisations import LPODrift, Schedules
from metadisco.parametrisations.schedules import MAX_LOG_FACTOR, factor_at
from metadisco.types import Factors

CURVES = ("learning_rate", "entropy_coef", "clip_eps", "value_coef")
CONFIG = PPOConfig(
    num_envs=2, num_steps=8, num_env_steps=64, num_minibatches=2, num_epochs=2, hidden_sizes=(4,), learning_rate=0.01,
    num_evaluation_episodes=2, entropy_coef=1.0,
)  # fmt: skip
SAMPLE = make_sample(np.log([0.5, 0.7, 1.1, 1.5]), [-1.0, -2.0, 1.0, 3.0])


def constant(settings, **logarithms):
    """Return meta-parameters of curves that are constant factors, given by their logarithms."""
    start = settings.init(jax.random.key(0))
    knots = {name: jnp.full_like(leaf, logarithms.get(name, 0)) for name, leaf in start["schedule"].items()}
    return {**start, "schedule": jax.tree.map(lambda leaf: leaf / settings.output_scale, knots)}


@functools.cache
def trained():
    """Return a compiled function (meta-parameters, hyperparameters) -> trained network; plain PPO without any."""

    @functools.partial(jax.jit, compiler_options=QUICK)
    def scheduled(meta_params, hyperparameters):
        objective = Schedules().bind(meta_params)
        result = train(jax.random.key(5), matching_action(), CONFIG, objective, hyperparameters=hyperparameters)
        return result.state.params

    @functools.partial(jax.jit, compiler_options=QUICK)
    def plain(hyperparameters):
        result = train(jax.random.key(5), matching_action(), CONFIG, ppo(), hyperparameters=hyperparameters)
        return result.state.params

    return scheduled, plain


def traced(**changes):
    return jax.tree.map(jnp.float32, Hyperparameters.from_config(CONFIG)._replace(**changes))


class TestCurves:
    def test_are_interpolated_in_the_logarithm(self):
        knots = jnp.log(jnp.asarray([1.0, 4.0, 0.25])) / 2
        for progress, expected in ((0.0, 1.0), (0.25, 2.0), (0.5, 4.0), (0.75, 1.0), (1.0, 0.25)):
            np.testing.assert_allclose(factor_at(jnp.float32(progress), knots, 2.0), expected, rtol=1e-5)

    def test_one_knot_is_a_constant(self):
        for progress in (0.0, 0.3, 1.0):
            np.testing.assert_allclose(factor_at(jnp.float32(progress), jnp.ones(1), 2.0), np.exp(2), rtol=1e-5)

    def test_any_meta_parameters_give_finite_factors(self):
        for knot in (-1e6, 1e6):
            factor = factor_at(jnp.float32(0.5), jnp.full(3, knot), 10.0)
            np.testing.assert_allclose(jnp.log(factor), np.sign(knot) * MAX_LOG_FACTOR, rtol=1e-5)

    def test_the_start_is_one_exactly(self, getkey):
        settings = Schedules()
        schedule = settings.bind(settings.init(getkey())).schedule
        factors = factors_over(schedule, np.linspace(0, 1, 7))
        assert set(factors) == set(CURVES)
        for values in factors.values():
            np.testing.assert_array_equal(values, 1)

    def test_settings_without_a_curve_are_left_alone(self, getkey):
        settings = Schedules(curves=("entropy_coef",))
        meta_params = settings.init(getkey())
        assert set(meta_params["schedule"]) == {"entropy_coef"}
        objective = settings.bind(meta_params)
        assert objective.schedule(jnp.float32(0.5)) == Factors(entropy_coef=1)
        np.testing.assert_array_equal(objective.policy_loss(SAMPLE), ppo().policy_loss(SAMPLE))


class TestTraining:
    @pytest.mark.slow
    def test_a_constant_schedule_is_plain_training(self):
        scheduled, plain = trained()
        found, expected = scheduled(constant(Schedules()), traced()), plain(traced())
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), found, expected)

    @pytest.mark.parametrize("name", ["learning_rate", "entropy_coef", "value_coef"])
    def test_a_constant_factor_is_another_setting(self, name):
        scheduled, plain = trained()
        found = scheduled(constant(Schedules(), **{name: np.log(3)}), traced())
        expected = plain(traced(**{name: 3 * getattr(CONFIG, name)}))
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), found, expected)
        before = jax.tree.leaves(plain(traced()))
        assert any(jnp.abs(x - y).max() > 1e-4 for x, y in zip(jax.tree.leaves(found), before, strict=True))

    def test_of_the_clipping_range_likewise(self):
        settings = Schedules()
        loss = settings.bind(constant(settings, clip_eps=np.log(0.5))).policy_loss
        np.testing.assert_allclose(loss(SAMPLE), ppo(0.1).policy_loss(SAMPLE), rtol=1e-6)

    def test_the_clipping_range_follows_progress(self):
        settings = Schedules(num_knots=2, output_scale=1.0)
        meta_params = settings.init(jax.random.key(0))
        meta_params["schedule"]["clip_eps"] = jnp.log(jnp.asarray([1.0, 4.0]))
        loss = settings.bind(meta_params).policy_loss
        for progress, eps in ((0.0, 0.2), (0.5, 0.4)):
            found = loss(SAMPLE._replace(progress=jnp.float32(progress)))
            np.testing.assert_allclose(found, ppo(eps).policy_loss(SAMPLE), rtol=1e-5)


class TestWithALoss:
    DRIFT: ClassVar = {"name": "lpo_drift", "hidden_sizes": [8]}
    OTHERS = ("learning_rate", "value_coef")

    def test_both_are_evolved(self, getkey):
        settings = Schedules(curves=self.OTHERS, loss=self.DRIFT)
        meta_params = settings.init(getkey())
        assert set(meta_params) == {"schedule", "loss"}
        alone = LPODrift(hidden_sizes=(8,))
        jax.tree.map(lambda leaf: leaf.shape, meta_params["loss"])
        bound = settings.bind(meta_params)
        np.testing.assert_array_equal(bound.policy_loss(SAMPLE), alone.bind(meta_params["loss"]).policy_loss(SAMPLE))
        assert set(factors_over(bound.schedule, np.zeros(1))) == set(self.OTHERS)

    def test_its_settings_are_filled_in(self):
        settings = Schedules(curves=self.OTHERS, loss=self.DRIFT)
        assert settings.loss["margin"] == 1e-4
        assert settings == Schedules(curves=self.OTHERS, loss=settings.loss)

    def test_beside_a_value_loss_the_clipping_range_has_a_curve_of_its_own(self, getkey):
        settings = Schedules(loss={"name": "value_loss", "hidden_sizes": [4], "clip_eps": 0.1})
        meta_params = constant(settings, clip_eps=np.log(3))
        loss = settings.bind(meta_params).policy_loss
        np.testing.assert_allclose(loss(SAMPLE), ppo(0.3).policy_loss(SAMPLE), rtol=1e-5)
        assert settings.learns == ("policy", "value")

    @pytest.mark.parametrize(
        ("settings", "parts"),
        [
            (Schedules(), ("policy",)),
            (Schedules(curves=("value_coef",)), ()),
            (Schedules(curves=OTHERS, loss=DRIFT), ("policy",)),
            (Schedules(curves=OTHERS, loss={"name": "value_loss"}), ("value",)),
        ],
    )
    def test_it_knows_which_losses_are_not_those_of_ppo(self, settings, parts):
        assert settings.learns == parts


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"curves": []}, "parametrisation.curves"),
        ({"curves": ["gamma"]}, "parametrisation.curves"),
        ({"curves": ["value_coef", "value_coef"]}, "each setting once"),
        ({"num_knots": 0}, "parametrisation.num_knots"),
        ({"loss": {"name": "lpo_drit"}}, "did you mean 'lpo_drift'"),
        ({"loss": {"name": "schedules"}}, "parametrisation.loss.name: got 'schedules'"),
        ({"loss": {"name": "value_loss", "widths": 3}}, "parametrisation.loss"),
        ({"loss": {"name": "lpo_drift"}}, "parametrisation.curves: got clip_eps with the loss lpo_drift"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_sentence(given, told):
    with pytest.raises(UserError) as caught:
        build_settings(Schedules, given, prefix="parametrisation.")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
