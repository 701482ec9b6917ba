"""Losses on grids: PPO and DPO against their formulas, value losses with second inputs, dependence on inputs."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.distillation.surfaces import (
    DriftSurface,
    depends_on,
    drift_points,
    drift_surface,
    value_loss_curve,
    value_loss_points,
    value_loss_surface,
)
from metadisco.objectives import clipped_squared_error, dpo, ppo, squared_error
from metadisco.parametrisations import LPODrift, PolicyAndValue, ValueLoss
from metadisco.parametrisations.lpo_drift import LearnedDrift
from metadisco.parametrisations.value_loss import LearnedValueLoss

ADVANTAGE = np.array([-4.0, -2.0, -1.0, -0.5, -0.25, -0.1, 0.0, 0.5, 1.0, 2.0, 4.0])
RATIO = np.array([0.05, 0.5, 0.79, 0.81, 1.0, 1.19, 1.2, 1.21, 1.5, 2.0, 3.0])
ERROR = np.linspace(-3.0, 3.0, 13)
SECOND = np.array([-1.0, 0.0, 0.15, 4.0])
EPS = 0.2


@pytest.fixture(scope="module")
def of_dpo() -> DriftSurface:
    return drift_surface(dpo().policy_loss, np.log(RATIO), ADVANTAGE)


def at(surface, ratio, advantage):
    """Return the gradient of the surrogate at a point of the grid."""
    return surface.gradient[RATIO.tolist().index(ratio), ADVANTAGE.tolist().index(advantage)]


def test_the_surface_of_ppo_is_that_of_the_clipped_surrogate():
    surface = drift_surface(ppo(EPS).policy_loss, np.log(RATIO), ADVANTAGE)
    ratio, advantage = RATIO[:, None], ADVANTAGE[None]
    clipped = np.minimum(ratio * advantage, np.clip(ratio, 1 - EPS, 1 + EPS) * advantage)  # Schulman et al., eq. 7
    np.testing.assert_allclose(surface.drift, ratio * advantage - clipped, atol=1e-14)
    stopped = np.where(advantage > 0, ratio > 1 + EPS, ratio < 1 - EPS)
    inside = ratio[:, 0] != 1.2  # where it bends
    np.testing.assert_allclose(surface.gradient[inside], np.where(stopped, 0, advantage)[inside], atol=1e-14)
    np.testing.assert_array_equal(surface.log_ratio, np.log(RATIO))
    np.testing.assert_array_equal(surface.advantage, ADVANTAGE)
    assert surface.gradient.dtype == surface.drift.dtype == np.float64


def test_the_surface_of_dpo_is_its_formula(of_dpo):
    ratio, advantage = RATIO[:, None], ADVANTAGE[None]
    gain, loss = (ratio - 1) * advantage, np.log(ratio) * advantage
    up = np.maximum(gain - 2 * np.tanh(gain / 2), 0)
    down = np.maximum(loss - 0.6 * np.tanh(loss / 0.6), 0)
    np.testing.assert_allclose(of_dpo.drift, np.where(advantage < 0, down, up), atol=1e-13)


@pytest.mark.parametrize(
    ("advantage", "shares"),
    [
        (0.5, (0.998, 0.985, 0.940)),
        (1.0, (0.990, 0.940, 0.786)),
        (2.0, (0.961, 0.786, 0.420)),
        (4.0, (0.856, 0.420, 0.071)),
    ],
)
def test_the_slope_of_dpo_decays_where_a_good_action_has_become_likelier(of_dpo, advantage, shares):
    for ratio, share in zip((1.2, 1.5, 2.0), shares, strict=True):
        assert at(of_dpo, ratio, advantage) / advantage == pytest.approx(share, abs=5e-4)
    assert at(of_dpo, 0.5, advantage) == pytest.approx(advantage, rel=1e-12)


def test_the_slope_of_dpo_changes_sign_where_it_rolls_back():
    boundaries = {-0.1: 0.117, -0.25: 0.260, -0.5: 0.405, -1.0: 0.559, -2.0: 0.697, -4.0: 0.804}
    ratio = np.arange(0.05, 1.0, 5e-4)
    surface = drift_surface(dpo().policy_loss, np.log(ratio), np.array([*boundaries]))
    for slope, boundary in zip(surface.gradient.T, boundaries.values(), strict=True):
        (crossing,) = np.flatnonzero(np.diff(np.sign(slope)))
        assert slope[0] > 0 > slope[-1]
        assert ratio[crossing : crossing + 2].mean() == pytest.approx(boundary, abs=8e-4)


def test_slopes_are_what_finite_differences_of_the_objective_say(of_dpo):
    step = 1e-5
    ahead, back = (
        (RATIO + move)[:, None] * ADVANTAGE - drift_surface(dpo().policy_loss, np.log(RATIO + move), ADVANTAGE).drift
        for move in (step, -step)
    )
    np.testing.assert_allclose(of_dpo.gradient, (ahead - back) / (2 * step), atol=1e-4)


def test_points_are_those_of_the_grid(of_dpo):
    drift, slope = drift_points(dpo().policy_loss, np.log(RATIO), np.full(RATIO.size, -2.0))
    np.testing.assert_allclose(drift, of_dpo.drift[:, 1], atol=1e-14)
    np.testing.assert_allclose(slope, of_dpo.gradient[:, 1], atol=1e-14)


def test_a_drift_is_taken_at_the_progress_that_is_asked_for():
    policy_loss = lambda sample: (1 + sample.progress) * ppo(EPS).policy_loss(sample)  # noqa: E731
    early, late, usual = (
        drift_surface(policy_loss, np.zeros(1), np.ones(1), **progress).gradient.item()
        for progress in ({"progress": 0.0}, {"progress": 1.0}, {})
    )
    assert (early, late, usual) == pytest.approx((1.0, 2.0, 1.5))


def test_a_value_loss_of_the_error_alone_is_a_curve_less_what_it_costs_to_be_right():
    curve = value_loss_curve(lambda sample: squared_error()(sample) + 17, ERROR)
    np.testing.assert_allclose(curve.loss, 0.5 * ERROR**2, atol=1e-12)
    np.testing.assert_allclose(curve.derivative, ERROR, atol=1e-14)
    np.testing.assert_array_equal(curve.error, ERROR)


def test_a_curve_is_taken_where_the_value_has_not_moved_from_the_old_one():
    curve = value_loss_curve(clipped_squared_error(EPS), ERROR)
    np.testing.assert_allclose(curve.loss, 0.5 * ERROR**2, atol=1e-12)


def clipped(value, old_value, target):
    """Return PPO's clipped value loss and its derivative, in NumPy."""
    clipped = np.clip(value, old_value - EPS, old_value + EPS)
    plain, other = (value - target) ** 2, (clipped - target) ** 2
    moves = np.where(np.abs(value - old_value) < EPS, clipped - target, 0)
    return 0.5 * np.maximum(plain, other), np.where(plain >= other, value - target, moves)


