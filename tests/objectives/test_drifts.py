"""The conditions of mirror learning: every drift satisfies them for any weights, and penalties do not."""

import itertools
import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick import quick
from samples import make_sample

from metadisco.objectives import DRIFTS, PENALTIES
from metadisco.parametrisations import LPODrift, PolicyAndValue
from metadisco.parametrisations.lpo_drift import DriftNetwork, drift_features, init_drift, learned_drift
from metadisco.parametrisations.value_loss import LossNetwork

ADVANTAGES = np.array([-4.0, -1.0, -0.1, 0.0, 0.1, 1.0, 4.0])
LOG_RATIOS = np.linspace(-4, 3, 36)  # 0 is not among them
STEPS = 10.0 ** -np.arange(1, 13)
FLAT = 1e-6  # a slope of less is zero; those that a network has at a kink are far steeper

CONSTANTS = {
    "ppo": [{}, {"clip_eps": 0.05}, {"clip_eps": 0.9}],
    "dpo": [{}, {"alpha": 0.3, "beta": 5.0}, {"alpha": 10.0, "beta": 0.01}],
    "kl": [{}, {"coef": 20.0}],
    "quadratic": [{}, {"coef": 20.0}],
    "policy_gradient": [{}],
    "ppo_kl": [{}, {"clip_eps": 0.05, "coef": 20.0}],
}
CLOSED = [(name, constants) for name, several in CONSTANTS.items() for constants in several]
SMALL = LPODrift(hidden_sizes=(16,))
LEARNED = {
    f"ppo_init={ppo_init}, time_aware={time_aware}, feature_clip={feature_clip}, {hidden_sizes}": LPODrift(
        ppo_init=ppo_init, time_aware=time_aware, feature_clip=feature_clip, hidden_sizes=hidden_sizes
    )
    for ppo_init, time_aware, feature_clip, hidden_sizes in itertools.product(
        (True, False), (False, True), (None, 2.0), ((128,), (16, 16))
    )
} | {
    "output_scale=10": replace(SMALL, output_scale=10.0),
    "margin=0.1, clip_eps=0.05": replace(SMALL, margin=0.1, clip_eps=0.05),
    "policy_and_value": PolicyAndValue().policy,
}
SCALES = (0.03, 0.3, 3.0)
PROGRESS = (0.0, 0.5, 0.999)
PER_SCALE = 3
EACH_FACTOR = [
    LEARNED[name] for name in LEARNED if "(128,)" not in name or "time_aware=False, feature_clip=None" in name
]
every_learned_drift = pytest.mark.parametrize("settings", quick(LEARNED.values(), EACH_FACTOR), ids=LEARNED)


def grid_sample(log_ratio, progress=0.0):
    """Each log ratio with each advantage, in float64 where that is switched on."""
    log_ratio, advantage = np.meshgrid(log_ratio, ADVANTAGES, indexing="ij")
    return make_sample(log_ratio.ravel(), advantage.ravel(), progress=progress)


def check_drift(drift):
    """Return D on a grid of ratios and advantages, or fail where D is no drift.

    One-sided slopes at r = 1 are finite differences in float64. Derivatives by JAX would tell nothing: its relu has one
    at the kink as well, and it is zero.

    Args:
        drift: of a sample; may return axes before that of the samples, for several drifts.
    """
    moved = np.concatenate([[0.0], np.log1p(STEPS), np.log1p(-STEPS), LOG_RATIOS])
    with jax.enable_x64(True):
        values = drift(grid_sample(moved))
        assert values.dtype == jnp.float64
        values = np.asarray(values).reshape(*values.shape[:-1], moved.size, ADVANTAGES.size)
    assert np.isfinite(values).all(), "D is not finite"
    assert (values >= 0).all(), f"D is negative: {values.min()}"
    at_one, near, grid = np.split(values, [1, 1 + 2 * STEPS.size], axis=-2)
    assert (at_one == 0).all(), f"D at r = 1 is not zero: {at_one.max()}"
    slopes = near.reshape(*values.shape[:-2], 2, STEPS.size, ADVANTAGES.size) / STEPS[:, None]
    steepest = slopes[..., -2:, :].max()
    assert steepest < FLAT, f"D has a slope at r = 1: {steepest}"
    return grid


