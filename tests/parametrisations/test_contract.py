"""The contract of every parametrisation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick import quick

from metadisco.parametrisations import (
    PARAMETRISATIONS,
    LPODrift,
    PolicyAndValue,
    ValueLoss,
    built_in,
    make_parametrisation,
)
from metadisco.parametrisations.lpo_drift import LearnedDrift
from metadisco.parametrisations.value_loss import LearnedValueLoss
from metadisco.types import Objective, Sample

ALL_INPUTS = ("error", "target", "old_value")
CASES = (
    {name: make_parametrisation({"name": name}) for name in PARAMETRISATIONS}
    | {
        f"value_loss, {start}, {'+'.join(inputs)}": ValueLoss(
            start=start, inputs=inputs, hidden_sizes=(8, 4), output_scale=0.5, clip_eps=0.1
        )
        for start in ("squared_error", "random", "zeros")
        for inputs in (("error",), ("target", "error"), ALL_INPUTS)
    }
    | {
        "lpo_drift, without PPO": LPODrift(ppo_init=False, start="random", hidden_sizes=(8,)),
        "lpo_drift, time-aware": LPODrift(time_aware=True, hidden_sizes=(8,)),
        "lpo_drift, clipped features": LPODrift(feature_clip=2.0, hidden_sizes=(8,)),
        "lpo_drift, two layers": LPODrift(hidden_sizes=(8, 4), value_clip_eps=None, output_scale=0.5, clip_eps=0.1),
        "policy_and_value, time-aware": PolicyAndValue(
            policy=LearnedDrift(time_aware=True, hidden_sizes=(8,)),
            value=LearnedValueLoss(inputs=ALL_INPUTS, hidden_sizes=(8,), start="random"),
        ),
    }
)
POPULATION = 3
every_parametrisation = pytest.mark.parametrize("parametrisation", CASES.values(), ids=CASES)


def make_sample(shape, scale=1.0):
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(5, *shape)).astype(np.float32) * np.float32(scale)
    return Sample(*map(jnp.asarray, fields), progress=jnp.float32(0.25))


def near(key, meta_params, std=0.3):
    """Return meta-parameters some way off."""
    leaves, structure = jax.tree.flatten(meta_params)
    keys = jax.random.split(key, len(leaves))
    moved = [
        leaf + std * jax.random.normal(key, leaf.shape, leaf.dtype) for key, leaf in zip(keys, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, moved)


@pytest.fixture
def meta_params(parametrisation, getkey):
    """Meta-parameters as the search meets them, off the start, which may be all zeros."""
    return near(getkey(), parametrisation.init(getkey()))


@every_parametrisation
def test_settings_are_static(parametrisation):
    assert hash(parametrisation) == hash(type(parametrisation)(**vars(parametrisation)))
    assert parametrisation == type(parametrisation)(**vars(parametrisation))
    with pytest.raises(AttributeError):
        setattr(parametrisation, next(iter(vars(parametrisation))), None)


@every_parametrisation
def test_meta_parameters_are_float32_arrays_and_the_key_decides_them(parametrisation, getkey):
    key = getkey()
    meta_params = parametrisation.init(key)
    leaves = jax.tree.leaves(meta_params)
    assert leaves
    for leaf in leaves:
        assert leaf.dtype == jnp.float32
        assert not leaf.weak_type
        assert jnp.isfinite(leaf).all()
    jax.tree.map(np.testing.assert_array_equal, meta_params, parametrisation.init(key))
    shapes = jax.tree.map(jnp.shape, meta_params)
    assert shapes == jax.tree.map(jnp.shape, parametrisation.init(getkey()))


@every_parametrisation
@pytest.mark.parametrize("shape", [(2, 3), *(pytest.param(each, marks=pytest.mark.slow) for each in [(6,), (1, 3, 2)])])
def test_losses_are_elementwise_on_any_grid(parametrisation, meta_params, shape):
    objective = parametrisation.bind(meta_params)
    assert isinstance(objective, Objective)
    sample = make_sample(shape)
    flat = Sample(*(x.ravel() for x in sample[:-1]), progress=sample.progress)
    order = np.arange(6)[::-1]
    reordered = flat._replace(**{name: getattr(flat, name)[order] for name in Sample._fields[:5]})
    for loss in objective[:2]:
        losses = loss(sample)
        assert losses.shape == shape
        assert losses.dtype == jnp.float32
        assert jnp.unique(losses).size > 1
        np.testing.assert_allclose(losses.ravel(), loss(flat), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(loss(reordered), loss(flat)[order], rtol=1e-5, atol=1e-6)


@every_parametrisation
def test_losses_and_their_gradients_are_finite(parametrisation, meta_params):
    def total(meta_params, sample):
        objective = parametrisation.bind(meta_params)
        return (objective.policy_loss(sample) + objective.value_loss(sample)).sum()

    total_and_gradients = jax.jit(jax.value_and_grad(total, (0, 1)))
    for scale in (0.0, 1.0, 1000.0):
        sample = make_sample((6,), scale)._replace(log_ratio=make_sample((6,)).log_ratio)
        result, (by_meta_params, by_sample) = total_and_gradients(meta_params, sample)
        assert jnp.isfinite(result)
        for leaf in jax.tree.leaves((by_meta_params, by_sample)):
            assert jnp.isfinite(leaf).all()
        if scale == 1.0:
            assert all(jnp.abs(gradient).max() > 0 for gradient in (by_sample.log_ratio, by_sample.value))


@every_parametrisation
def test_what_trains_an_agent_depends_on_the_meta_parameters(parametrisation, meta_params, getkey):
    """Gradients by the agent's outputs, as an additive constant in a loss trains nothing."""
    sample = make_sample((6,))

    @jax.jit
    def gradients(meta_params):
        objective = parametrisation.bind(meta_params)
        policy = jax.grad(lambda x: objective.policy_loss(sample._replace(log_ratio=x)).sum())(sample.log_ratio)
        value = jax.grad(lambda x: objective.value_loss(sample._replace(value=x)).sum())(sample.value)
        return jnp.concatenate([policy, value])

    assert (gradients(meta_params) != gradients(near(getkey(), meta_params))).any()