def test_the_clipped_value_loss_over_error_and_old_value():
    error = ERROR + 0.013  # off the bends
    surface = value_loss_surface(clipped_squared_error(EPS), error, SECOND, "old_value")
    value, old_value = error[:, None], SECOND[None]
    loss, derivative = clipped(value, old_value, 0.0)
    at_zero, _ = clipped(0.0, old_value, 0.0)
    np.testing.assert_allclose(surface.loss, loss - at_zero, atol=1e-12)
    np.testing.assert_allclose(surface.derivative, derivative, atol=1e-12)
    assert surface.second_input == "old_value"
    assert (np.abs(derivative - value) > 0.1).any()  # clipping is seen


def test_over_error_and_target_the_value_has_not_moved():
    surface = value_loss_surface(clipped_squared_error(EPS), ERROR, SECOND, "target")
    np.testing.assert_allclose(surface.loss, np.broadcast_to(0.5 * ERROR[:, None] ** 2, (13, 4)), atol=1e-12)
    loss = lambda sample: sample.target * (sample.value - sample.target) + sample.target**2  # noqa: E731
    surface = value_loss_surface(loss, ERROR, SECOND, "target")
    np.testing.assert_allclose(surface.loss, ERROR[:, None] * SECOND, atol=1e-12)
    np.testing.assert_allclose(surface.derivative, np.broadcast_to(SECOND, (13, 4)), atol=1e-12)
    np.testing.assert_array_equal(surface.second, SECOND)