def normal(shapes, scale):
    """Return `PER_SCALE` sets of normal parameters, in float64 where that is switched on."""
    rng = np.random.default_rng(round(1000 * scale))
    return jax.tree.map(lambda leaf: jnp.asarray(scale * rng.normal(size=(PER_SCALE, *leaf.shape))), shapes)


def random_params(settings, scale):
    return normal(jax.eval_shape(lambda key: init_drift(settings, key), jax.random.key(0)), scale)


def every_member(make, draw):
    """Return as one drift those of several meta-parameters, with an axis for them in front, at various progress.

    Args:
        make: meta-parameters -> drift.
        draw: () -> meta-parameters, called in the precision in which the drift is.
    """

    def drifts(sample):
        population = draw()
        each = lambda params, progress: make(params)(sample._replace(progress=progress))  # noqa: E731
        size = jax.tree.leaves(population)[0].shape[0]
        return jax.vmap(each)(population, jnp.resize(jnp.asarray(PROGRESS), size))

    return drifts


def random_drifts(settings, scales=SCALES):
    """Return the learned drifts of random meta-parameters as one."""

    def draw():
        population = [random_params(settings, scale) for scale in scales]
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *population)

    return every_member(lambda params: learned_drift(settings, params), draw)


@pytest.mark.parametrize(("name", "constants"), CLOSED)
def test_a_closed_drift_is_one(name, constants):
    grid = check_drift(DRIFTS[name](**constants))
    assert grid.any() == (name != "policy_gradient")


def test_every_closed_drift_is_checked():
    assert set(CONSTANTS) == set(DRIFTS)


@every_learned_drift
def test_a_learned_drift_is_one_whatever_the_meta_parameters(settings):
    grid = check_drift(random_drifts(settings))
    assert len(grid) == len(SCALES) * PER_SCALE
    assert (grid > 0).any((-2, -1)).all()  # and none is trivial


@every_learned_drift
def test_a_drift_is_what_the_bound_policy_loss_takes_off_the_surrogate(settings):
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: leaf[0], random_params(settings, 0.3))
        sample = grid_sample(LOG_RATIOS, 0.5)
        parametrisation = LPODrift(**vars(LPODrift()) | vars(settings))
        surrogate = -parametrisation.bind(params).policy_loss(sample)
        drift = learned_drift(settings, params)(sample)
        assert drift.any()
        np.testing.assert_allclose(np.exp(sample.log_ratio) * sample.advantage - surrogate, drift, atol=1e-12)


def half_width(settings, params, max_advantage):
    """Return g > 0 such that D = 0 where |log r| ≤ log(1 + g) and |A| ≤ `max_advantage`.

    There |log r| ≤ g and |1 − r| ≤ g, so the four features of the ratio have a norm of at most √(2(g² + g⁴)), all eight
    one of at most √(1 + A²) times that, and sixteen one of at most √(1 + progress²) ≤ √2 times that; clipping shortens
    them. As tanh is 1-Lipschitz and 0 at 0 and nothing has a bias, the output of the network is at most the product of
    the spectral norms of its kernels times the norm of its features. D = 0 where output_scale times that is below the
    margin, that is where g√(1 + g²) < q, and where D_PPO is 0, that is where g ≤ ε.
    """
    gain = math.prod(np.linalg.norm(layer["kernel"], 2) for layer in params.values())
    gain *= settings.output_scale * math.sqrt(2 * (1 + max_advantage**2) * (2 if settings.time_aware else 1))
    q = settings.margin / gain
    return min(q * math.sqrt(2 / (1 + math.sqrt(1 + 4 * q**2))), settings.clip_eps)


@every_learned_drift
@pytest.mark.parametrize("scale", quick(SCALES, SCALES[1:2]))
def test_a_learned_drift_is_exactly_zero_on_an_interval_that_its_weights_bound(settings, scale):
    with jax.enable_x64(True):
        population = random_params(settings, scale)
        members = [jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), population) for i in range(PER_SCALE)]
        widths = np.array([half_width(settings, params, np.abs(ADVANTAGES).max()) for params in members])
        within = grid_sample(np.linspace(-1, 1, 12) * (1 - 1e-3), progress=0.999)

        def evaluate(settings):
            each = lambda params, width: learned_drift(settings, params)(  # noqa: E731
                within._replace(log_ratio=jnp.log1p(width) * within.log_ratio)
            )
            return np.asarray(jax.vmap(each)(population, jnp.asarray(widths)))

        assert (widths > STEPS[-2]).all()  # so that the finite differences of `check_drift` see it
        assert (evaluate(settings) == 0).all()
        assert (evaluate(replace(settings, margin=0.0)) > 0).any(-1).all()