@pytest.mark.parametrize("name", quick(CASES, PARAMETRISATIONS))
def test_a_population_is_bound_under_vmap_and_jit(name, getkey):
    parametrisation = CASES[name]
    sample = make_sample((6,))
    keys = jax.random.split(getkey(), POPULATION)
    population = jax.vmap(near)(keys, jax.vmap(parametrisation.init)(keys))
    losses = lambda meta_params: tuple(loss(sample) for loss in parametrisation.bind(meta_params)[:2])  # noqa: E731
    together = jax.jit(jax.vmap(losses))(population)
    for member in range(POPULATION):
        alone = losses(jax.tree.map(lambda leaf, member=member: leaf[member], population))
        for one, all_ in zip(alone, together, strict=True):
            np.testing.assert_allclose(all_[member], one, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_a_built_in_one_says_what_it_learns_and_sees_and_can_be_made_smaller(name, getkey):
    cls = built_in(name)
    whole = make_parametrisation({"name": name})
    assert set(whole.learns) <= {"policy", "value"}
    assert whole.learns
    version, words = cls.features
    assert type(version) is int
    assert words
    if name == "schedules":
        assert whole.bind(whole.init(getkey())).schedule is not None
        return  # there is no source of a schedule, and no network
    assert set(whole.source_losses(whole.init(getkey()))._fields) == {"policy", "value"}
    if name == "drift_basis":
        return
    smaller = whole.resized((3,))
    assert type(smaller) is cls
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(each.init(getkey()))) for each in (smaller, whole)]
    assert sizes[0] < sizes[1] / 10