def test_points_of_a_value_loss_have_targets_and_old_values_of_their_own():
    rng = np.random.default_rng(0)
    error, target, old_value = rng.normal(0, 2, (3, 50))
    loss, derivative = value_loss_points(clipped_squared_error(EPS), error, target, old_value)
    expected, slope = clipped(target + error, old_value, target)
    np.testing.assert_allclose(loss, expected - clipped(target, old_value, target)[0], atol=1e-12)
    np.testing.assert_allclose(derivative, slope, atol=1e-12)
    late, _ = value_loss_points(lambda sample: sample.progress * sample.value, error, target, old_value, 0.75)
    np.testing.assert_allclose(late, 0.75 * error, atol=1e-12)


def moved(parametrisation):
    """Return the objective of perturbed meta-parameters."""
    params = parametrisation.init(jax.random.key(0))
    return parametrisation.bind(jax.tree.map(lambda x: x + 0.3 * jax.random.normal(jax.random.key(1), x.shape), params))


def learned_value_loss(*inputs, **settings):
    return moved(ValueLoss(inputs=inputs, hidden_sizes=(8,), **settings)).value_loss


def learned_drift(**settings):
    return moved(LPODrift(hidden_sizes=(8,), **settings)).policy_loss


FIELDS = ("log_ratio", "advantage", "value", "target", "old_value", "progress")


@cache
def both():
    return moved(
        PolicyAndValue(
            policy=LearnedDrift(hidden_sizes=(8,)),
            value=LearnedValueLoss(inputs=("error", "old_value"), hidden_sizes=(8,)),
        )
    )


LOOKED_AT = {  # made by the test: collecting compiles nothing
    "ppo": (lambda: ppo().policy_loss, {"log_ratio", "advantage"}),
    "ppo's value loss": (lambda: ppo().value_loss, {"value", "old_value"}),
    "ppo's value loss, hardly clipped": (lambda: clipped_squared_error(5.0), {"value", "old_value"}),
    "squared error": (squared_error, {"value"}),
    "nothing": (lambda: lambda sample: jnp.zeros_like(sample.value), set()),
    "time-aware drift": (lambda: learned_drift(time_aware=True), {"log_ratio", "advantage", "progress"}),
    "learned value loss": (lambda: learned_value_loss("error"), {"value"}),
    "learned value loss of the target": (lambda: learned_value_loss("error", "target"), {"value", "target"}),
    "learned value loss of the old value": (
        lambda: learned_value_loss("error", "old_value", start="random"),
        {"value", "target", "old_value"},
    ),
    "learned together": (lambda: both().policy_loss, {"log_ratio", "advantage"}),
    "learned together: value loss": (lambda: both().value_loss, {"value", "target", "old_value"}),
    "large and hardly dependent": (lambda: lambda sample: 1e6 + 1e3 * sample.target, {"target"}),
}


@pytest.mark.parametrize(("make_loss", "looked_at"), LOOKED_AT.values(), ids=LOOKED_AT)
def test_what_a_loss_looks_at(make_loss, looked_at):
    """The target moves together with value and old value, which isolates the dependence on its level."""
    loss = make_loss()
    assert {field for field in FIELDS if depends_on(loss, field)} == looked_at