def test_the_interval_is_there_in_float32_as_well():
    params = jax.tree.map(lambda leaf: leaf[0], random_params(SMALL, 0.1))
    width = half_width(SMALL, jax.tree.map(np.asarray, params), np.abs(ADVANTAGES).max())
    assert 1e-5 < width < 1e-3
    sample = grid_sample(np.linspace(-0.5, 0.5, 101) * width)
    assert sample.log_ratio.dtype == jnp.float32
    assert (learned_drift(SMALL, params)(sample) == 0).all()
    assert (learned_drift(replace(SMALL, margin=0.0), params)(sample) > 0).any()


def drifts_with(rectify, kind=DriftNetwork):
    """Return drifts built like the learned ones, with another rectifier or network, as one."""
    network = kind(SMALL.hidden_sizes)
    features = lambda sample: drift_features(SMALL, sample)  # noqa: E731
    make = lambda params: (  # noqa: E731
        lambda sample: rectify(network.apply({"params": params}, features(sample)) - SMALL.margin)
    )
    draw = lambda: normal(  # noqa: E731
        jax.eval_shape(network.init, jax.random.key(0), features(grid_sample([0.0])))["params"], 0.3
    )
    return every_member(make, draw)


def kinked_above_one(sample):
    """A kink that only good actions whose probability rises meet."""
    return jax.nn.relu(sample.log_ratio) * jax.nn.relu(sample.advantage - 1)


BROKEN = {
    "total variation": (PENALTIES["total_variation"](), "slope"),
    "PPO + total variation": (PENALTIES["ppo_total_variation"](), "slope"),
    "no margin": (random_drifts(replace(SMALL, margin=0.0)), "slope"),
    "no margin, no PPO": (random_drifts(replace(SMALL, margin=0.0, ppo_init=False)), "slope"),
    "no margin, time-aware": (random_drifts(replace(SMALL, margin=0.0, time_aware=True)), "slope"),
    "no margin, small weights": (random_drifts(replace(SMALL, margin=0.0), scales=SCALES[:1]), "slope"),
    "biases in the network": (drifts_with(jax.nn.relu, LossNetwork), "r = 1 is not zero"),
    "a bias before the ReLU": (drifts_with(lambda x: jax.nn.relu(x + 0.01)), "r = 1 is not zero"),
    "softplus": (drifts_with(jax.nn.softplus), "r = 1 is not zero"),
    "softplus, shifted": (drifts_with(lambda x: jax.nn.softplus(x) - jax.nn.softplus(-SMALL.margin)), "negative"),
    "absolute value": (drifts_with(lambda x: jnp.abs(x + SMALL.margin)), "slope"),
    "no ReLU": (drifts_with(lambda x: x + SMALL.margin), "negative"),
    "a kink on one side": (kinked_above_one, "slope"),
    "not a number": (lambda sample: jnp.full_like(sample.log_ratio, jnp.nan), "not finite"),
}


@pytest.mark.parametrize(("drift", "complaint"), BROKEN.values(), ids=BROKEN)
def test_what_breaks_the_guarantee_is_told_apart(drift, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_drift(drift)


def test_the_parts_of_the_broken_drifts_are_sound():
    assert check_drift(drifts_with(jax.nn.relu)).any()


def test_derivatives_by_jax_do_not_show_the_missing_margin():
    params = jax.tree.map(lambda leaf: leaf[0], random_params(SMALL, 0.3))
    sample = grid_sample([0.0])
    drift = learned_drift(replace(SMALL, margin=0.0), params)
    slopes = jax.grad(lambda log_ratio: drift(sample._replace(log_ratio=log_ratio)).sum())(sample.log_ratio)
    assert (slopes == 0).all()
