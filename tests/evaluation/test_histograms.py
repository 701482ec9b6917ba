"""Minibatch histograms: compared with NumPy's, summed over a lifetime, and without influence on learning."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import QUICK
from probes import matching_action
from samples import make_sample

from metadisco.config import PPOConfig, parse_config
from metadisco.evaluation import histograms
from metadisco.evaluation.histograms import (
    ADVANTAGE_EDGES,
    LOG_RATIO_EDGES,
    VALUE_EDGES,
    MinibatchHistograms,
    _count,
    collect_histograms,
)
from metadisco.evaluation.lifetimes import HISTOGRAMS, seed_keys
from metadisco.inner.train import train
from metadisco.objectives import closed as objectives
from metadisco.types import Sample

PPO = {
    "num_envs": 4, "num_steps": 8, "num_minibatches": 2, "num_epochs": 3, "hidden_sizes": (8,), "num_env_steps": 4 * 32,
    "learning_rate": 1e-2, "num_evaluation_episodes": 2,
}  # fmt: skip
NUM_SAMPLES = 3 * 4 * 32  # epochs · updates · batch
NUM_MINIBATCHES = 3 * 2 * 4


def shown(sample: Sample):
    """Return sums over a minibatch of everything that a histogram could depend on."""
    return {
        "samples": jnp.int32(sample.advantage.size),
        "sums": (sample.log_ratio.sum(), sample.value.sum(), sample.target.sum(), sample.old_value.sum()),
        "progress": sample.progress,
        "visits": _count(sample),
    }


def lifetime(**arguments):
    config = PPOConfig(**PPO)
    train_once = lambda key: train(key, matching_action(), config, objectives.ppo(), **arguments)  # noqa: E731
    return jax.jit(train_once, compiler_options=QUICK)(jax.random.key(0))


@pytest.fixture(scope="module")
def observed():
    return lifetime(observe=shown)


@pytest.fixture(scope="module")
def unobserved():
    return lifetime()


@pytest.fixture(scope="module")
def spread_out():
    """Samples of all magnitudes, including values beyond the edges and NaN."""
    rng = np.random.default_rng(0)
    scales = np.array([0.3, 3.0, 50.0, 50.0, 50.0])[:, None] * 10 ** rng.uniform(-3, 2.5, (5, 4000))
    fields = scales * rng.normal(size=(5, 4000))
    for number, spoilt in enumerate((np.nan, np.inf, -np.inf)):
        fields[np.arange(5), 7 * np.arange(5) + number] = spoilt
    return make_sample(*fields)


def in_numpy(first, first_edges, second, second_edges):
    """Return NumPy's histogram for edges rounded to single precision, computed in double precision."""
    first, second = (np.asarray(x, np.float64) for x in (first, second))
    edges = [np.asarray(each, np.float32).astype(np.float64) for each in (first_edges, second_edges)]
    known = np.isfinite(first) & np.isfinite(second) & (first < edges[0][-1]) & (second < edges[1][-1])
    return np.histogram2d(first[known], second[known], edges)[0]


def test_histograms_are_those_of_numpy_but_for_the_last_edge(spread_out):
    counts = _count(spread_out)
    error, old_error = spread_out.value - spread_out.target, spread_out.old_value - spread_out.target
    pairs = {
        "policy": (spread_out.log_ratio, LOG_RATIO_EDGES, spread_out.advantage, ADVANTAGE_EDGES),
        "target": (error, VALUE_EDGES, spread_out.target, VALUE_EDGES),
        "old_value": (error, VALUE_EDGES, old_error, VALUE_EDGES),
    }
    for name, pair in pairs.items():
        expected = in_numpy(*pair)
        np.testing.assert_array_equal(getattr(counts, name), expected)
        assert 1000 < expected.sum() < 4000  # some were beyond the edges
        assert (expected > 0).sum() > 300


def test_what_lies_on_an_edge_belongs_to_the_bin_above_and_on_the_last_to_none():
    edges = np.asarray(ADVANTAGE_EDGES, np.float32)
    above = _count(make_sample(0.0, edges))
    np.testing.assert_array_equal(above.policy.sum(0), np.ones(edges.size - 1))
    below = _count(make_sample(0.0, np.nextafter(edges, np.float32(-np.inf))))
    np.testing.assert_array_equal(below.policy.sum(0), np.ones(edges.size - 1))


