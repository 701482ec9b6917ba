"""Closed objectives: mirror-learning form against the papers' form, drift conditions, value losses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.objectives import OBJECTIVES, clip_drift, clipped_squared_error, mirror, ppo, squared_error
from metadisco.types import Objective, Sample

EPS = 0.2
RATIOS = np.array([0.05, 0.3, 0.79, 0.81, 0.95, 1.0, 1.05, 1.19, 1.21, 1.7, 3.0])
ADVANTAGES = np.array([-3.0, -1.0, -0.01, 0.01, 0.5, 4.0])
DRIFTS = {"ppo": clip_drift(EPS)}


def make_sample(log_ratio=0.0, advantage=0.0, value=0.0, old_value=0.0, target=0.0, dtype=jnp.float32):
    """A sample of one shape; what is not given is zero."""
    fields = {
        "log_ratio": log_ratio,
        "advantage": advantage,
        "value": value,
        "old_value": old_value,
        "target": target,
    }
    broadcast = jnp.broadcast_arrays(*(jnp.asarray(x, dtype) for x in fields.values()))
    return Sample(**dict(zip(fields, broadcast, strict=True)), progress=jnp.asarray(0.5, dtype))


def grid():
    return np.meshgrid(RATIOS, ADVANTAGES, indexing="ij")


def random_sample(shape):
    rng = np.random.default_rng(0)
    return make_sample(*rng.normal(size=(5, *shape)))


def clipped_surrogate(ratio, advantage):
    """Schulman et al. (2017), eq. 7."""
    return np.minimum(ratio * advantage, np.clip(ratio, 1 - EPS, 1 + EPS) * advantage)


def test_the_mirror_form_of_ppo_equals_the_clipped_surrogate():
    ratio, advantage = grid()
    loss = mirror(clip_drift(EPS))(make_sample(np.log(ratio), advantage))
    np.testing.assert_allclose(-loss, clipped_surrogate(ratio, advantage), rtol=1e-6)


def test_the_mirror_form_of_ppo_has_the_gradient_of_the_clipped_surrogate():
    ratio, advantage = grid()
    sample = make_sample(np.log(ratio), advantage)
    total = lambda log_ratio: mirror(clip_drift(EPS))(sample._replace(log_ratio=log_ratio)).sum()  # noqa: E731
    clipped = np.where(advantage > 0, ratio > 1 + EPS, ratio < 1 - EPS)
    expected = np.where(clipped, 0, ratio * advantage)  # d(r·A)/d(log r) = r·A
    assert clipped.any()
    np.testing.assert_allclose(-jax.grad(total)(sample.log_ratio), expected, rtol=1e-6)


@pytest.mark.parametrize("name", DRIFTS)
def test_a_drift_is_never_negative_and_zero_with_zero_slope_where_the_policy_did_not_move(name):
    drift = DRIFTS[name]
    with jax.enable_x64(True):
        ratio, advantage = grid()
        evaluate = lambda r, a: np.asarray(drift(make_sample(np.log(r), a, dtype=jnp.float64)))  # noqa: E731
        values = evaluate(ratio, advantage)
        assert values.dtype == np.float64
        assert (values >= 0).all()
        assert values.any()
        at_one = np.ones_like(ADVANTAGES)
        np.testing.assert_array_equal(evaluate(at_one, ADVANTAGES), 0)
        for step in (1e-2, 1e-4, 1e-6):
            for direction in (1, -1):
                difference = evaluate(at_one + direction * step, ADVANTAGES) / step
                np.testing.assert_allclose(difference, 0, atol=10 * step)  # vanishes with the step: no kink at 1


def test_the_clip_drift_is_zero_inside_the_interval_and_grows_outside():
    ratio = jnp.array([0.81, 1.0, 1.19, 1.5, 2.0])
    drift = clip_drift(EPS)(make_sample(jnp.log(ratio), 2.0))
    np.testing.assert_allclose(drift, [0, 0, 0, 2 * 0.3, 2 * 0.8], rtol=1e-5)
    wider = clip_drift(0.6)(make_sample(jnp.log(ratio), 2.0))
    np.testing.assert_allclose(wider, [0, 0, 0, 0, 2 * 0.4], rtol=1e-5)


def test_squared_error_is_half_the_square_and_its_gradient_the_error():
    sample = make_sample(value=np.array([-2.0, 0.0, 3.0]), target=1.0)
    np.testing.assert_array_equal(squared_error()(sample), [4.5, 0.5, 2])
    gradient = jax.grad(lambda value: squared_error()(sample._replace(value=value)).sum())(sample.value)
    np.testing.assert_array_equal(gradient, [-3, -1, 2])


def test_the_clipped_value_loss_equals_a_numpy_reference():
    value, old_value, target = np.meshgrid(np.linspace(-1, 1, 9), [-0.5, 0.0, 0.3], [-1.0, 0.1, 2.0], indexing="ij")
    clipped = np.clip(value, old_value - EPS, old_value + EPS)
    expected = 0.5 * np.maximum((value - target) ** 2, (clipped - target) ** 2)
    actual = clipped_squared_error(EPS)(make_sample(value=value, old_value=old_value, target=target))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7)
    assert (expected > 0.5 * (value - target) ** 2).any()


def test_the_clipped_value_loss_stops_the_value_from_running_beyond_the_interval():
    sample = make_sample(value=np.array([0.1, 0.5, -0.5]), old_value=0.0, target=1.0)
    gradient = jax.grad(lambda value: clipped_squared_error(EPS)(sample._replace(value=value)).sum())(sample.value)
    # Inside it is the error; past the interval toward the target it is 0; past it away from the target the error again.
    np.testing.assert_allclose(gradient, [-0.9, 0, -1.5], rtol=1e-6)


def test_ppo_is_built_of_the_same_parts():
    sample = random_sample((7,))
    objective = ppo(clip_eps=0.1, value_clip_eps=0.3)
    np.testing.assert_array_equal(objective.policy_loss(sample), mirror(clip_drift(0.1))(sample))
    np.testing.assert_array_equal(objective.value_loss(sample), clipped_squared_error(0.3)(sample))
    np.testing.assert_array_equal(ppo(value_clip_eps=None).value_loss(sample), squared_error()(sample))


def test_the_policy_loss_lowers_where_a_good_action_gets_likelier():
    sample = make_sample(log_ratio=np.zeros(2), advantage=np.array([1.0, -1.0]))
    for make in OBJECTIVES.values():
        objective = make()
        gradient = jax.grad(lambda x, loss=objective.policy_loss: loss(sample._replace(log_ratio=x)).sum())(
            sample.log_ratio
        )
        np.testing.assert_array_equal(gradient, [-1, 1])


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("shape", [(), (12,), (3, 4)])
def test_losses_are_elementwise(name, shape):
    objective = OBJECTIVES[name]()
    assert isinstance(objective, Objective)
    sample = random_sample(shape)
    for loss in objective:
        losses = loss(sample)
        assert losses.shape == shape
        assert losses.dtype == jnp.float32
        for index in np.ndindex(shape):
            alone = Sample(*(x[index] for x in sample[:-1]), progress=sample.progress)
            np.testing.assert_allclose(losses[index], loss(alone), rtol=1e-6)
