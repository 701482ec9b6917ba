"""Closed-form objectives: mirror-learning form against the papers' form, drift conditions, value losses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import make_sample

from metadisco.config import OBJECTIVE_SETTINGS
from metadisco.objectives import (
    OBJECTIVES,
    PENALTIES,
    clip_drift,
    clipped_squared_error,
    dpo,
    dpo_drift,
    mirror,
    ppo,
    squared_error,
)
from metadisco.objectives import closed as objectives
from metadisco.types import Objective, Sample

LOSSES = ("policy_loss", "value_loss")

EPS = 0.2
RATIOS = np.array([0.05, 0.3, 0.79, 0.81, 0.95, 1.0, 1.05, 1.19, 1.21, 1.7, 3.0])
ADVANTAGES = np.array([-3.0, -1.0, -0.01, 0.01, 0.5, 4.0])
DRIFTS = {"ppo": clip_drift(EPS)}
EXTREME_LOG_RATIOS = [-1e4, -80.0, -41.0, -10.0, -1e-7, 0.0, 1e-7, 10.0, 39.9, 40.0, 40.1, 80.0, 1e4]
EXTREME_ADVANTAGES = [-50.0, -1.0, -1e-8, 0.0, 1e-8, 1.0, 50.0]


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
        evaluate = lambda r, a: np.asarray(drift(make_sample(np.log(r), a)))  # noqa: E731
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
    for name in objectives.DRIFTS:
        objective = OBJECTIVES[name]()
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
    for loss in objective[:2]:
        losses = loss(sample)
        assert losses.shape == shape
        assert losses.dtype == jnp.float32
        for index in np.ndindex(shape):
            alone = Sample(*(x[index] for x in sample[:-1]), progress=sample.progress)
            np.testing.assert_allclose(losses[index], loss(alone), rtol=1e-6)


def clip_formula(ratio, advantage, clip_eps=0.2):
    return ratio * advantage - np.minimum(ratio * advantage, np.clip(ratio, 1 - clip_eps, 1 + clip_eps) * advantage)


def dpo_formula(ratio, advantage, alpha=2.0, beta=0.6):
    gain, loss = (ratio - 1) * advantage, np.log(ratio) * advantage
    good = np.maximum(gain - alpha * np.tanh(gain / alpha), 0)
    return np.where(advantage >= 0, good, np.maximum(loss - beta * np.tanh(loss / beta), 0))


FORMULAS = {
    "ppo": clip_formula,
    "dpo": dpo_formula,
    "kl": lambda ratio, advantage, coef=1.0: coef * (ratio - 1 - np.log(ratio)),
    "quadratic": lambda ratio, advantage, coef=1.0: coef * (ratio - 1) ** 2,
    "policy_gradient": lambda ratio, advantage: np.zeros_like(ratio),
    "total_variation": lambda ratio, advantage, coef=1.0: coef * np.abs(ratio - 1),
    "ppo_kl": lambda ratio, advantage, clip_eps=0.2, coef=1.0: (
        clip_formula(ratio, advantage, clip_eps) + coef * (ratio - 1 - np.log(ratio))
    ),
    "ppo_total_variation": lambda ratio, advantage, clip_eps=0.2, coef=0.12: (
        clip_formula(ratio, advantage, clip_eps) + coef * np.abs(ratio - 1)
    ),
}
CONSTANTS = [(name, {}) for name in FORMULAS] + [
    ("ppo", {"clip_eps": 0.05}),
    ("ppo", {"clip_eps": 0.3}),
    ("dpo", {"alpha": 0.5}),
    ("dpo", {"beta": 3.0}),
    ("kl", {"coef": 3.0}),
    ("quadratic", {"coef": 0.1}),
    ("total_variation", {"coef": 3.0}),
    ("ppo_kl", {"clip_eps": 0.05, "coef": 3.0}),
    ("ppo_total_variation", {"clip_eps": 0.3, "coef": 0.5}),
]


def test_objectives_are_the_drifts_and_the_penalties():
    assert set(OBJECTIVES) == set(FORMULAS) == set(objectives.DRIFTS) | set(PENALTIES)
    assert not set(objectives.DRIFTS) & set(PENALTIES)


@pytest.mark.parametrize(("name", "constants"), CONSTANTS)
def test_a_drift_equals_its_formula(name, constants):
    ratio, advantage = np.meshgrid(np.exp(np.linspace(-4, 3, 57)), [*ADVANTAGES, 0.0], indexing="ij")
    drift = {**objectives.DRIFTS, **PENALTIES}[name](**constants)
    expected = FORMULAS[name](ratio, advantage, **constants)
    sample = make_sample(np.log(ratio), advantage)
    np.testing.assert_allclose(drift(sample), expected, rtol=1e-5, atol=2e-6)
    objective = OBJECTIVES[name](**constants, value_clip_eps=None)
    np.testing.assert_allclose(-objective.policy_loss(sample), ratio * advantage - expected, rtol=1e-5, atol=2e-5)
    assert objective.value_loss(random_sample((3,)))[0] == squared_error()(random_sample((3,)))[0]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_constants_left_out_are_those_of_the_config(name):
    sample = random_sample((20,))
    settings = vars(OBJECTIVE_SETTINGS[name]())
    one, same = OBJECTIVES[name](), OBJECTIVES[name](**settings)
    for loss in LOSSES:
        np.testing.assert_array_equal(getattr(one, loss)(sample), getattr(same, loss)(sample))


def test_ppo_and_dpo_are_the_objectives_of_that_name():
    sample = random_sample((20,))
    for one, same in (
        (ppo(0.1, 0.3), OBJECTIVES["ppo"](clip_eps=0.1, value_clip_eps=0.3)),
        (dpo(1.0, 2.0, 0.3), OBJECTIVES["dpo"](alpha=1.0, beta=2.0, value_clip_eps=0.3)),
    ):
        for name in LOSSES:
            np.testing.assert_array_equal(getattr(one, name)(sample), getattr(same, name)(sample))


def incentive(objective, ratio, advantage):
    """dJ/dr of J = r·A − D, in float64."""
    with jax.enable_x64(True):
        sample = make_sample(np.log(ratio), advantage)
        total = lambda log_ratio: -objective.policy_loss(sample._replace(log_ratio=log_ratio)).sum()  # noqa: E731
        return np.asarray(jax.grad(total)(sample.log_ratio)) / ratio


@pytest.mark.parametrize(
    ("advantage", "shares"),
    [
        (0.5, [0.998, 0.985, 0.940]),
        (1.0, [0.990, 0.940, 0.786]),
        (2.0, [0.961, 0.786, 0.420]),
        (4.0, [0.856, 0.420, 0.071]),
    ],
)
def test_dpo_is_cautiously_optimistic_where_ppo_stops(advantage, shares):
    ratio = np.array([1.2, 1.5, 2.0])
    actual = incentive(dpo(), ratio, advantage) / advantage
    np.testing.assert_allclose(actual, shares, atol=5e-4)
    np.testing.assert_allclose(actual, 1 / np.cosh((ratio - 1) * advantage / 2) ** 2, rtol=1e-9)
    below_and_above = np.array([1.19, 1.21])
    np.testing.assert_allclose(incentive(ppo(), below_and_above, advantage), [advantage, 0], rtol=1e-9)


@pytest.mark.parametrize(
    ("advantage", "boundary"),
    [(-0.1, 0.117), (-0.25, 0.260), (-0.5, 0.405), (-1.0, 0.559), (-2.0, 0.697), (-4.0, 0.804)],
)
def test_dpo_rolls_a_bad_action_back_once_it_is_rare_enough(advantage, boundary):
    wanted_less = np.linspace(boundary + 5e-4, 0.999, 50)
    wanted_more = np.linspace(0.01, boundary - 5e-4, 50)
    assert (incentive(dpo(), wanted_less, advantage) < 0).all()
    assert (incentive(dpo(), wanted_more, advantage) > 0).all()
    ratio = np.concatenate([wanted_more, wanted_less])
    expected = advantage * (1 - np.tanh(np.log(ratio) * advantage / 0.6) ** 2 / ratio)
    np.testing.assert_allclose(incentive(dpo(), ratio, advantage), expected, rtol=1e-9, atol=1e-12)


def test_dpo_leaves_alone_what_moves_back_against_its_advantage():
    ratio, advantage = grid()
    against = (ratio - 1) * advantage <= 0
    drift = np.asarray(dpo_drift()(make_sample(np.log(ratio), advantage)))
    assert (drift[against] == 0).all()
    assert (drift >= 0).all()
    clearly = ~against & (np.abs(np.log(ratio) * advantage) > 0.1)
    assert (drift[clearly] > 0).all()
    np.testing.assert_allclose(incentive(dpo(), ratio, advantage)[against], advantage[against], rtol=1e-9)


def test_dpo_counts_an_advantage_of_zero_among_the_positive():
    # Where the action became impossible the formula of the other branch is 0·∞.
    sample = make_sample(log_ratio=-np.inf, advantage=0.0)
    assert dpo_drift()(sample) == 0
    assert jnp.isnan(sample.log_ratio * sample.advantage)


@pytest.mark.parametrize(
    ("name", "divergence"),
    [
        ("kl", lambda old, new: (old * np.log(old / new)).sum()),
        ("quadratic", lambda old, new: ((new - old) ** 2 / old).sum()),
        ("total_variation", lambda old, new: np.abs(new - old).sum()),
    ],
)
def test_the_expectation_under_the_old_policy_is_the_divergence_that_is_named(name, divergence):
    rng = np.random.default_rng(0)
    old, new = rng.dirichlet(np.ones(5), size=2)
    drift = {**objectives.DRIFTS, **PENALTIES}[name](coef=2.0)(make_sample(np.log(new / old), rng.normal(size=5)))
    np.testing.assert_allclose((old * np.asarray(drift)).sum(), 2 * divergence(old, new), rtol=1e-5)


def test_the_total_variation_penalty_has_a_kink_where_the_policy_did_not_move():
    for step in (1e-2, 1e-4):
        for direction in (1, -1):
            with jax.enable_x64(True):
                sample = make_sample(np.log1p(direction * step), 1.0)
                np.testing.assert_allclose(PENALTIES["total_variation"](3.0)(sample) / step, 3, rtol=1e-9)


def policy_losses_and_gradients(objective, sample):
    total = lambda log_ratio: objective.policy_loss(sample._replace(log_ratio=log_ratio)).sum()  # noqa: E731
    return objective.policy_loss(sample), jax.grad(total)(sample.log_ratio)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_diverging_policy_gives_finite_losses_and_gradients(name):
    log_ratio, advantage = np.meshgrid(EXTREME_LOG_RATIOS, EXTREME_ADVANTAGES)
    sample = make_sample(log_ratio, advantage)
    assert sample.log_ratio.dtype == jnp.float32
    for result in policy_losses_and_gradients(OBJECTIVES[name](), sample):
        assert jnp.isfinite(result).all()


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("field", ["log_ratio", "advantage"])
def test_what_is_not_a_number_stays_so_and_where_it_is(name, field):
    sample = random_sample((3,))
    spoilt = sample._replace(**{field: getattr(sample, field).at[1].set(jnp.nan)})
    losses, _ = policy_losses_and_gradients(OBJECTIVES[name](), spoilt)
    np.testing.assert_array_equal(jnp.isnan(losses), [False, True, False])