@pytest.mark.parametrize("field", Sample._fields[:5])
@pytest.mark.parametrize("spoilt", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_dropped_only_where_it_would_be_counted(field, spoilt):
    sample = make_sample(np.zeros(3), 0.5, 1.0, 1.0, 1.0)
    counts = _count(sample._replace(**{field: getattr(sample, field).at[1].set(spoilt)}))
    seen = {
        "policy": {"log_ratio", "advantage"},
        "target": {"value", "target"},
        "old_value": {"value", "target", "old_value"},
    }
    for name, fields in seen.items():
        assert getattr(counts, name).sum() == (2 if field in fields else 3)


def test_edges_are_even_about_zero_and_finer_near_it():
    for edges, end in ((LOG_RATIO_EDGES, 3), (ADVANTAGE_EDGES, 8), (VALUE_EDGES, 1e4)):
        np.testing.assert_allclose(edges, -edges[::-1], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(edges[-1], end, rtol=1e-9)
        assert (np.diff(edges.astype(np.float32)) > 0).all()
        assert not (edges == 0).any()  # a bin lies about zero
    for edges in (LOG_RATIO_EDGES, VALUE_EDGES):
        assert np.diff(edges)[len(edges) // 2 - 1] < 0.02 * np.diff(edges)[0]


def test_a_value_error_is_counted_once_however_it_is_paired(spread_out):
    counts = _count(spread_out)
    error = np.asarray(spread_out.value - spread_out.target)
    inside = np.abs(np.asarray(spread_out.target)) < VALUE_EDGES[-1]
    np.testing.assert_array_equal(counts.error, np.histogram(error[inside & np.isfinite(error)], VALUE_EDGES)[0])


def test_what_is_observed_is_summed_over_all_minibatches_of_all_updates(observed):
    sums = observed.diagnostics.observed
    assert sums["samples"] == NUM_SAMPLES
    for name in MinibatchHistograms._fields:
        assert getattr(sums["visits"], name).sum() == NUM_SAMPLES  # nothing of this probe lies beyond the edges
    np.testing.assert_allclose(sums["progress"], NUM_MINIBATCHES * np.mean([0, 0.25, 0.5, 0.75]), rtol=1e-6)
    assert all(np.isfinite(each) and each != 0 for each in sums["sums"])


def test_what_is_observed_is_what_the_losses_are_shown(observed):
    """Targets of the probe are its rewards, ±1; each occurs once per epoch."""
    targets = np.asarray(observed.diagnostics.observed["visits"].target).sum(0)
    (places,) = np.nonzero(targets)
    np.testing.assert_allclose(np.abs(VALUE_EDGES[places]), 1, atol=0.1)
    assert set(np.sign(VALUE_EDGES[places])) == {-1, 1}
    assert (targets[places] % 3 == 0).all()


def test_learning_is_left_alone_bit_for_bit(observed, unobserved):
    assert unobserved.diagnostics.observed == ()
    ours, theirs = (
        each._replace(diagnostics=each.diagnostics._replace(observed=())) for each in (observed, unobserved)
    )
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(one, other)


def test_visits_of_several_seeds_are_added_up(monkeypatch):
    """Lifetimes are replaced by samples drawn with their key."""
    shown_by = lambda key: Sample(*jax.random.normal(key, (5, 50)), progress=jnp.zeros(()))  # noqa: E731

    def trained(key, env, config, objective, observe):
        return SimpleNamespace(diagnostics=SimpleNamespace(observed=observe(shown_by(key))))

    monkeypatch.setattr(histograms, "train", trained)
    config = parse_config({"seed": 5})
    counted = collect_histograms(objectives.dpo(), matching_action(), config, 3)
    each = [_count(shown_by(key)) for key in seed_keys(5, 3, HISTOGRAMS)]
    for name in MinibatchHistograms._fields:
        assert getattr(counted, name).dtype == np.int64
        np.testing.assert_array_equal(getattr(counted, name), sum(np.asarray(getattr(one, name)) for one in each))
    assert counted.error.sum() == 150
