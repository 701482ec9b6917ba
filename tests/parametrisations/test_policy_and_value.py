"""A drift and a value loss learned jointly equal those learned separately, and are independent."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metadisco.errors import UserError
from metadisco.objectives import ppo, squared_error
from metadisco.parametrisations import LPODrift, PolicyAndValue, ValueLoss, make_parametrisation
from metadisco.parametrisations.lpo_drift import LearnedDrift
from metadisco.parametrisations.value_loss import LearnedValueLoss
from metadisco.storage.arrays import from_arrays, to_arrays
from metadisco.types import Sample

POLICY = {"hidden_sizes": (8,), "time_aware": True, "feature_clip": 3.0, "clip_eps": 0.1, "output_scale": 2.0}
VALUE = {"hidden_sizes": (4, 4), "inputs": ("error", "old_value"), "output_scale": 0.5}
BOTH = PolicyAndValue(policy=LearnedDrift(**POLICY), value=LearnedValueLoss(**VALUE))


@pytest.fixture
def sample(getkey):
    fields = jax.random.normal(getkey(), (5, 20))
    return Sample(*fields, progress=jnp.float32(0.4))


@pytest.fixture
def meta_params(getkey):
    """Off the start, so that both networks do something."""
    rng = np.random.default_rng(0)
    noise = lambda leaf: rng.normal(scale=0.3, size=leaf.shape).astype(np.float32)  # noqa: E731
    return jax.tree.map(lambda leaf: leaf + noise(leaf), BOTH.init(getkey()))


def losses(meta_params, sample, both=BOTH):
    return tuple(loss(sample) for loss in both.bind(meta_params)[:2])


def test_its_losses_are_those_of_the_two_alone(meta_params, sample):
    policy_loss, value_loss = losses(meta_params, sample)
    drift, value = LPODrift(**POLICY), ValueLoss(**VALUE)
    np.testing.assert_array_equal(policy_loss, drift.bind(meta_params["policy"]).policy_loss(sample))
    np.testing.assert_array_equal(value_loss, value.bind(meta_params["value"]).value_loss(sample))
    assert (policy_loss != ppo(clip_eps=0.1).policy_loss(sample)).any()
    assert (value_loss != squared_error()(sample)).any()


def test_its_meta_parameters_have_the_shapes_of_the_two_alone(getkey):
    meta_params = jax.eval_shape(BOTH.init, getkey())
    assert set(meta_params) == {"policy", "value"}
    assert meta_params["policy"] == jax.eval_shape(LPODrift(**POLICY).init, getkey())
    assert meta_params["value"] == jax.eval_shape(ValueLoss(**VALUE).init, getkey())


def test_each_loss_depends_on_its_own_meta_parameters_alone(meta_params, sample, getkey):
    usual = losses(meta_params, sample)
    for moved, part in enumerate(("policy", "value")):
        other = {**meta_params, part: jax.tree.map(lambda leaf: leaf + 0.5, meta_params[part])}
        for index, (before, after) in enumerate(zip(usual, losses(other, sample), strict=True)):
            assert (before != after).any() == (index == moved)


def test_the_two_start_from_keys_of_their_own(getkey):
    square = PolicyAndValue(policy=LearnedDrift(hidden_sizes=(8, 8)), value=LearnedValueLoss(hidden_sizes=(8, 8)))
    meta_params = square.init(getkey())
    ours, theirs = (meta_params[part]["Dense_1"]["kernel"] for part in ("policy", "value"))
    assert ours.shape == theirs.shape
    assert (ours != theirs).all()


def test_by_default_the_search_starts_at_ppo_with_the_plain_squared_error(getkey, sample):
    both = make_parametrisation({"name": "policy_and_value"})
    policy_loss, value_loss = losses(both.init(getkey()), sample, both)
    np.testing.assert_allclose(policy_loss, ppo().policy_loss(sample), atol=1.1e-4)  # the margin
    np.testing.assert_array_equal(value_loss, squared_error()(sample))


def test_a_config_sets_each_part():
    made = make_parametrisation({"name": "policy_and_value", "policy": POLICY, "value": VALUE})
    assert made == BOTH


def test_meta_parameters_come_back_from_named_arrays(meta_params, sample, getkey):
    arrays = to_arrays(meta_params)
    assert {"policy/Dense_0/kernel", "policy/output/kernel", "value/Dense_1/bias", "value/output/bias"} <= set(arrays)
    back = from_arrays(arrays, jax.eval_shape(BOTH.init, getkey()), "here")
    jax.tree.map(np.testing.assert_array_equal, back, meta_params)
    for one, same in zip(losses(back, sample), losses(meta_params, sample), strict=True):
        np.testing.assert_array_equal(one, same)


def test_arrays_of_one_part_alone_are_refused(meta_params, getkey):
    template = jax.eval_shape(BOTH.init, getkey())
    with pytest.raises(UserError, match="here: lacks the array 'value/"):
        from_arrays(to_arrays({"policy": meta_params["policy"]}), template, "here")
