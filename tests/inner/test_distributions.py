"""Action distributions against SciPy, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats

from metadisco.inner.distributions import MIN_STD, categorical, gaussian, make_distribution, tanh_gaussian
from metadisco.inner.envs import Box, Discrete

LINE = Box(np.array([-1], np.float32), np.array([3], np.float32))
PLANE = Box(np.array([-1, -0.5], np.float32), np.array([3, 0.25], np.float32))
NUM_SAMPLES = 20_000


def raw_std(std):
    """The network output for which the tanh-Gaussian has this standard deviation."""
    return np.log(np.expm1(std - MIN_STD))


def log_cosh(x):
    return np.logaddexp(x, -x) - np.log(2)


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32) * 3


def test_the_action_space_and_the_config_choose_the_distribution():
    assert make_distribution(Discrete(3), "tanh_gaussian").num_outputs == 3
    assert make_distribution(PLANE, "gaussian").state_free_log_std
    squashed = make_distribution(PLANE, "tanh_gaussian")
    assert squashed.num_outputs == 4
    assert not squashed.state_free_log_std


def test_categorical_log_probs_are_those_of_the_softmax(logits):
    for action in range(4):
        log_prob = categorical(4).log_prob(jnp.asarray(logits), jnp.full(5, action))
        np.testing.assert_allclose(log_prob, scipy.special.log_softmax(logits, -1)[:, action], rtol=1e-5, atol=1e-6)


def test_categorical_entropy_is_scipys(logits):
    expected = scipy.stats.entropy(scipy.special.softmax(logits, -1), axis=-1)
    np.testing.assert_allclose(categorical(4).entropy(jnp.asarray(logits)), expected, rtol=1e-5)


def test_categorical_samples_have_the_probabilities_they_claim(getkey):
    distribution, logits = categorical(3), jnp.array([0.0, 1.0, -1.0])
    actions = distribution.sample(getkey(), jnp.broadcast_to(logits, (NUM_SAMPLES, 3)))
    counts = np.bincount(actions, minlength=3)
    expected = NUM_SAMPLES * np.exp(distribution.log_prob(jnp.tile(logits, (3, 1)), jnp.arange(3)), dtype=np.float64)
    assert scipy.stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 0.01
    assert distribution.mode(logits) == 1


def test_categorical_survives_extreme_logits():
    logits = jnp.array([1e4, 0.0, -1e4])
    distribution = categorical(3)
    assert distribution.log_prob(logits, jnp.array(2)) == -2e4
    assert distribution.entropy(logits) == 0
    for gradient in (jax.grad(distribution.entropy)(logits), jax.grad(distribution.log_prob)(logits, jnp.array(2))):
        assert jnp.isfinite(gradient).all()


def test_gaussian_log_prob_and_entropy_are_scipys():
    rng = np.random.default_rng(1)
    mean, log_std, action = rng.normal(size=(3, 6, 2)).astype(np.float32)
    parameters, normal = jnp.concatenate([mean, log_std], -1), scipy.stats.norm(mean, np.exp(log_std))
    distribution = gaussian(PLANE)
    expected = normal.logpdf(action).sum(-1)
    np.testing.assert_allclose(distribution.log_prob(parameters, jnp.asarray(action)), expected, rtol=1e-5)
    np.testing.assert_allclose(distribution.entropy(parameters), normal.entropy().sum(-1), rtol=1e-5)


def test_gaussian_samples_are_normal_and_clipped_for_the_environment_only(getkey):
    distribution = gaussian(LINE)
    parameters = jnp.broadcast_to(jnp.array([2.0, np.log(3.0)]), (NUM_SAMPLES, 2))
    raw = distribution.sample(getkey(), parameters)
    assert scipy.stats.kstest(raw[:, 0], scipy.stats.norm(2, 3).cdf).pvalue > 0.01
    np.testing.assert_array_equal(distribution.to_env(raw), np.clip(raw, -1, 3))
    np.testing.assert_array_equal(distribution.mode(parameters)[0], [2])


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.4, 0.3), (-1.0, 0.6)])
def test_tanh_gaussian_density_over_the_box_integrates_to_one(mean, std):
    actions = np.linspace(-1, 3, 20_003)[1:-1]
    raw = np.arctanh((actions - 1) / 2)
    parameters = jnp.broadcast_to(jnp.array([mean, raw_std(std)]), (actions.size, 2))
    log_prob = tanh_gaussian(LINE).log_prob(parameters, jnp.asarray(raw, jnp.float32)[:, None])
    assert scipy.integrate.trapezoid(np.exp(log_prob), actions) == pytest.approx(1, abs=1e-3)


def test_tanh_gaussian_log_prob_is_that_of_the_change_of_variables():
    rng = np.random.default_rng(2)
    mean, std, action = rng.normal(size=(6, 2)), rng.uniform(0.1, 2, (6, 2)), rng.normal(size=(6, 2))
    parameters = jnp.asarray(np.concatenate([mean, raw_std(std)], -1), jnp.float32)
    slope = np.log((PLANE.high - PLANE.low) / 2) - 2 * log_cosh(action)
    expected = (scipy.stats.norm(mean, std).logpdf(action) - slope).sum(-1)
    actual = tanh_gaussian(PLANE).log_prob(parameters, jnp.asarray(action, jnp.float32))
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("std", [0.01, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("mean", [0.0, 0.7, -2.0])
def test_tanh_gaussian_entropy_is_within_2e_4_nats_for_std_up_to_2(mean, std):
    normal = scipy.stats.norm(mean, std)
    integrand = lambda x: normal.pdf(x) * (np.log(2) - 2 * log_cosh(x))  # noqa: E731
    slope, _ = scipy.integrate.quad(integrand, mean - 12 * std, mean + 12 * std, epsabs=1e-10, limit=200)
    actual = tanh_gaussian(LINE).entropy(jnp.array([mean, raw_std(std)], jnp.float32))
    assert actual == pytest.approx(normal.entropy() + slope, abs=2e-4)


def test_tanh_gaussian_entropy_is_minus_the_mean_log_prob_of_its_samples(getkey):
    distribution = tanh_gaussian(PLANE)
    parameters = jnp.array([0.3, -0.5, raw_std(0.5), raw_std(1.2)], jnp.float32)
    many = jnp.broadcast_to(parameters, (NUM_SAMPLES, 4))
    log_prob = distribution.log_prob(many, distribution.sample(getkey(), many))
    error = 4 * log_prob.std() / np.sqrt(NUM_SAMPLES)
    assert -log_prob.mean() == pytest.approx(float(distribution.entropy(parameters)), abs=float(error))


@pytest.mark.parametrize("raw", [0.0, 5.0, -5.0, 50.0, -50.0, 1e4, -1e4])
def test_tanh_gaussian_survives_extreme_raw_actions(raw):
    distribution = tanh_gaussian(LINE)
    action = jnp.array([raw])
    assert -1 <= distribution.to_env(action)[0] <= 3
    for parameters in (jnp.array([0.0, 0.0]), jnp.array([raw, -100.0]), jnp.array([raw, 100.0])):
        log_prob, gradient = jax.value_and_grad(distribution.log_prob)(parameters, action)
        assert jnp.isfinite(log_prob)
        assert jnp.isfinite(gradient).all()
        entropy, gradient = jax.value_and_grad(distribution.entropy)(parameters)
        assert jnp.isfinite(entropy)
        assert jnp.isfinite(gradient).all()


def test_tanh_gaussian_maps_raw_actions_onto_the_whole_box():
    actions = tanh_gaussian(PLANE).to_env(jnp.array([[-20.0, -20.0], [0.0, 0.0], [20.0, 20.0]]))
    np.testing.assert_allclose(actions, [[-1, -0.5], [1, -0.125], [3, 0.25]], rtol=1e-6)
