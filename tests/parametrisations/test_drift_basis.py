"""The drift of few coefficients: its start, the conditions of mirror learning, and its source."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import make_sample

from metadisco.config import build_settings
from metadisco.distillation.formulas import check_drift
from metadisco.errors import UserError
from metadisco.objectives import clip_drift, mirror, no_drift, ppo
from metadisco.objectives.expressions import drift_of, fold
from metadisco.parametrisations import DriftBasis
from metadisco.parametrisations.drift_basis import LEAST_BAND, TERMS, drift_terms

RATIOS = np.array([0.05, 0.3, 0.7, 0.79, 0.801, 0.9, 0.97, 1.0, 1.03, 1.1, 1.199, 1.21, 1.5, 3.0, 20.0], np.float32)
ADVANTAGES = np.array([-3.0, -0.5, 0.0, 0.7, 2.0], np.float32)
RATIO, ADVANTAGE = np.meshgrid(RATIOS, ADVANTAGES, indexing="ij")
GRID = make_sample(np.log(RATIO), ADVANTAGE)
EXTREMES = make_sample(*np.meshgrid([-1e4, -80, -41, -1, 0, 1, 40.1, 80, 1e4], [-50.0, -1, -1e-8, 0, 1e-8, 1, 50]))


def drift(settings, meta_params, sample=GRID):
    return settings.bind(meta_params).policy_loss(sample) - mirror(no_drift())(sample)


def gradient(loss, sample=GRID):
    return jax.grad(lambda log_ratio: loss(sample._replace(log_ratio=log_ratio)).sum())(sample.log_ratio)


def some(seed, settings=None, std=1.0):
    """Return meta-parameters far off, edges below the band among them."""
    rng = np.random.default_rng(seed)
    start = (settings or DriftBasis()).init(jax.random.key(0))
    return jax.tree.map(lambda leaf: leaf + jnp.asarray(std * rng.normal(size=leaf.shape), jnp.float32), start)


class TestStart:
    @pytest.mark.parametrize("sample", [GRID, EXTREMES], ids=["usual", "extreme"])
    @pytest.mark.parametrize("clip_eps", [0.05, 0.2, 0.3])
    def test_is_ppo_bit_for_bit(self, sample, clip_eps, getkey):
        settings = DriftBasis(clip_eps=clip_eps, value_clip_eps=0.4)
        objective, expected = settings.bind(settings.init(getkey())), ppo(clip_eps, 0.4)
        np.testing.assert_array_equal(objective.policy_loss(sample), expected.policy_loss(sample))
        np.testing.assert_array_equal(gradient(objective.policy_loss, sample), gradient(expected.policy_loss, sample))
        values = make_sample(value=ADVANTAGES, target=1.0)
        np.testing.assert_array_equal(objective.value_loss(values), expected.value_loss(values))

    def test_without_ppo_is_no_drift(self, getkey):
        settings = DriftBasis(ppo_init=False)
        assert (drift(settings, settings.init(getkey())) == 0).all()

    def test_has_as_many_numbers_as_its_terms_and_edges(self, getkey):
        sizes = {name: leaf.shape for name, leaf in DriftBasis().init(getkey()).items()}
        assert sizes == {"weights": (len(TERMS),), "edges": (4,)}


class TestConditions:
    @pytest.mark.parametrize("seed", range(4))
    def test_it_is_a_drift_whatever_is_evolved(self, seed):
        settings, meta_params = DriftBasis(), some(seed)
        assert (drift(settings, meta_params) >= -1e-5 * np.abs(RATIO * ADVANTAGE)).all()
        source = settings.source_losses(meta_params).policy
        assert check_drift(fold(source)).nonnegative == "by form"

    @pytest.mark.parametrize("band", [LEAST_BAND, 0.1])
    def test_it_is_zero_with_its_slope_in_a_band_around_one(self, band):
        settings = DriftBasis(band=band)
        inside = 1 + np.linspace(-0.99 * band, 0.99 * band, 21)
        sample = make_sample(*np.meshgrid(np.log(inside), ADVANTAGES))
        plain = mirror(no_drift())
        for seed in range(4):
            loss = settings.bind(some(seed, settings)).policy_loss
            np.testing.assert_array_equal(loss(sample), plain(sample))
            np.testing.assert_array_equal(gradient(loss, sample), gradient(plain, sample))

    @pytest.mark.parametrize("term", range(len(TERMS)))
    def test_every_term_matters_beyond_its_edge_and_not_before(self, term, getkey):
        edges = jnp.asarray([0.1, 0.2, 0.3, 0.4])
        value = np.asarray(drift_terms(GRID, edges)[term])
        edge = edges[min(term, 2) if term < 4 else 3]
        assert (value[np.abs(RATIO - 1) < edge] == 0).all()
        assert (value >= 0).all() and (value > 0).any()
        if term < 4:
            side = np.array([1, -1, 1, -1])[term] * ADVANTAGE > 0
            assert (value[~side] == 0).all()

    def test_extremes_give_finite_losses_and_gradients(self):
        loss = DriftBasis().bind(some(0)).policy_loss
        assert jnp.isfinite(loss(EXTREMES)).all()
        assert jnp.isfinite(gradient(loss, EXTREMES)).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_source_is_the_same_drift(seed):
    settings, meta_params = DriftBasis(), some(seed, std=0.1)
    written = drift_of(settings.source_losses(meta_params).policy)(GRID)
    np.testing.assert_allclose(written, drift(settings, meta_params), rtol=1e-4, atol=1e-5)


def test_terms_of_weight_zero_are_not_written(getkey):
    start = DriftBasis().init(getkey())
    expected = clip_drift()(GRID)
    np.testing.assert_allclose(drift_of(DriftBasis().source_losses(start).policy)(GRID), expected, rtol=1e-5, atol=1e-6)
    nothing = replace(DriftBasis(), ppo_init=False)
    assert nothing.source_losses(nothing.init(getkey())).policy == 0


@pytest.mark.parametrize(
    ("given", "told"),
    [({"band": 0.01}, "band: got 0.01, allowed: a number at least 0.02"), ({"clip_eps": 0.01}, "clip_eps: got 0.01")],
)
def test_a_narrower_band_is_refused(given, told):
    with pytest.raises(UserError, match=told):
        build_settings(DriftBasis, given)
